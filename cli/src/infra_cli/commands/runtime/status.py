"""`infra runtime status`."""

from __future__ import annotations

import itertools

import click

from infra_cli import output
from infra_cli.target import Target, target
from infra_runtime.errors import SupervisorError
from infra_runtime.messages import STATUS, Nothing, ServiceStatus, Status


@click.command(short_help="What runs here, and where it answers.")
@click.option("--watch", is_flag=True, help="Go on until the stack is gone.")
@click.option(
    "--json", "as_json", is_flag=True, help="As a JSON document; with --watch, a line for each change."
)
@target
def command(target: Target, *, watch: bool, as_json: bool) -> None:
    """What runs here: each service's phase, since when, and where it answers or why it does not.

    Works from any terminal, for it asks the stack's supervisor. Secrets are masked.
    Exit code 7 says that no stack runs here; 0 that one does, whatever its services do.

    \b
    Examples:
      infra runtime status
      infra runtime status --watch
      infra runtime status --json | jq -r '.services[] | select(.ready | not) | .name'
    """
    if watch:
        follow(target, as_json=as_json)
        return
    with target.client() as client:
        status = client.call(STATUS, Nothing())
    tell(status, as_json=as_json)


def follow(target: Target, *, as_json: bool) -> None:
    """Show the status until the stack is gone: drawn again and again, or told at each change."""
    with target.client() as asked, target.client() as followed:
        followed.subscribe()
        if output.is_terminal() and not as_json:
            from infra_cli.spinner import live

            with live(lambda: lines(asked.call(STATUS, Nothing())), leave=True):
                for _event in followed.events():
                    pass
            return
        known: list[str] | None = None
        for _ in itertools.chain([None], followed.events()):
            try:
                status = asked.call(STATUS, Nothing())
            except SupervisorError:  # it has exited after its last event
                return
            phases: list[str] = [service.phase for service in status.services]
            if phases != known:
                tell(status, as_json=as_json, line=True)
            known = phases


def tell(status: Status, *, as_json: bool, line: bool = False) -> None:
    """Show a status once."""
    if as_json:
        output.say_json(status.to_json(), line=line)
    else:
        for text in lines(status):
            output.say(text)


def lines(status: Status) -> list[str]:
    """The status as a person reads it; secrets are masked already."""
    leases = "1 lease" if status.leases == 1 else f"{status.leases} leases"
    held = f"supervisor {status.pid}, {leases}{_stay(status)}"
    head = f"{status.environment} stack in {status.data} ({held})"
    rows = [row(service) for service in status.services]
    return [head, *output.columns(rows, header=("SERVICE", "PHASE", "SINCE", "WHERE"))]


def _stay(status: Status) -> str:
    if not status.stay:
        return ""
    seconds = status.stay_seconds
    return ", stays until it is told to stop" if seconds is None else f", then stays {output.span(seconds)}"


def row(service: ServiceStatus) -> tuple[str, str, str, str]:
    """One service: name, phase, since when, and where it answers or why it doesn't."""
    where = service.exports.get("url") or " ".join(str(port) for port in service.ports.values())
    restarts = f"  (restarts: {service.restarts})" if service.restarts else ""
    return (
        service.name,
        output.phase(service.phase),
        output.span(service.seconds),
        (where if service.ready else service.reason) + restarts,
    )
