"""`infra runtime events`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from infra_cli import output
from infra_cli.target import Target, target

if TYPE_CHECKING:
    from infra_runtime.messages import Event

#: of no use to a person, or told otherwise
LEFT_OUT = frozenset({"time", "event", "service", "token", "started", "boot", "needs"})


@click.command(short_help="What happened to the stack.")
@click.option("-f", "--follow", is_flag=True, help="Go on until Ctrl-C.")
@click.option(
    "--all", "everything", is_flag=True, help="Of all stacks of this data directory, not the last alone."
)
@click.option("--json", "as_json", is_flag=True, help="As lines of JSON, as they stand in events.jsonl.")
@target
def command(target: Target, *, follow: bool, everything: bool, as_json: bool) -> None:
    """What happened to the stack since it came up, from its journal; it need not run any more.

    \b
    Examples:
      infra runtime events --follow
      infra runtime events --all --json | jq 'select(.event == "backoff")'"""
    from infra_cli.following import Follower
    from infra_runtime.data_directory import journal
    from infra_runtime.errors import NoStackError

    paths = target.paths()
    follower = Follower([Path(paths.journal)])
    events = journal.parsed(line for _path, line in follower.new())
    if not events and not follow:
        raise NoStackError(paths.data)
    for event in events if everything else journal.last_run(events):
        _tell(event, as_json=as_json)
    if follow:
        for _path, line in follower.lines():
            for event in journal.parsed([line]):
                _tell(event, as_json=as_json)


def _tell(event: Event, *, as_json: bool) -> None:
    record = event.to_json()
    if as_json:
        output.say_json(record, line=True)
        return
    details = {key: value for key, value in record.items() if key not in LEFT_OUT}
    words = " ".join(
        f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in details.items()
    )
    time = output.styled(output.clock(event.time), dim=True)
    output.say(f"{time}  {event.service or 'infra':12}  {output.phase(event.event)}  {words}".rstrip())
