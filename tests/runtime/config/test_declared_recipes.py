"""The recipes of executables in the stack file."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra_runtime.binaries.recipe import Archive, Debian, Go, Maven, Npm, Recipe, Wheel
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
        mounts_required = true
        variables = {{ TOOL_DATA = "usr/share/tool-1.0" }}
        links = {{ "usr/share/tool.control" = "tool-1.control" }}
        major = 3
        features = ["maps"]
        archive.linux-x86_64 = {{ url = "https://files.test/tool.tar.gz", sha256 = "{DIGEST}" }}
        """,
    )

    assert recipe.programs == {"tool": "tool-*/bin/tool", "helper": ""}
    assert recipe.sources == (
        Wheel(distribution="tool-bin", version="1.2"),
        Debian(
            packages=("tool", "tool-data"),
            mounts=("/usr/share/tool",),
            mounts_required=True,
            variables={"TOOL_DATA": "usr/share/tool-1.0"},
            links={"usr/share/tool.control": "tool-1.control"},
        ),
        Archive(platform="linux-x86_64", url="https://files.test/tool.tar.gz", sha256=DIGEST, version="1.2"),
    )
    assert (recipe.major, recipe.features, recipe.refused_licence()) == (3, ("maps",), "")


def test_a_recipe_can_have_sources_whose_programs_are_packages_or_classes(tmp_path: Path) -> None:
    java, go, npm = recipes_of(
        tmp_path,
        """
        [binaries.broker]
        programs = { broker = "org.acme.Main" }
        licence = "MIT"
        maven = ["org.acme:broker:1.0"]
        java = 21

        [binaries.crane]
        programs = { crane = "acme.test/tools/crane" }
        licence = "MIT"
        version = "1.2.0"

        [binaries.crane.go]
        module = "acme.test/tools"
        flags = ["-tags=netgo"]
        replace = { "acme.test/old" = "acme.test/new v1.0.0" }
        files = { "version/.txt" = "1" }

        [binaries.tool]
        programs = { tool = "package/tool.js" }
        licence = "MIT"
        npm = "@acme/tool"
        """,
    )

    assert java.sources == (Maven(artefacts=("org.acme:broker:1.0",), java=21),)
    assert go.sources == (
        Go(
            module="acme.test/tools",
            version="1.2.0",
            flags=("-tags=netgo",),
            replace={"acme.test/old": "acme.test/new v1.0.0"},
            files={"version/.txt": "1"},
        ),
    )
    assert npm.sources == (Npm(package="@acme/tool"),)


def test_a_hash_can_have_capital_letters(tmp_path: Path) -> None:
    (recipe,) = recipes_of(
        tmp_path,
        '[binaries.a]\nprograms = ["a"]\nlicence = "MIT"\narchive.linux-x86_64.url = "https://files.test/a"\n'
        f'archive.linux-x86_64.sha256 = "{"0F" * 32}"\n',
    )

    (source,) = recipe.sources
    assert isinstance(source, Archive)
    assert source.sha256 == "0f" * 32


@pytest.mark.parametrize("digits", [32, 40, 63, 96, 128])
def test_a_hash_of_another_algorithm_is_an_error_that_names_the_field(digits: int, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"archive\.linux-x86_64\.sha256"):
        recipes_of(
            tmp_path,
            '[binaries.a]\nprograms = ["a"]\nlicence = "MIT"\n'
            'archive.linux-x86_64.url = "https://files.test/a"\n'
            f'archive.linux-x86_64.sha256 = "{"0" * digits}"\n',
        )


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
        (
            'programs = ["x"]\nlicence = "MIT"',
            "one of `wheel`, `debian`, `maven`, `go`, `npm` and `archive` is required",
        ),
        ('programs = ["../x"]\nlicence = "MIT"\nwheel = "x"', "programs"),
        ('programs = ["x"]\nlicence = "MIT"\nwheels = "x"', "wheels"),
        ('programs = ["x"]\nlicence = "MIT"\nmaven = ["a:b:1"]', "from program to main class"),
        ('programs = ["x"]\nlicence = "MIT"\ngo = { module = "a.test/b" }', "from program to package"),
        ('programs = ["x"]\nlicence = "MIT"\nmaven = ["a:b"]', "maven"),
        ('programs = { x = "x" }\nlicence = "MIT"\ngo = { module = "-x" }', r"go\.module"),
        (
            'programs = { x = "x" }\nlicence = "MIT"\ngo = { module = "x", files = { "a/../b" = "" } }',
            "files",
        ),
        ('programs = ["x"]\nlicence = "MIT"\nnpm = "--x y"', "npm"),
        (
            'programs = ["x"]\nlicence = "MIT"\narchive.linux-x86_64 = { url = "file:///x", sha256 = "x" }',
            r"archive\.linux-x86_64\.url",
        ),
        (
            'programs = ["x"]\nlicence = "MIT"\narchive.linux-x86_64.url = "https://ann:pw-1@files.test/x"',
            r"archive\.linux-x86_64\.url: the URL contains a user or a password",
        ),
        ('programs = []\nlicence = "MIT"\nwheel = "x"', "programs"),
        ('programs = { x = "/bin/sh" }\nlicence = "MIT"\nwheel = "x"', "'/bin/sh' must be a glob pattern"),
        (
            'programs = { x = "a/../../b" }\nlicence = "MIT"\nwheel = "x"',
            "must be a glob pattern of a relative",
        ),
        ('programs = { x = "a**b" }\nlicence = "MIT"\nwheel = "x"', "must be a glob pattern of a relative"),
        ('programs = ["x"]\nlicence = "MIT"\nwheel = "--index-url=x"', "wheel"),
        ('programs = ["x"]\nlicence = "MIT"\ndebian = ["-oDir::Etc=/x"]', "debian"),
        ('programs = ["x"]\nlicence = "MIT"\ndebian = ["x"]\nmounts = ["usr/share"]', "mounts"),
        ('programs = ["x"]\nlicence = "MIT"\ndebian = ["x"]\nmounts = ["/usr/../etc"]', "mounts"),
    ],
)
def test_an_invalid_recipe_is_an_error_with_its_line(table: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=problem) as caught:
        recipes_of(tmp_path, f"[binaries.x]\n{table}\n")

    assert caught.value.where.startswith(f"{tmp_path}/infra.toml:")
    assert "pw-1" not in str(caught.value)


@pytest.mark.parametrize("name", ["../x", "a/b", ".hidden", "downloads", ""])
def test_a_recipe_with_a_name_that_no_folder_can_have_is_an_error(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be the name of a recipe") as caught:
        recipes_of(tmp_path, f'[binaries."{name}"]\nprograms = ["x"]\nlicence = "MIT"\nwheel = "x"\n')

    assert caught.value.where.startswith(f"{tmp_path}/infra.toml:")


def test_a_recipe_must_be_a_table(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="should contain a table for each recipe"):
        recipes_of(tmp_path, "binaries = 5\n")
