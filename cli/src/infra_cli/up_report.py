"""What `infra runtime up` tells, and how: to a terminal, to a file, to a program."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from typing import TypeAlias

from infra_cli import output
from infra_cli.spinner import FRAMES, TIMES_A_SECOND, live
from infra_runtime.data_directory.leak_check import LeakCheck
from infra_runtime.data_directory.paths import Paths
from infra_runtime.engines.local.client import Client
from infra_runtime.messages import STATUS, Event, Nothing, Outcome, Phase, Services, Status

Listener: TypeAlias = Callable[[Event], None]
#: events that a person wants to hear of
TOLD = frozenset({
    "ready", "done", "failed", "backoff", "rebinding", "stopped", "paused", "resumed", "killing",
    "reconciled", "guardian-died", "unkillable",
})  # fmt: skip


class Lines:
    """One plain line for each thing worth telling."""

    def __init__(self, names: Iterable[str]) -> None:
        self._began = time.perf_counter()
        self._width = max(map(len, names), default=0)
        self._is_up = False

    @contextmanager
    def starting(self, paths: Paths) -> Iterator[Listener]:  # noqa: ARG002 - for those who draw
        """Nothing moves."""
        yield self.event

    def event(self, event: Event) -> None:
        """Print the event, if it is of interest to a person."""
        if event.event in TOLD:
            after = f"{time.perf_counter() - self._began:8.2f} s"
            name, reason = event.service or "infra", event.reason
            line = f"{output.styled(after, dim=True)}  {name:{self._width}}  {output.phase(event.event)}"
            output.say(f"{line}: {reason}" if reason else line)
            if self._is_up and reason and event.event in {"failed", "stopped"}:
                output.note(f"`infra runtime logs {name}` has its last words")

    def ready(self, outcome: Outcome, seconds: float, *, then: str) -> None:
        """A table of URLs, and what comes next; nothing of a stack that ends at once."""
        if not then:
            return
        self._is_up = True
        for line in table(outcome.services):
            output.say(line)
        if not outcome.failures:
            count = len(outcome.services)
            plural = "service" if count == 1 else "services"
            ready = all(service.ready for service in outcome.services)
            how = (
                f", ready in {seconds:.2f} s"
                if ready
                else " on the way; `infra runtime wait` tells when ready"
            )
            output.say(f"infra: {count} {plural}{how}; {then}")

    def proof(self, proof: LeakCheck) -> None:
        """The closing line."""
        output.say(f"infra: {proof}")


class LiveReport(Lines):
    """Lines, and while the services start a picture of what each waits for."""

    @contextmanager
    def starting(self, paths: Paths) -> Iterator[Listener]:
        """Ask the supervisor, as often as is drawn, on a connection of its own."""
        with closing(Client.connect(paths)) as client, live(lambda: picture(client.call(STATUS, Nothing()))):
            yield lambda _event: None


class JsonReport:
    """Lines of JSON: the journal's events, a `stack` when it is ready, a `proof` when it is gone."""

    @contextmanager
    def starting(self, paths: Paths) -> Iterator[Listener]:  # noqa: ARG002 - for those who draw
        """Every event is a line."""
        yield self.event

    def event(self, event: Event) -> None:
        """As it is in the journal."""
        output.say_json(event.to_json(), line=True)

    def ready(self, outcome: Outcome, seconds: float, *, then: str) -> None:  # noqa: ARG002 - for people
        """All services and failures; exports are masked."""
        self._line("stack", seconds=round(seconds, 3), **outcome.to_json())

    def proof(self, proof: LeakCheck) -> None:
        """What is left, each piece named."""
        self._line("proof", **proof.to_json())

    def _line(self, event: str, **details: object) -> None:
        output.say_json({"time": round(time.time(), 6), "event": event, **details}, line=True)


Report: TypeAlias = Lines | JsonReport


def report(names: Iterable[str], *, as_json: bool) -> Report:
    """The report on these services that suits who reads."""
    if as_json:
        return JsonReport()
    return LiveReport(names) if output.is_terminal() else Lines(names)


def picture(status: Status) -> list[str]:
    """Services that start: a spinner, the name, the phase, for how long, and why not yet."""
    spinner = FRAMES[int(time.monotonic() * TIMES_A_SECOND) % len(FRAMES)]
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


def table(services: Services) -> list[str]:
    """Where each service answers; its further web pages stand below it, secrets are masked."""
    rows = []
    for service in services:
        addresses = output.urls(service.exports)
        first = addresses.pop("url", " ".join(map(str, service.ports.values())) or service.summary)
        if service.phase is Phase.FAILED:
            first, addresses = "", {}
        rows.append((service.name, output.phase(service.phase), first))
        for name, address in addresses.items():
            if address.startswith("http"):
                label = name.removesuffix("_url").replace("_", " ")
                rows.append(("", "", f"{address}  {output.styled(f'({label})', dim=True)}"))
    return output.columns(rows, header=("SERVICE", "PHASE", "WHERE"))
