"""The reference describes every command, every option and every exit code."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click

from infra_cli import reference
from infra_cli.main import BROKEN_PIPE, COMMANDS, INTERRUPTED, SINGLE_COMMANDS, infra
from infra_runtime.errors import InfraError

REFERENCE = Path(__file__).parent.parent.parent / "docs" / "reference"
LEAVES = list(reference.leaves(click.Context(infra, info_name="infra")))


def options(leaf: click.Context) -> list[click.Option]:
    return [parameter for parameter in leaf.command.params if isinstance(parameter, click.Option)]


def test_every_command_has_a_leaf() -> None:
    command_names = {tuple(leaf.command_path.split()[1:3]) for leaf in LEAVES}

    in_groups = {(group, name) for group, commands in COMMANDS.items() for name in commands}
    assert command_names == in_groups | {(name,) for name in SINGLE_COMMANDS}


def test_the_reference_is_generated_from_the_commands() -> None:
    """Write it with python -m infra_cli.reference > docs/reference/cli.md."""
    assert (REFERENCE / "cli.md").read_text(encoding="utf-8") == reference.page()


def test_the_reference_has_every_command_with_all_its_options() -> None:
    sections = dict(section.partition("\n")[::2] for section in reference.page().split("\n### ")[1:])
    flags = [
        (leaf.command_path, flag)
        for leaf in LEAVES
        for option in options(leaf)
        for flag in (*option.opts, *option.secondary_opts)
    ]

    assert sections.keys() >= {leaf.command_path for leaf in LEAVES}
    assert [(path, flag) for path, flag in flags if not re.search(rf"`{flag}[ `]", sections[path])] == []


def test_every_command_and_every_option_has_a_help() -> None:
    assert [leaf.command_path for leaf in LEAVES if not leaf.command.help] == []
    assert [(leaf, option) for leaf in LEAVES for option in options(leaf) if not option.help] == []


def test_the_help_of_every_command_ends_with_an_example() -> None:
    ends = {
        leaf.command_path: re.search(
            r"^Examples?:\n(?:  .+\n?)+\Z", inspect.cleandoc(leaf.command.help or ""), re.MULTILINE
        )
        for leaf in LEAVES
    }

    assert [path for path, examples in ends.items() if not examples or path not in examples[0]] == []


def test_the_json_output_of_every_command_is_in_the_reference() -> None:
    rows = re.findall(r"^\| (`.*?) \|", (REFERENCE / "json.md").read_text(encoding="utf-8"), re.MULTILINE)
    with_json = {
        leaf.command_path.removeprefix("infra ")
        for leaf in LEAVES
        if any("--json" in option.opts for option in options(leaf))
    }

    assert with_json - {name for row in rows for name in _commands(row)} == set()


def _commands(row: str) -> Iterator[str]:
    """Yield the commands of a row: in `` `runtime start`, `stop` `` the second is `runtime stop`."""
    full_name, *short_names = re.findall(r"`([^`]+)`", row)
    yield full_name
    for short_name in short_names:
        yield f"{full_name.rpartition(' ')[0]} {short_name}"


def test_every_command_takes_debug() -> None:
    without = [leaf for leaf in LEAVES if not any("--debug" in option.opts for option in options(leaf))]

    assert [leaf.command_path for leaf in without] == []


def kinds(base: type[InfraError] = InfraError) -> list[type[InfraError]]:
    """Return all error classes of the runtime."""
    return [base, *(kind for subclass in base.__subclasses__() for kind in kinds(subclass))]


def test_every_error_is_listed_with_its_exit_code() -> None:
    rows = dict(
        re.findall(r"^\| (\d+) \|.*\|(.*)\|$", (REFERENCE / "exit-codes.md").read_text("utf-8"), re.MULTILINE)
    )
    errors = [kind for kind in kinds() if kind.__module__ == "infra_runtime.errors"]

    assert [kind for kind in errors if f"`{kind.__name__}`" not in rows[str(kind.exit_code)]] == []


def test_the_exit_codes_of_signals_are_listed() -> None:
    page = (REFERENCE / "exit-codes.md").read_text(encoding="utf-8")

    assert all(f"| {code} |" in page for code in (INTERRUPTED, BROKEN_PIPE, 143))
