"""The command `infra runtime status`, which shows the services of the running stack."""

from __future__ import annotations

import itertools

import click

from infra_cli import output
from infra_cli.target import Target, describe_stack, target
from infra_runtime.errors import SupervisorError
from infra_runtime.messages import STATUS, Nothing, ServiceStatus, Status


@click.command(short_help="Show the services of the running stack and their addresses.")
@click.option("--watch", is_flag=True, help="Show the status continuously until the stack is stopped.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print a JSON document; with --watch, print a line of JSON after each change of a phase.",
)
@target
def command(target: Target, *, watch: bool, as_json: bool) -> None:
    """Show the phase of each service, the duration of the phase, and the service's address.

    If a service is not ready, the reason is shown instead of the address.

    The command requests the status from the supervisor, so it works in any terminal. Secrets are masked. The
    exit code is 7 if no stack is running. If a stack is running, the exit code is 0, whatever the phases of
    its services are.

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
    print_status(status, as_json=as_json)
    for data in target.other_stacks():
        output.note(describe_stack(data))


def follow(target: Target, *, as_json: bool) -> None:
    """Show the status until the stack is stopped.

    In a terminal and without JSON, the status is a live display; otherwise it is printed at the beginning and
    after each change of a phase.
    """
    with target.client() as client, target.client() as subscriber:
        subscriber.subscribe()
        if output.is_terminal() and not as_json:
            from infra_cli.live_display import live

            with live(lambda: lines(client.call(STATUS, Nothing())), keep=True):
                for _event in subscriber.events():
                    pass
            return
        printed_phases: list[str] | None = None
        for _ in itertools.chain([None], subscriber.events()):
            try:
                status = client.call(STATUS, Nothing())
            except SupervisorError:  # the supervisor has exited after its last event
                return
            phases: list[str] = [service.phase for service in status.services]
            if phases != printed_phases:
                print_status(status, as_json=as_json, line=True)
            printed_phases = phases


def print_status(status: Status, *, as_json: bool, line: bool = False) -> None:
    """Print the status of a stack as a table, or as JSON, on a single line if `line` is true."""
    if as_json:
        output.say_json(status.to_json(), line=line)
    else:
        for text in lines(status):
            output.say(text)


def lines(status: Status) -> list[str]:
    """Return the lines that `infra runtime status` prints; secrets in the status are already masked."""
    leases = "1 lease" if status.leases == 1 else f"{status.leases} leases"
    details = f"supervisor {status.pid}, {leases}{_stay(status)}"
    first_line = f"{status.environment} stack in {status.data} ({details})"
    rows = [row(service) for service in status.services]
    return [first_line, *output.columns(rows, header=("SERVICE", "PHASE", "SINCE", "WHERE"))]


def _stay(status: Status) -> str:
    if not status.stay:
        return ""
    seconds = status.stay_seconds
    if seconds is None:
        return output.commands(", runs until `infra runtime down`")
    return f", runs {output.span(seconds)} after the last lease"


def row(service: ServiceStatus) -> tuple[str, str, str, str]:
    """Return the table row of a service: name, phase, duration of the phase, and address.

    If the service is not ready, the row contains the reason instead of the address.
    """
    address = service.exports.get("url") or " ".join(str(port) for port in service.ports.values())
    if engine := service.exports.get("engine"):
        address += f"  ({engine})"
    restarts = f"  (restarts: {service.restarts})" if service.restarts else ""
    dropped_bytes = f"  (log: {service.log_dropped} bytes dropped)" if service.log_dropped else ""
    return (
        service.name,
        output.phase(service.phase),
        output.span(service.seconds),
        (address if service.ready else service.reason) + restarts + dropped_bytes,
    )
