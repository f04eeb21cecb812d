"""The command `infra runtime logs`, which prints the output of the services."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, cast

import click

from infra_cli import output
from infra_cli.completion import complete_services
from infra_cli.log_sources import Files, stream
from infra_cli.target import Target, target
from infra_runtime.logs.line import Line
from infra_runtime.logs.record import LEVELS
from infra_runtime.logs.selection import Entry, Level, Selection, moment


def _moment(_context: click.Context, _parameter: click.Parameter, text: str | None) -> float | None:
    try:
        return moment(text) if text else None
    except ValueError:
        raise click.BadParameter("use a time such as 30s, 5m, 2h, 1d, 14:30 or 2026-05-01T14:30.") from None


def _pattern(
    _context: click.Context, _parameter: click.Parameter, text: str | None
) -> re.Pattern[str] | None:
    try:
        return re.compile(text) if text else None
    except re.error as error:
        raise click.BadParameter(f"{text!r} is not a regular expression: {error}.") from None


@click.command(short_help="Show the output of the services.")
@click.argument("services", nargs=-1, metavar="[SERVICE…]", shell_complete=complete_services)
@click.option(
    "-f",
    "--follow",
    is_flag=True,
    help="Continue to print new lines until Ctrl-C, with files even if the stack is restarted.",
)
@click.option(
    "--since", callback=_moment, metavar="WHEN",
    help=(
        "Print only lines since this time: 30s, 5m, 2h or 1d ago, 14:30, 2026-05-01T14:30. Accurate to about "
        "a second."
    ),
)  # fmt: skip
@click.option("--until", callback=_moment, metavar="WHEN", help="Print only lines up to this time.")
@click.option(
    "--level",
    type=click.Choice(LEVELS),
    help="Print only messages of this level and of more important levels; lines without a level are omitted.",
)
@click.option(
    "--correlation",
    metavar="ID",
    default="",
    help="Print only messages with this correlation id, request id or trace id.",
)
@click.option(
    "--grep", callback=_pattern, metavar="REGEX", help="Print only lines that match the regular expression."
)
@click.option(
    "--from",
    "log_source",
    type=click.Choice(["files", "stream"]),
    default="files",
    show_default=True,
    help="Read the lines from the log files, or from the stream to which `log-forwarder` copies the lines.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help=(
        "Print lines of JSON with time, service, line, level, ids, message, fields and the position in the "
        "log."
    ),
)
@target
def command(
    target: Target,
    *,
    services: tuple[str, ...],
    follow: bool,
    since: float | None,
    until: float | None,
    level: str | None,
    correlation: str,
    grep: re.Pattern[str] | None,
    log_source: Literal["files", "stream"],
    as_json: bool,
) -> None:
    """Show the output of the services, sorted by time.

    With --follow, new lines are printed in the order in which they are read.

    The stack does not have to be running, except with `--from stream`. The level and the ids are found in
    JSON, in logfmt and in the log formats of common servers. SERVICE can also be `supervisor`, for the log of
    the supervisor itself.

    \b
    Examples:
      infra runtime logs postgres --since 5m
      infra runtime logs --since 1h --level error
      infra runtime logs -f --grep 'ERROR|WARN'
    """
    selection = Selection(
        since=since or 0.0,
        until=float("inf") if until is None else until,
        level=cast("Level | None", level),
        correlation=correlation,
        patterns=(grep,) if grep else (),
    )
    folder = Path(target.paths().logs)
    with contextlib.ExitStack() as stack:
        source = (
            Files(folder, services, follow=follow)
            if log_source == "files"
            else stack.enter_context(stream(target, services))
        )
        lines: Iterable[Line] = source.lines(selection.since)
        if follow:
            lines = itertools.chain(lines, source.following())
        elif until is not None:
            lines = itertools.takewhile(lambda line: line.time <= selection.until, lines)
        if as_json:
            for entry in selection.entries(lines):
                output.say_json(_fields(entry), line=True)
            return
        writer = _Writer(source.services)
        for line in selection.lines(lines):
            writer.write(line)


def _fields(entry: Entry) -> dict[str, object]:
    line, record = entry
    return {
        "time": line.time,
        "service": line.service,
        "line": line.text,
        "level": record.level or None,
        "ids": record.ids,
        "message": record.message,
        "fields": record.fields,
        "position": line.cursor if line.file else None,
    }


class _Writer:
    """Prints log lines; each line begins with the name of its service in the colour of the service."""

    def __init__(self, services: list[str]) -> None:
        self._services = services
        self._width = max(map(len, services), default=0)

    def write(self, line: Line) -> None:
        """Print a line of a log."""
        if line.service not in self._services:
            self._services.append(line.service)
        colour = output.PREFIXES[self._services.index(line.service) % len(output.PREFIXES)]
        output.say(f"{output.styled(f'{line.service:{self._width}} |', colour)} {line.text}")
