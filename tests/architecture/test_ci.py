"""What the README promises, tox and `.ci/run` do; and they agree on the Pythons."""

from __future__ import annotations

import configparser
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from infra_cli.main import COMMANDS

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TOX = configparser.ConfigParser(interpolation=None)
TOX.read(ROOT / "tox.ini", encoding="utf-8")

UP = "python -m pip install '.[all]' && infra runtime up"
TEST = "python -m pip install tox && tox"


def test_the_readme_has_the_two_commands() -> None:
    lines = [line.strip() for line in README.splitlines()]

    assert UP in lines
    assert TEST in lines


def test_the_first_command_names_an_extra_a_script_and_a_command_that_exist() -> None:
    scripts = importlib.metadata.distribution("pytest-infra").entry_points.select(group="console_scripts")

    assert "all" in PROJECT["optional-dependencies"]
    assert "infra" in scripts.names
    assert "up" in COMMANDS["runtime"]


def test_ci_runs_the_second_command_as_it_stands_there() -> None:
    assert TEST in CI


def test_tox_pyenv_and_the_classifiers_name_the_same_pythons() -> None:
    classified = set(re.findall(r"Python :: (3\.\d+)", " ".join(PROJECT["classifiers"])))
    factors = re.search(r"py\{([\d,]+)\}-\{minimal,full\}", TOX["tox"]["env_list"])
    selected = re.search(r"\^3\\\.\(([\d|]+)\)", CI)

    assert factors is not None
    assert {f"3.{factor[1:]}" for factor in factors[1].split(",")} == classified
    assert selected is not None
    assert {f"3.{minor}" for minor in selected[1].split("|")} == classified
    assert PROJECT["requires-python"] == f">={min(classified, key=lambda it: int(it[2:]))}"
    assert TOX["testenv:lowest"]["base_python"] == f"python{min(classified, key=lambda it: int(it[2:]))}"


def test_a_missing_python_is_skipped_and_not_forgotten() -> None:
    assert TOX["tox"].getboolean("skip_missing_interpreters")


def test_the_lowest_versions_are_those_of_the_project(tmp_path: Path) -> None:
    subprocess.run([sys.executable, ROOT / ".ci" / "lowest.py", tmp_path / "it.txt"], check=True, timeout=30)

    pinned = (tmp_path / "it.txt").read_text(encoding="utf-8").splitlines()

    assert "pytest-xprocess==1.0.2" in pinned
    assert {line.partition("==")[0] for line in pinned} >= {
        re.split(r"[\[>]", requirement)[0] for requirement in PROJECT["dependencies"]
    }
