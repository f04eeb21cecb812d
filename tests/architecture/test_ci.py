"""The README, tox and `.ci/run` have the same commands and the same Python versions."""

from __future__ import annotations

import configparser
import importlib.metadata
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from infra_cli.main import COMMANDS

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
BUILD = [Requirement(line) for line in PYPROJECT["build-system"]["requires"]]
EXAMPLE = [
    Requirement(line)
    for line in (ROOT / "examples" / "orders" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]
TOX = configparser.ConfigParser(interpolation=None)
TOX.read(ROOT / "tox.ini", encoding="utf-8")

UP = "python -m pip install '.[all]' && infra runtime up"
TEST = "python -m pip install tox && tox"
NO_CHROMIUM = (
    "CI: apt cannot install chromium-headless-shell; without Chromium, the browser tests will fail\n"
)


def test_the_readme_has_the_two_commands() -> None:
    lines = [line.strip() for line in README.splitlines()]

    assert UP in lines
    assert TEST in lines


def test_the_first_command_names_an_extra_a_script_and_a_command_that_exist() -> None:
    scripts = importlib.metadata.distribution("pytest-infra").entry_points.select(group="console_scripts")

    assert "all" in PROJECT["optional-dependencies"]
    assert "infra" in scripts.names
    assert "up" in COMMANDS["runtime"]


def test_ci_runs_the_second_command_of_the_readme() -> None:
    assert TEST in CI


def test_tox_pyenv_and_the_classifiers_name_the_same_pythons() -> None:
    classified = re.findall(r"Python :: (3\.\d+)", " ".join(PROJECT["classifiers"]))
    matrix = re.findall(r"py3(\d+)-full", TOX["tox"]["labels"])
    further = re.search(r"for environment in (.+); do", CI)
    candidates = re.search(r"for python in (.+); do", CI)
    selected = re.search(r"\^3\\\.\(([\d|]+)\)", CI)
    oldest_first = [f"python{version}" for version in classified]

    assert TOX["testenv:lowest"]["base_python"] == oldest_first[0]
    assert candidates is not None
    assert candidates[1].split()[: len(classified)] == oldest_first[::-1]
    # In CI, the environment `full` has the newest one.
    assert [f"3.{minor}" for minor in matrix] == classified[:-1]
    assert further is not None
    assert [f"3.{minor}" for minor in re.findall(r"py3(\d+)-full", further[1])] == classified[-2::-1]
    assert selected is not None
    assert [f"3.{minor}" for minor in selected[1].split("|")] == classified
    assert PROJECT["requires-python"] == f">={classified[0]}"


def test_the_environments_of_a_plain_tox_run_on_its_own_python() -> None:
    """An environment is skipped if its Python is missing; `lowest` needs the oldest Python."""
    names = TOX["tox"]["env_list"].split()

    assert [name for name in names if TOX.has_option(f"testenv:{name}", "base_python")] == ["lowest"]


def test_tox_skips_missing_interpreters() -> None:
    assert TOX["tox"].getboolean("skip_missing_interpreters")


@pytest.mark.process
@pytest.mark.parametrize(
    ("user", "present", "status", "requests", "output"),
    [
        (0, False, 0, ["update", "install"], ""),
        (0, False, 100, ["update"], NO_CHROMIUM),
        (0, True, 0, [], ""),
        (1000, False, 0, [], ""),
    ],
)
def test_ci_installs_chromium_if_it_is_missing_and_apt_may_install_it(
    tmp_path: Path, user: int, present: bool, status: int, requests: list[str], output: str
) -> None:
    function = re.search(r"^install_chromium\(\) \{\n.*?^\}\n", CI, re.MULTILINE | re.DOTALL)
    assert function is not None
    programs = tmp_path / "bin"
    programs.mkdir()
    scripts = {
        "apt-get": f'echo "$*" >> {tmp_path}/requests; exit {status}',
        "id": f"echo {user}",
        "timeout": 'shift; "$@"',
        **({"chromium-headless-shell": "true"} if present else {}),
    }
    for name, script in scripts.items():
        (programs / name).write_text(f"#!/bin/sh\n{script}\n", encoding="ascii")
        (programs / name).chmod(0o755)

    result = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", f"{function[0]}install_chromium"],
        env={"PATH": str(programs)},
        capture_output=True,
        text=True,
        check=True,
    )

    request_log = tmp_path / "requests"
    lines = request_log.read_text(encoding="ascii").splitlines() if request_log.exists() else []
    assert [line.split()[1] for line in lines] == requests
    assert all("chromium-headless-shell" in line.split() for line in lines if "install" in line)
    assert result.stdout == output


def test_tox_selects_only_tests_that_exist() -> None:
    """pytest ignores a missing path after `--ignore` without a message."""
    selected = re.findall(r"tests/[\w./]+", (ROOT / "tox.ini").read_text(encoding="utf-8"))

    assert selected
    assert [path for path in selected if not (ROOT / path).exists()] == []


# --- the lock --------------------------------------------------------------------------------------


def test_every_environment_installs_from_the_lock_and_latest_does_not() -> None:
    constraints = {section: TOX[section]["constraints"] for section in TOX if "constraints" in TOX[section]}

    assert constraints == {
        "pkgenv": ".ci/lock.txt",
        "testenv": ".ci/lock.txt",
        "testenv:lowest": ".ci/lowest.txt",
        "testenv:latest": "",
    }


@pytest.mark.parametrize("name", ["lock", "lowest"])
def test_a_lock_pins_each_package_once_for_each_platform_and_names_no_registry(name: str) -> None:
    text = (ROOT / ".ci" / f"{name}.txt").read_text(encoding="utf-8")

    assert "://" not in text
    assert [
        requirement
        for requirements in locked(name).values()
        for requirement in requirements
        if not str(requirement.specifier).startswith("==")
        or (len(requirements) > 1 and requirement.marker is None)
    ] == []


def test_the_lock_has_all_dependencies_and_tools_in_versions_that_pyproject_admits() -> None:
    pins = locked("lock")

    assert [
        str(requirement)
        for requirement in (*declared(*PROJECT["optional-dependencies"]), *BUILD, *EXAMPLE)
        if not admitted(requirement, pins)
    ] == []
    assert {
        dependency
        for section in TOX.sections()
        for dependency in TOX[section].get("deps", "").split()
        if re.fullmatch(r"[a-z][a-z-]+", dependency)
    } <= pins.keys()


def test_lowest_pins_each_direct_dependency_to_its_lower_bound() -> None:
    """An extra that lists other extras, such as `all`, has no bound. tox `lowest` has the extras in `all`."""
    served = set(PROJECT["optional-dependencies"]) - {"moto", "types", "dev"}
    pins = locked("lowest")
    wrong = [
        f"{requirement}: {pin.specifier}"
        for requirement in (*declared(*served), *EXAMPLE)
        for bound in re.findall(r">=([\d.]+)", str(requirement.specifier))
        for pin in pins[canonicalize_name(requirement.name)]
        if Version(str(pin.specifier).removeprefix("==")) != Version(bound)
    ]

    assert wrong == []


def locked(name: str) -> dict[str, list[Requirement]]:
    """Return a mapping from package to its pins in a file of `.ci`; pins can depend on the platform."""
    pins: dict[str, list[Requirement]] = {}
    for line in (ROOT / ".ci" / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if not line.strip().startswith("#"):
            requirement = Requirement(line)
            pins.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return pins


def declared(*extras: str) -> list[Requirement]:
    """Return the requirements of the project and of these extras, without those on the project itself."""
    groups = [PROJECT["dependencies"], *(PROJECT["optional-dependencies"][extra] for extra in extras)]
    requirements = [Requirement(line) for group in groups for line in group]
    return [requirement for requirement in requirements if requirement.name != PROJECT["name"]]


def admitted(requirement: Requirement, pins: dict[str, list[Requirement]]) -> bool:
    matching = pins.get(canonicalize_name(requirement.name), [])
    return bool(matching) and all(
        requirement.specifier.contains(str(pin.specifier).removeprefix("==")) for pin in matching
    )
