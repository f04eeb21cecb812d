"""What people and programs get to read: columns, colours, JSON, complaints."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import click

from infra_openapi.errors import OpenApiError
from infra_runtime.errors import InfraError

#: how a phase looks; what is not here is plain
COLOURS = {
    "ready": "green", "done": "green", "failed": "red", "backoff": "yellow", "paused": "yellow",
    "starting": "cyan", "preparing": "cyan", "waiting": "cyan", "stopping": "cyan",
}  # fmt: skip
#: told apart at a glance, in the order of the services
PREFIXES = ("cyan", "magenta", "green", "yellow", "blue", "bright_cyan", "bright_magenta", "bright_green")


def is_terminal() -> bool:
    """Whether a person watches, and their terminal can move its cursor."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def has_colour() -> bool:
    """Source: no-color.org."""
    return is_terminal() and not os.environ.get("NO_COLOR")


def styled(text: str, colour: str | None = None, *, bold: bool = False, dim: bool = False) -> str:
    """The text in colour, where there is any."""
    if not has_colour():
        return text
    return click.style(text, fg=colour, bold=bold or None, dim=dim or None)


def say(text: str = "") -> None:
    """A line on standard output, now: it may be a pipe that somebody follows."""
    click.echo(text, color=has_colour())


def note(text: str) -> None:
    """A line for the person, on standard error: standard output may be read by a program."""
    click.echo(f"infra: {text}", err=True)


def say_json(value: Any, *, line: bool = False) -> None:
    """A JSON document, or with `line` one line of many."""
    click.echo(json.dumps(value, indent=None if line else 2, ensure_ascii=False))


def flush() -> None:
    """Learn now, and not at exit, that nobody reads."""
    sys.stdout.flush()


def complain(error: InfraError | OpenApiError) -> None:
    """Message, further messages, and what to do next, on standard error."""
    label = click.style("error", fg="red", bold=True) if sys.stderr.isatty() and has_colour() else "error"
    click.echo(f"infra: {label}: {error}", err=True)
    for further in getattr(error, "__notes__", ()):
        click.echo(f"infra: {label}: {further}", err=True)
    if error.hint:
        click.echo(f"  hint: {error.hint}", err=True)


def columns(rows: Iterable[Sequence[str]], *, header: Sequence[str] = ()) -> list[str]:
    """Rows as aligned lines; colours count for nothing, and the last column is not padded."""
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
    """A phase, coloured."""
    return styled(name, COLOURS.get(name))


def span(seconds: float) -> str:
    """A time as people say it: `0.12 s`, `42 s`, `3 min`, `5 h`, `2 d`."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size or (seconds >= size and unit != "min"):
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def clock(moment: float) -> str:
    """The time of day, to a thousandth."""
    return f"{datetime.fromtimestamp(moment).astimezone():%H:%M:%S.%f}"[:-3]


def moment(time: float) -> str:
    """Day and time, to a second, where the reader is."""
    return f"{datetime.fromtimestamp(time).astimezone():%Y-%m-%d %H:%M:%S}"


def urls(exports: Mapping[str, str]) -> dict[str, str]:
    """The exports that are an address: `url` first."""
    found = {name: value for name, value in exports.items() if name == "url" or name.endswith("_url")}
    return dict(sorted(found.items(), key=lambda item: item[0] != "url"))
