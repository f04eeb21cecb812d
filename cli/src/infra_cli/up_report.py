"""The output of `infra runtime up`: for a terminal, as plain lines, or as JSON."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from typing import TypeAlias

from infra_cli import output
from infra_cli.live_display import FRAMES, REFRESHES_PER_SECOND, live
from infra_runtime.data_directory.leak_check import LeakCheck
from infra_runtime.data_directory.paths import Paths
from infra_runtime.engines.local.client import Client
from infra_runtime.manifest import DASHBOARD
from infra_runtime.messages import STATUS, Event, Nothing, Outcome, Phase, Services, Status

Listener: TypeAlias = Callable[[Event], None]
#: The events that are printed as lines.
PRINTED_EVENTS = frozenset({
    "ready", "done", "failed", "backoff", "rebinding", "stopped", "paused", "resumed", "killing",
    "reconciled", "restore-undone", "guardian-died", "unkillable",
})  # fmt: skip


class Lines:
    """A report of `infra runtime up` that prints one line for each event in `PRINTED_EVENTS`."""

    def __init__(self, names: Iterable[str]) -> None:
        self._start_time = time.perf_counter()
        self._width = max(map(len, names), default=0)
        self._is_up = False

    @contextmanager
    def starting(self, paths: Paths) -> Iterator[Listener]:  # noqa: ARG002 - `LiveReport` needs it
        """Yield the function that prints an event, for the events during the start."""
        yield self.event

    def event(self, event: Event) -> None:
        """Print a line for an event of the stack if `PRINTED_EVENTS` contains the event."""
        if event.event in PRINTED_EVENTS:
            after = f"{time.perf_counter() - self._start_time:8.2f} s"
            name, reason = event.service or "infra", event.reason
            line = f"{output.styled(after, dim=True)}  {name:{self._width}}  {output.phase(event.event)}"
            output.say(f"{line}: {reason}" if reason else line)
            if self._is_up and reason and event.event in {"failed", "stopped"}:
                output.note(f"`infra runtime logs {name}` prints the log of the service")

    def ready(self, outcome: Outcome, seconds: float, *, how_to_stop: str) -> None:
        """Print the phases and addresses of the services and, without failures, how to stop the stack.

        If `how_to_stop` is empty, nothing is printed.
        """
        if not how_to_stop:
            return
        self._is_up = True
        for line in endpoint_table(outcome.services):
            output.say(line)
        if not outcome.failures:
            count = len(outcome.services)
            plural = "service" if count == 1 else "services"
            ready = all(service.ready for service in outcome.services)
            state = (
                f", ready in {seconds:.2f} s"
                if ready
                else " starting; `infra runtime wait` returns when all are ready"
            )
            output.say(output.commands(f"infra: {count} {plural}{state}; {how_to_stop}"))

    def proof(self, proof: LeakCheck) -> None:
        """Print the last line of the report: how many processes, ports and sockets of the stack remain."""
        output.say(f"infra: {proof}")


class LiveReport(Lines):
    """A report of `infra runtime up` for a terminal: a live display of the phases, and then lines."""

    @contextmanager
    def starting(self, paths: Paths) -> Iterator[Listener]:
        """Draw the phase of each service (waiting, starting, ready, …), read on a separate connection.

        The events of the start are not printed, because the phases contain the same information.
        """
        with (
            closing(Client.connect(paths)) as client,
            live(lambda: progress_lines(client.call(STATUS, Nothing()))),
        ):
            yield lambda _event: None


class JsonReport:
    """A report of `infra runtime up` as lines of JSON.

    The lines are the events of the journal, the line `stack` after the start, and the line `proof` after the
    stack was stopped.
    """

    @contextmanager
    def starting(self, paths: Paths) -> Iterator[Listener]:  # noqa: ARG002 - `LiveReport` needs it
        """Yield the function that prints an event, for the events during the start."""
        yield self.event

    def event(self, event: Event) -> None:
        """Print the event as a line of JSON, with the same content as in the journal."""
        output.say_json(event.to_json(), line=True)

    def ready(self, outcome: Outcome, seconds: float, *, how_to_stop: str) -> None:  # noqa: ARG002 - text only
        """Print a line of JSON with all services (with masked secrets) and all failures of the start."""
        self._print("stack", seconds=round(seconds, 3), **outcome.to_json())

    def proof(self, proof: LeakCheck) -> None:
        """Print a line of JSON with the processes, ports and sockets that remain of the stopped stack."""
        self._print("proof", **proof.to_json())

    def _print(self, event: str, **details: object) -> None:
        output.say_json({"time": round(time.time(), 6), "event": event, **details}, line=True)


Report: TypeAlias = Lines | JsonReport


def make_report(names: Iterable[str], *, as_json: bool) -> Report:
    """Return the report of `infra runtime up` for these services.

    The report is JSON if `as_json` is true, otherwise a live display (in a terminal) or plain lines.
    """
    if as_json:
        return JsonReport()
    return LiveReport(names) if output.is_terminal() else Lines(names)


def progress_lines(status: Status) -> list[str]:
    """Return a line for each service: name, phase, seconds in the phase, and the reason for the phase."""
    spinner = FRAMES[int(time.monotonic() * REFRESHES_PER_SECOND) % len(FRAMES)]
    marks = {"ready": "✓", "done": "✓", "failed": "✗", "idle": "·", "waiting": "·", "stopped": "·"}
    return output.columns(
        (
            marks.get(service.phase, spinner),
            service.name,
            output.phase(service.phase),
            output.span(service.seconds),
            output.styled(service.reason, dim=True),
        )
        for service in status.services
    )


def endpoint_table(services: Services) -> list[str]:
    """Return the lines of a table with the URLs of each service and of its web pages, a dashboard first.

    A service without the export `url` has its ports, or else its summary; a failed service has no address.
    """
    rows = []
    for service in sorted(services, key=lambda service: service.kind != DASHBOARD.name):
        addresses = output.urls(service.exports)
        main_address = addresses.pop("url", " ".join(map(str, service.ports.values())) or service.summary)
        if service.phase is Phase.FAILED:
            main_address, addresses = "", {}
        if main_address and (engine := service.exports.get("engine")):
            main_address += f"  {output.styled(f'({engine})', dim=True)}"
        rows.append((service.name, output.phase(service.phase), main_address))
        for name, address in addresses.items():
            if address.startswith("http"):
                label = name.removesuffix("_url").replace("_", " ")
                rows.append(("", "", f"{address}  {output.styled(f'({label})', dim=True)}"))
    return output.columns(rows, header=("SERVICE", "PHASE", "WHERE"))
