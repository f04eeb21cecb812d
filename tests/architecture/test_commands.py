"""The reference describes every command, every option and every exit code."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from infra_cli import reference
from infra_cli.main import BROKEN_PIPE, COMMANDS, INTERRUPTED, SINGLE_COMMANDS, infra
from infra_runtime.errors import InfraError

REFERENCE = Path(__file__).parent.parent.parent / "docs" / "reference"
LEAVES = list(reference.leaves(click.Context(infra, info_name="infra")))

leaves = pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.command_path)


def options(leaf: click.Context) -> list[click.Option]:
    return [parameter for parameter in leaf.command.params if isinstance(parameter, click.Option)]


def section(page: str, heading: str) -> str:
    """Return the text between a heading and the next one."""
    return page.split(f"\n### {heading}\n", 1)[1].split("\n##", 1)[0]


def test_every_command_has_a_leaf() -> None:
    named = {tuple(leaf.command_path.split()[1:3]) for leaf in LEAVES}

    in_groups = {(group, name) for group, commands in COMMANDS.items() for name in commands}
    assert named == in_groups | {(name,) for name in SINGLE_COMMANDS}


@leaves
def test_a_command_is_in_the_reference_with_all_its_options(leaf: click.Context) -> None:
    text = section((REFERENCE / "cli.md").read_text(encoding="utf-8"), leaf.command_path)
    flags = [flag for option in options(leaf) for flag in (*option.opts, *option.secondary_opts)]

    assert [flag for flag in flags if not re.search(rf"`{flag}[ `]", text)] == []


def test_the_reference_is_generated_from_the_commands() -> None:
    """Write it with python -m infra_cli.reference > docs/reference/cli.md."""
    assert (REFERENCE / "cli.md").read_text(encoding="utf-8") == reference.page()


@leaves
def test_a_command_and_its_options_have_a_help(leaf: click.Context) -> None:
    assert leaf.command.help
    assert [option.name for option in options(leaf) if not option.help] == []


@leaves
def test_a_command_has_an_example(leaf: click.Context) -> None:
    examples = re.search(
        r"^Examples?:\n(?:  .+\n?)+\Z", inspect.cleandoc(leaf.command.help or ""), re.MULTILINE
    )

    assert examples
    assert leaf.command_path in examples[0]


@pytest.mark.parametrize(
    "leaf",
    [leaf for leaf in LEAVES if any("--json" in option.opts for option in options(leaf))],
    ids=lambda leaf: leaf.command_path,
)
def test_the_json_output_of_a_command_is_in_the_reference(leaf: click.Context) -> None:
    rows = re.findall(r"^\| (`.*?) \|", (REFERENCE / "json.md").read_text(encoding="utf-8"), re.MULTILINE)
    described = {name for row in rows for name in _commands(row)}

    assert leaf.command_path.removeprefix("infra ") in described


def _commands(row: str) -> Iterator[str]:
    """Yield the commands of a row: in `` `runtime start`, `stop` `` the second is `runtime stop`."""
    full_name, *short_names = re.findall(r"`([^`]+)`", row)
    yield full_name
    for short_name in short_names:
        yield f"{full_name.rpartition(' ')[0]} {short_name}"


@leaves
def test_every_command_takes_debug(leaf: click.Context) -> None:
    assert "--debug" in {flag for option in options(leaf) for flag in option.opts}


def kinds(base: type[InfraError] = InfraError) -> list[type[InfraError]]:
    """Return all error classes of the runtime."""
    return [base, *(kind for subclass in base.__subclasses__() for kind in kinds(subclass))]


@pytest.mark.parametrize("kind", [kind for kind in kinds() if kind.__module__ == "infra_runtime.errors"])
def test_an_error_is_listed_with_its_exit_code(kind: type[InfraError]) -> None:
    rows = re.findall(
        r"^\| (\d+) \|.*\|(.*)\|$", (REFERENCE / "exit-codes.md").read_text("utf-8"), re.MULTILINE
    )

    assert f"`{kind.__name__}`" in dict(rows)[str(kind.exit_code)]


def test_the_exit_codes_of_signals_are_listed() -> None:
    page = (REFERENCE / "exit-codes.md").read_text(encoding="utf-8")

    assert all(f"| {code} |" in page for code in (INTERRUPTED, BROKEN_PIPE, 143))
