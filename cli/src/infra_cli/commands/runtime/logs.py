"""The command `infra runtime logs`, which prints the output of the services."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import click

from infra_cli import output
from infra_cli.completion import complete_services
from infra_cli.file_follower import Follower
from infra_cli.logfiles import Line, merged, moment, services_with_logs
from infra_cli.target import Target, target
from infra_runtime.errors import NoStackError, UnknownServiceError


def _moment(_context: click.Context, _parameter: click.Parameter, text: str | None) -> float:
    try:
        return moment(text) if text else 0.0
    except ValueError:
        raise click.BadParameter("use a time such as 30s, 5m, 2h, 1d, 14:30 or 2026-05-01T14:30.") from None


def _pattern(_context: click.Context, _parameter: click.Parameter, text: str | None) -> re.Pattern[str]:
    try:
        return re.compile(text or "")
    except re.error as error:
        raise click.BadParameter(f"{text!r} is not a regular expression: {error}.") from None


@click.command(short_help="Show the output of the services.")
@click.argument("services", nargs=-1, metavar="[SERVICE…]", shell_complete=complete_services)
@click.option(
    "-f",
    "--follow",
    is_flag=True,
    help="Continue to print new lines until Ctrl-C, even if the stack is restarted.",
)
@click.option(
    "--since", callback=_moment, metavar="WHEN",
    help=(
        "Print only lines since this time: 30s, 5m, 2h or 1d ago, 14:30, 2026-05-01T14:30. Accurate to about "
        "a second."
    ),
)  # fmt: skip
@click.option(
    "--grep", callback=_pattern, metavar="REGEX", help="Print only lines that match the regular expression."
)
@click.option("--json", "as_json", is_flag=True, help="Print lines of JSON with time, service and line.")
@target
def command(
    target: Target,
    *,
    services: tuple[str, ...],
    follow: bool,
    since: float,
    grep: re.Pattern[str],
    as_json: bool,
) -> None:
    """Show the output of the services, sorted by time; the stack does not have to be running.

    SERVICE can also be `supervisor`, for the log of the supervisor itself.

    \b
    Examples:
      infra runtime logs postgres --since 5m
      infra runtime logs -f --grep 'ERROR|WARN'
    """
    folder = Path(target.paths().logs)
    known = services_with_logs(folder)
    if not known and not follow:
        raise NoStackError(str(folder.parent))
    for name in services:
        if name not in known and not (folder / f"{name}.log").exists() and not follow:
            raise UnknownServiceError(name, known)

    def paths() -> list[Path]:
        return [folder / f"{name}.log" for name in services or services_with_logs(folder)]

    follower = Follower(paths)
    ends = (
        {path.stem: end for path, end in follower.skip().items()}
        if follow
        else dict.fromkeys(services or known)
    )
    writer = _Writer(list(services) or known, as_json=as_json)
    for line in merged(folder, ends, since):
        if grep.search(line.text):
            writer.write(line)
    if follow:
        for path, text in follower.lines():
            if grep.search(text):
                writer.write(Line(time.time(), path.stem, text))


class _Writer:
    """An object that prints log lines; before each line is its service's name, in the service's colour."""

    def __init__(self, services: list[str], *, as_json: bool) -> None:
        self._services = services
        self._width = max(map(len, services), default=0)
        self._as_json = as_json

    def write(self, line: Line) -> None:
        """Print a line of a log."""
        if self._as_json:
            record: dict[str, Any] = {"time": line.time, "service": line.service, "line": line.text}
            output.say_json(record, line=True)
            return
        if line.service not in self._services:
            self._services.append(line.service)
        colour = output.PREFIXES[self._services.index(line.service) % len(output.PREFIXES)]
        output.say(f"{output.styled(f'{line.service:{self._width}} |', colour)} {line.text}")
