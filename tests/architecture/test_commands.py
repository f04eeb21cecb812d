"""The reference knows every command, every option and every exit code."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from infra_cli import reference
from infra_cli.main import COMMANDS, INTERRUPTED, NOBODY_READS, infra
from infra_runtime.errors import InfraError

REFERENCE = Path(__file__).parent.parent.parent / "docs" / "reference"
LEAVES = list(reference.leaves(click.Context(infra, info_name="infra")))

leaves = pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.command_path)


def options(leaf: click.Context) -> list[click.Option]:
    return [parameter for parameter in leaf.command.params if isinstance(parameter, click.Option)]


def section(page: str, heading: str) -> str:
    """What stands below a heading, up to the next."""
    return page.split(f"\n### {heading}\n", 1)[1].split("\n##", 1)[0]


def test_there_are_leaves_of_every_command() -> None:
    named = {tuple(leaf.command_path.split()[1:3]) for leaf in LEAVES}

    assert named == {(group, name) for group, commands in COMMANDS.items() for name in commands}


@leaves
def test_a_command_is_in_the_reference_with_all_its_options(leaf: click.Context) -> None:
    found = section((REFERENCE / "cli.md").read_text(encoding="utf-8"), leaf.command_path)
    flags = [flag for option in options(leaf) for flag in (*option.opts, *option.secondary_opts)]

    assert [flag for flag in flags if not re.search(rf"`{flag}[ `]", found)] == []


def test_the_reference_is_what_the_commands_say_of_themselves() -> None:
    """Write it anew: python -m infra_cli.reference > docs/reference/cli.md."""
    assert (REFERENCE / "cli.md").read_text(encoding="utf-8") == reference.page()


@leaves
def test_a_command_and_its_options_say_what_they_do(leaf: click.Context) -> None:
    assert leaf.command.help
    assert [option.name for option in options(leaf) if not option.help] == []


@leaves
def test_a_command_teaches_by_example(leaf: click.Context) -> None:
    examples = re.search(
        r"^Examples?:\n(?:  .+\n?)+\Z", inspect.cleandoc(leaf.command.help or ""), re.MULTILINE
    )

    assert examples
    assert leaf.command_path in examples[0]


@pytest.mark.parametrize(
    "leaf",
    [leaf for leaf in LEAVES if any("--json" in it.opts for it in options(leaf))],
    ids=lambda leaf: leaf.command_path,
)
def test_what_a_command_prints_as_json_is_in_the_reference(leaf: click.Context) -> None:
    rows = re.findall(r"^\| (`.*?) \|", (REFERENCE / "json.md").read_text(encoding="utf-8"), re.MULTILINE)
    told = {name for row in rows for name in _commands(row)}

    assert leaf.command_path.removeprefix("infra ") in told


def _commands(row: str) -> Iterator[str]:
    """`` `runtime start`, `stop` `` names two: what is missing in front is that of the first."""
    first, *others = re.findall(r"`([^`]+)`", row)
    yield first
    for other in others:
        yield f"{first.rpartition(' ')[0]} {other}"


@leaves
def test_every_command_takes_debug(leaf: click.Context) -> None:
    assert "--debug" in {flag for option in options(leaf) for flag in option.opts}


def kinds(base: type[InfraError] = InfraError) -> list[type[InfraError]]:
    """Every error that the core knows."""
    return [base, *(kind for below in base.__subclasses__() for kind in kinds(below))]


@pytest.mark.parametrize("kind", [kind for kind in kinds() if kind.__module__ == "infra_runtime.errors"])
def test_an_error_stands_beside_its_exit_code(kind: type[InfraError]) -> None:
    rows = re.findall(
        r"^\| (\d+) \|.*\|(.*)\|$", (REFERENCE / "exit-codes.md").read_text("utf-8"), re.MULTILINE
    )

    assert f"`{kind.__name__}`" in dict(rows)[str(kind.exit_code)]


def test_the_codes_of_signals_stand_there_too() -> None:
    page = (REFERENCE / "exit-codes.md").read_text(encoding="utf-8")

    assert all(f"| {code} |" in page for code in (INTERRUPTED, NOBODY_READS, 143))
