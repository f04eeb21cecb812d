"""`infra runtime analyze`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from infra_cli import output
from infra_cli.target import Target, target

if TYPE_CHECKING:
    from infra_runtime.data_directory.critical_path import Share, Start

WIDTH = 40


@click.command(short_help="Where the time of the last start went.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON document, in seconds.")
@target
def command(target: Target, *, as_json: bool) -> None:
    """Where the time of the last start went: what each service waited for, and the longest chain.

    To be ready sooner, make the chain shorter or one of its services quicker; nothing else helps.
    The stack need not run any more.

    \b
    Example:
      infra runtime analyze
    """
    from infra_runtime.data_directory import journal
    from infra_runtime.data_directory.critical_path import last_start
    from infra_runtime.errors import NoStackError

    paths = target.paths()
    start = last_start(journal.last_run(journal.read(paths.journal)))
    if start is None:
        raise NoStackError(paths.data)
    if as_json:
        output.say_json(start.to_json())
        return
    header = ("SERVICE", "WAITING", "PREPARING", "STARTING", "AT", "", "")
    for line in output.columns((_row(share, start) for share in start.shares), header=header):
        output.say(line)
    booted = f"; the supervisor had come up {start.boot:.3f} s before" if start.boot else ""
    output.say(f"{start.seconds:.3f} s from the order to the last service{booted}")
    output.say(f"the longest chain: {' → '.join(start.chain)}")


def _row(share: Share, start: Start) -> tuple[str, ...]:
    times = (f"{each:.3f}" for each in (share.waiting, share.preparing, share.starting, share.ended))
    name = output.styled(share.service, bold=share.service in start.chain)
    mark = "*" if share.service in start.chain else ""
    outcome = "" if share.outcome in ("ready", "done") else output.phase(share.outcome)
    return (name, *times, _bar(share, start.seconds or 1.0), f"{mark} {outcome}".strip())


def _bar(share: Share, whole: float) -> str:
    """`···▒▒███`: waiting, preparing, starting."""
    edges = [
        round(WIDTH * end / whole) for end in (share.waiting, share.waiting + share.preparing, share.ended)
    ]
    return "·" * edges[0] + "▒" * (edges[1] - edges[0]) + "█" * (edges[2] - edges[1])
