"""Functions that print the output of commands: lines, columns, colours, JSON and error messages."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import click

from infra_openapi.errors import OpenApiError
from infra_runtime.errors import InfraError

#: phase → colour; all other phases are printed without colour
COLOURS = {
    "ready": "green", "done": "green", "failed": "red", "backoff": "yellow", "paused": "yellow",
    "starting": "cyan", "preparing": "cyan", "waiting": "cyan", "stopping": "cyan",
}  # fmt: skip
#: the colours of service names in logs, in the order of the services
PREFIXES = ("cyan", "magenta", "green", "yellow", "blue", "bright_cyan", "bright_magenta", "bright_green")

#: matches a command `infra runtime …` in a message
_COMMAND = re.compile(r"`infra runtime ([a-z]+)([^`]*)`")
#: the key of the function of `select_stack` in click's context
_OPTIONS = "infra_cli.output.options"


def select_stack(options: Callable[[str], str]) -> None:
    """Store a function that returns the options, such as `--data`, that select the stack of this command.

    `commands` calls this function with the name of each command in a message, so that a command that is
    copied from the message selects the same stack. The function is stored until the end of the current
    `infra` command.
    """
    click.get_current_context().meta[_OPTIONS] = options


def commands(text: str) -> str:
    """Return a copy of a text, in which `infra runtime …` commands have the options of the stack.

    A command that already has `--data` is not changed.
    """

    context = click.get_current_context(silent=True)
    options_of = context.meta.get(_OPTIONS) if context else None

    def completed(match: re.Match[str]) -> str:
        command, words = match.groups()
        options = "" if "--data" in words or options_of is None else options_of(command)
        return f"`infra runtime {command}{words}{options and f' {options}'}`"

    return _COMMAND.sub(completed, text)


def is_terminal() -> bool:
    """Return whether standard output is a terminal that supports moving the cursor."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def has_colour() -> bool:
    """Return whether the output has colours. Source for `NO_COLOR`: no-color.org."""
    return is_terminal() and not os.environ.get("NO_COLOR")


def styled(text: str, colour: str | None = None, *, bold: bool = False, dim: bool = False) -> str:
    """Return the text with colour and style if the output has colours."""
    if not has_colour():
        return text
    return click.style(text, fg=colour, bold=bold or None, dim=dim or None)


def say(text: str = "") -> None:
    """Print a line on standard output and flush the output, so a program can read the line at once."""
    click.echo(text, color=has_colour())


def note(text: str) -> None:
    """Print a line for the user on standard error; standard output is for data that programs read."""
    click.echo(f"infra: {commands(text)}", err=True)


def say_json(value: Any, *, line: bool = False) -> None:
    """Print a value as a JSON document: on several lines, or on a single line if `line` is true."""
    click.echo(json.dumps(value, indent=None if line else 2, ensure_ascii=False))


def flush() -> None:
    """Flush standard output, so that a closed pipe is detected before the exit of the program."""
    sys.stdout.flush()


def print_error(error: InfraError | OpenApiError) -> None:
    """Print the message, the notes and the hint of an error on standard error."""
    label = click.style("error", fg="red", bold=True) if sys.stderr.isatty() and has_colour() else "error"
    click.echo(f"infra: {label}: {error}", err=True)
    for error_note in getattr(error, "__notes__", ()):
        click.echo(f"infra: {label}: {error_note}", err=True)
    if error.hint:
        click.echo(f"  hint: {commands(error.hint)}", err=True)


def columns(rows: Iterable[Sequence[str]], *, header: Sequence[str] = ()) -> list[str]:
    """Return rows of a table as lines with aligned columns.

    The escape sequences of colours do not count for the width, and the last column is not padded. Without
    rows, the result is empty, also without the header.
    """
    table = [tuple(row) for row in rows]
    if header and table:
        table.insert(0, tuple(styled(word, dim=True) for word in header))
    if not table:
        return []
    widths = [max(len(click.unstyle(row[number])) for row in table) for number in range(len(table[0]))]
    return [
        "  ".join(
            cell + " " * (width - len(click.unstyle(cell))) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in table
    ]


def phase(name: str) -> str:
    """Return the name of a service's phase in the colour of the phase."""
    return styled(name, COLOURS.get(name))


def span(seconds: float) -> str:
    """Return a duration in a suitable unit: `0.12 s`, `42 s`, `3 min`, `5 h`, `2 d`."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size or (seconds >= size and unit != "min"):
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def clock(moment: float) -> str:
    """Return the local time of day of a Unix time, with milliseconds."""
    return f"{datetime.fromtimestamp(moment).astimezone():%H:%M:%S.%f}"[:-3]


def moment(time: float) -> str:
    """Return the local date and time of a Unix time, without fractions of a second."""
    return f"{datetime.fromtimestamp(time).astimezone():%Y-%m-%d %H:%M:%S}"


def urls(exports: Mapping[str, str]) -> dict[str, str]:
    """Return the exports of a service that are URLs; the export `url` is the first."""
    addresses = {name: value for name, value in exports.items() if name == "url" or name.endswith("_url")}
    return dict(sorted(addresses.items(), key=lambda item: item[0] != "url"))
