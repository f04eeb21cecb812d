"""The command `infra runtime analyze`, which shows how long each part of the last start took."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from infra_cli import output
from infra_cli.target import Target, target

if TYPE_CHECKING:
    from infra_runtime.data_directory.critical_path import Share, Start

WIDTH = 40


@click.command(short_help="Show how long each part of the last start took.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document; times are in seconds.")
@target
def command(target: Target, *, as_json: bool) -> None:
    """Show how long each service waited, prepared its start and started, in the last start.

    The last start is that of the stack or, if services were started later with `infra runtime start` or
    `infra runtime up SERVICE`, that of these services. The last line is the longest chain of services that
    waited for each other: each service of the chain had to wait for the previous one. The duration of this
    chain is the duration of the start. To make the start faster, remove dependencies from the chain or make
    one of its services faster. The stack does not have to be running.

    \b
    Example:
      infra runtime analyze
    """
    from infra_runtime.data_directory import journal
    from infra_runtime.data_directory.critical_path import last_start
    from infra_runtime.errors import NoStackError

    paths = target.paths()
    start = last_start(journal.last_run(journal.recent(paths.journal)))
    if start is None:
        raise NoStackError(paths.data)
    if as_json:
        output.say_json(start.to_json())
        return
    header = ("SERVICE", "WAITING", "PREPARING", "STARTING", "AT", "", "")
    for line in output.columns((_row(share, start) for share in start.shares), header=header):
        output.say(line)
    booted = f"; before that, the supervisor started in {start.boot:.3f} s" if start.boot else ""
    output.say(f"{start.seconds:.3f} s from the start request until the last service was ready{booted}")
    output.say(f"the longest chain of services that waited for each other: {' → '.join(start.chain)}")


def _row(share: Share, start: Start) -> tuple[str, ...]:
    durations = (share.waiting, share.preparing, share.starting, share.ended)
    times = (f"{seconds:.3f}" for seconds in durations)
    name = output.styled(share.service, bold=share.service in start.chain)
    mark = "*" if share.service in start.chain else ""
    outcome = "" if share.outcome in ("ready", "done") else output.phase(share.outcome)
    return (name, *times, _bar(share, start.seconds or 1.0), f"{mark} {outcome}".strip())


def _bar(share: Share, total: float) -> str:
    """Return a bar such as `···▒▒███` for one service: the times of waiting, preparing and starting.

    `total` is the time in seconds of a bar with full width.
    """
    bar_ends = [
        round(WIDTH * end / total) for end in (share.waiting, share.waiting + share.preparing, share.ended)
    ]
    return "·" * bar_ends[0] + "▒" * (bar_ends[1] - bar_ends[0]) + "█" * (bar_ends[2] - bar_ends[1])
