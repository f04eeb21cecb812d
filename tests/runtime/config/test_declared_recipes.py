"""The recipes of executables in the stack file."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra_runtime.binaries.recipe import Archive, Debian, Recipe, Wheel
from infra_runtime.config import stack_file
from infra_runtime.config.declared_recipes import declared
from infra_runtime.errors import ConfigurationError

DIGEST = "a" * 64


def recipes_of(folder: Path, text: str) -> list[Recipe]:
    (folder / "infra.toml").write_text(text, encoding="utf-8")
    return declared(stack_file.find(folder))


def test_a_recipe_has_the_sources_of_its_table_in_a_fixed_order(tmp_path: Path) -> None:
    (recipe,) = recipes_of(
        tmp_path,
        f"""
        [binaries.tool]
        programs = {{ tool = "tool-*/bin/tool", helper = "" }}
        licence = "SSPL-1.0"
        version = "1.2"
        wheel = "tool-bin"
        debian = ["tool", "tool-data"]
        mounts = ["/usr/share/tool"]
        archive.linux-x86_64 = {{ url = "https://files.test/tool.tar.gz", sha256 = "{DIGEST}" }}
        """,
    )

    assert recipe.programs == {"tool": "tool-*/bin/tool", "helper": ""}
    assert recipe.sources == (
        Wheel(distribution="tool-bin", version="1.2"),
        Debian(packages=("tool", "tool-data"), mounts=("/usr/share/tool",)),
        Archive(platform="linux-x86_64", url="https://files.test/tool.tar.gz", sha256=DIGEST, version="1.2"),
    )
    assert recipe.refused_licence() == ""


def test_programs_can_be_a_list(tmp_path: Path) -> None:
    (recipe,) = recipes_of(
        tmp_path, '[binaries.a]\nprograms = ["a", "b"]\nlicence = "MIT"\nwheel = "a-bin"\n'
    )

    assert recipe.programs == {"a": "", "b": ""}


def test_a_stack_file_without_recipes_has_none(tmp_path: Path) -> None:
    assert recipes_of(tmp_path, "[services.nats]\n") == []
    assert declared(None) == []


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ('licence = "MIT"\nwheel = "x"', "programs"),
        ('programs = ["x"]\nwheel = "x"', "licence"),
        ('programs = ["x"]\nlicence = "MIT"', "one of `wheel`, `debian` and `archive` is required"),
        ('programs = ["../x"]\nlicence = "MIT"\nwheel = "x"', "programs"),
        ('programs = ["x"]\nlicence = "MIT"\nwheels = "x"', "wheels"),
        (
            'programs = ["x"]\nlicence = "MIT"\narchive.linux-x86_64 = { url = "file:///x", sha256 = "x" }',
            r"archive\.linux-x86_64\.url",
        ),
    ],
)
def test_an_invalid_recipe_is_an_error_with_its_line(table: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=problem) as caught:
        recipes_of(tmp_path, f"[binaries.x]\n{table}\n")

    assert caught.value.where.startswith(f"{tmp_path}/infra.toml:")


def test_a_recipe_must_be_a_table(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="should contain a table for each recipe"):
        recipes_of(tmp_path, "binaries = 5\n")
