from __future__ import annotations

import textwrap

import pytest

from fakes.project import Project
from fakes.samples import every
from infra_runtime.config import stack_file
from infra_runtime.config.stack_file import line_numbers
from infra_runtime.errors import ConfigurationError


def test_the_nearest_file_above_is_the_stack_file(project: Project) -> None:
    project.write("", "../infra.toml")
    nearest = project.write("")
    below = project.root / "src" / "shop"
    below.mkdir(parents=True)

    file = stack_file.find(below)

    assert file is not None
    assert file.path == nearest


def test_find_returns_none_without_a_stack_file(project: Project) -> None:
    assert stack_file.find(project.root) is None


def test_the_stack_file_can_be_a_table_of_pyproject(project: Project) -> None:
    path = project.write('[project]\nname = "shop"\n\n[tool.infra]\nuse = ["nats"]\n', "pyproject.toml")

    file = stack_file.find(project.root)

    assert file is not None
    assert file.values == {"use": ["nats"]}
    assert file.where(("use",)) == f"{path}:5"


@pytest.mark.parametrize(
    "text",
    ["[tool.infra.services.nats]\nport = 1\n", "[tool]\ninfra = { services = { nats = { port = 1 } } }\n"],
)
def test_the_table_of_pyproject_can_have_any_toml_form(project: Project, text: str) -> None:
    project.write(text, "pyproject.toml")

    file = stack_file.find(project.root)

    assert file is not None
    assert file.values == {"services": {"nats": {"port": 1}}}


@pytest.mark.parametrize(
    "text", ["[tool.ruff]\n", 'name = "infra-tool"\n', "[tool.infra-lint]\n", "tool infra [["]
)
def test_a_pyproject_without_the_table_is_ignored(project: Project, text: str) -> None:
    """Mistakes in such a file are not reported."""
    project.write(text, "pyproject.toml")

    assert stack_file.find(project.root) is None


def test_two_stack_files_in_one_folder_are_an_error(project: Project) -> None:
    project.write("")
    project.write("[tool.infra]\n", "pyproject.toml")

    with pytest.raises(ConfigurationError, match=r"described twice: in pyproject\.toml and in"):
        stack_file.find(project.root)


def test_invalid_toml_is_reported_with_its_line(project: Project) -> None:
    project.write('profile = "full"\nuse = [nats]\n')

    assert project.error().startswith("infra.toml:2: the file is not TOML")


def test_a_file_that_is_not_utf_8_is_reported(project: Project) -> None:
    (project.root / "infra.toml").write_bytes(b"\xff\xfe")

    assert project.error().startswith("infra.toml: the file cannot be read")


def test_a_list_and_a_table_with_the_same_name_have_a_hint(project: Project) -> None:
    project.write('services = ["nats"]\n[services.nats]\nport = 1\n')

    with pytest.raises(ConfigurationError) as caught:
        project.resolve()

    assert "the list of services is `use`" in caught.value.hint


TEXT = textwrap.dedent('''\
    # [not.a.table]
    use = [
        "a",  # it's
        "b",
    ]
    profiles.mine = ["a"]

    [services.api]
    command = ["x", """
    [no.table]
    key = 1
    """]
    env = { A = "1", B = '[also.no.table]' }
      "quoted name" = 1

    [[services.caddy.routes]]
    path = "/x"

    [ environment . test . services."api" ]
    port = 1
''')


@every(
    [
        (("use",), 2),
        (("profiles",), 6),
        (("profiles", "mine"), 6),
        (("services",), 8),
        (("services", "api"), 8),
        (("services", "api", "command"), 9),
        (("services", "api", "env"), 13),
        (("services", "api", "quoted name"), 14),
        (("services", "caddy", "routes"), 16),
        (("services", "caddy", "routes", "path"), 17),
        (("environment", "test", "services", "api", "port"), 20),
    ]
)
def test_each_key_has_its_line_number(key: tuple[str, ...], line: int) -> None:
    assert line_numbers(TEXT)[key] == line


def test_a_table_header_inside_a_text_has_no_line_number() -> None:
    lines = line_numbers(TEXT)

    assert not [key for key in lines if key[0] in ("not", "no", "also", "key")]


def test_a_key_inside_an_inline_table_has_the_line_of_the_table(project: Project) -> None:
    project.write('[services.api]\ncommand = ["x"]\nenv = { A = "${missing.url}" }\n')

    assert project.error().startswith("infra.toml:3: ")
