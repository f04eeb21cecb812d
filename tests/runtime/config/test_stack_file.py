from __future__ import annotations

import textwrap

import pytest

from fakes.project import Project
from infra_runtime.config import stack_file
from infra_runtime.config.stack_file import positions
from infra_runtime.errors import ConfigurationError


def test_the_nearest_file_above_is_the_stack_file(project: Project) -> None:
    project.write("", "../infra.toml")
    near = project.write("")
    below = project.root / "src" / "shop"
    below.mkdir(parents=True)

    found = stack_file.find(below)

    assert found is not None
    assert found.path == near


def test_without_one_there_is_none(project: Project) -> None:
    assert stack_file.find(project.root) is None


def test_pyproject_may_hold_it(project: Project) -> None:
    path = project.write('[project]\nname = "shop"\n\n[tool.infra]\nuse = ["nats"]\n', "pyproject.toml")

    found = stack_file.find(project.root)

    assert found is not None
    assert found.values == {"use": ["nats"]}
    assert found.where(("use",)) == f"{path}:5"


@pytest.mark.parametrize(
    "text",
    ["[tool.infra.services.nats]\nport = 1\n", "[tool]\ninfra = { services = { nats = { port = 1 } } }\n"],
)
def test_pyproject_may_hold_it_in_any_spelling(project: Project, text: str) -> None:
    project.write(text, "pyproject.toml")

    found = stack_file.find(project.root)

    assert found is not None
    assert found.values == {"services": {"nats": {"port": 1}}}


@pytest.mark.parametrize(
    "text", ["[tool.ruff]\n", 'name = "infra-tool"\n', "[tool.infra-lint]\n", "tool infra [["]
)
def test_a_pyproject_without_our_table_is_passed_by(project: Project, text: str) -> None:
    """Whatever is wrong in it is not ours to tell."""
    project.write(text, "pyproject.toml")

    assert stack_file.find(project.root) is None


def test_two_descriptions_of_one_stack_are_a_mistake(project: Project) -> None:
    project.write("")
    project.write("[tool.infra]\n", "pyproject.toml")

    with pytest.raises(ConfigurationError, match="described here and in"):
        stack_file.find(project.root)


def test_what_is_no_toml_is_told_with_its_line(project: Project) -> None:
    project.write('profile = "full"\nuse = [nats]\n')

    assert project.complaint().startswith("infra.toml:2: this is not TOML")


def test_what_is_no_text_is_told(project: Project) -> None:
    (project.root / "infra.toml").write_bytes(b"\xff\xfe")

    assert project.complaint().startswith("infra.toml: cannot be read")


def test_a_list_and_a_table_of_one_name_get_a_hint(project: Project) -> None:
    project.write('services = ["nats"]\n[services.nats]\nport = 1\n')

    with pytest.raises(ConfigurationError) as caught:
        project.resolve()

    assert "is called `use`" in caught.value.hint


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


@pytest.mark.parametrize(
    ("key", "line"),
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
    ],
)
def test_each_key_stands_in_its_line(key: tuple[str, ...], line: int) -> None:
    assert positions(TEXT)[key] == line


def test_what_only_looks_like_a_table_has_no_place() -> None:
    found = positions(TEXT)

    assert not [key for key in found if key[0] in ("not", "no", "also", "key")]


def test_a_key_inside_an_inline_table_stands_in_the_line_of_the_table(project: Project) -> None:
    project.write('[services.api]\ncommand = ["x"]\nenv = { A = "${nobody.url}" }\n')

    assert project.complaint().startswith("infra.toml:3: ")
