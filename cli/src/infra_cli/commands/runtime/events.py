"""The command `infra runtime events`, which prints the events of the stack."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from infra_cli import output
from infra_cli.target import Target, target

if TYPE_CHECKING:
    from infra_runtime.messages import Event

#: The keys that are printed in separate columns, and the keys that are not printed.
OMITTED_KEYS = frozenset({"time", "event", "service", "token", "started", "boot", "needs"})


@click.command(short_help="Show the events of the stack.")
@click.option("-f", "--follow", is_flag=True, help="Print new events until Ctrl-C.")
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Print all events of the file events.jsonl, not only those of the last run.",
)
@click.option(
    "--json", "as_json", is_flag=True, help=("Print lines of JSON, in the format of the file events.jsonl.")
)
@target
def command(target: Target, *, follow: bool, everything: bool, as_json: bool) -> None:
    """Show the events since the last start of the stack.

    An event is, for example, that a service is ready or has exited. The events are read from the journal,
    which is the file events.jsonl, so the stack does not have to be running.

    \b
    Examples:
      infra runtime events --follow
      infra runtime events --all --json | jq 'select(.event == "backoff")'"""
    from infra_cli.file_follower import Follower
    from infra_runtime.data_directory import journal
    from infra_runtime.errors import NoStackError

    paths = target.paths()
    follower = Follower([Path(paths.journal)])
    events = journal.parsed(line for _path, line in follower.new())
    if not events and not follow:
        raise NoStackError(paths.data)
    for event in events if everything else journal.last_run(events):
        _print(event, as_json=as_json)
    if follow:
        for _path, line in follower.lines():
            for event in journal.parsed([line]):
                _print(event, as_json=as_json)


def _print(event: Event, *, as_json: bool) -> None:
    record = event.to_json()
    if as_json:
        output.say_json(record, line=True)
        return
    details = {key: value for key, value in record.items() if key not in OMITTED_KEYS}
    words = " ".join(
        f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in details.items()
    )
    time = output.styled(output.clock(event.time), dim=True)
    output.say(f"{time}  {event.service or 'infra':12}  {output.phase(event.event)}  {words}".rstrip())
