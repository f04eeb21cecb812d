"""The rows of services for the templates, with words, icons and links."""

from __future__ import annotations

import time
from collections.abc import Mapping
from urllib.parse import urlsplit

from infra_runtime.dashboard.stack import State, dependents
from infra_runtime.manifest import OBSERVING
from infra_runtime.messages import Phase, ServiceStatus
from infra_runtime.value import frozen

#: phase → the tone (a class of the style sheet) and the icon. The word of the phase is always shown, too.
TONES: Mapping[Phase, tuple[str, str]] = {
    Phase.IDLE: ("off", "○"),
    Phase.WAITING: ("busy", "◌"),
    Phase.PREPARING: ("busy", "◔"),
    Phase.STARTING: ("busy", "◑"),
    Phase.READY: ("good", "●"),
    Phase.DONE: ("good", "✓"),
    Phase.PAUSED: ("warn", "‖"),
    Phase.BACKOFF: ("warn", "↻"),
    Phase.STOPPING: ("busy", "◕"),
    Phase.STOPPED: ("off", "■"),
    Phase.FAILED: ("bad", "✕"),
}
#: the phases of a service that has a process, or whose process will start
RUNNING = frozenset(
    {Phase.WAITING, Phase.PREPARING, Phase.STARTING, Phase.READY, Phase.PAUSED, Phase.BACKOFF}
)
#: the groups of services: your own services, servers, and services that observe the stack
GROUPS = ("own", "servers", "observability")
#: the schemes of the URLs that become links
_WEB = frozenset({"http", "https"})


@frozen
class Address:
    """An address in the exports of a service."""

    #: the name of the address, such as `url` or `inbox`
    label: str
    text: str
    #: whether the address is a link for the browser
    is_web: bool


@frozen
class Row:
    """A service, as the pages show it."""

    name: str
    kind: str
    summary: str
    #: the name of the phase
    phase: str
    tone: str
    icon: str
    reason: str
    #: the start of this phase in Unix seconds
    since: float
    restarts: int
    pid: int
    #: the number of used processors, and the resident memory in bytes; None if they are not known
    cpu: float | None
    memory: int | None
    addresses: tuple[Address, ...]
    ports: Mapping[str, int]
    needs: tuple[str, ...]
    #: the services that need this service directly or indirectly
    dependents: tuple[str, ...]
    #: action → the reason why the action is not possible; empty if the action is possible
    actions: Mapping[str, str]
    #: the number of messages with the level `error` or `critical` in the log since the start of the stack
    errors: int
    log_dropped: int
    #: whether the service is a task that is complete
    is_finished: bool

    @property
    def group(self) -> str:
        """The group of the service, one of `GROUPS`."""
        if not self.kind:
            return "own"
        return "observability" if self.kind in OBSERVING else "servers"

    @property
    def text(self) -> str:
        """The text that the filter of the page searches."""
        return f"{self.name} {self.kind} {self.phase} {self.reason}"


def rows(state: State) -> list[Row]:
    """Return the rows of the services in dependency order, without the copies that are for single tests."""
    affected = dependents(state.services)
    return [_row(state, service, affected[service.name]) for service in state.services if not service.copy_of]


def row(state: State, service: ServiceStatus) -> Row:
    """Return the row of a service."""
    return _row(state, service, dependents(state.services)[service.name])


def _row(state: State, service: ServiceStatus, affected: tuple[str, ...]) -> Row:
    tone, icon = TONES[service.phase]
    usage = state.usage.get(service.name)
    return Row(
        name=service.name,
        kind=service.kind,
        summary=service.summary,
        phase=service.phase.value,
        tone=tone,
        icon=icon,
        reason=service.reason,
        since=round(state.since[service.name], 1),
        restarts=service.restarts,
        pid=service.pid,
        cpu=round(usage.cpu, 3) if usage and usage.cpu is not None else None,
        memory=usage.memory if usage else None,
        addresses=addresses(service),
        ports=service.ports,
        needs=service.needs,
        dependents=affected,
        actions=_actions(service.phase),
        errors=state.errors.get(service.name, 0),
        log_dropped=service.log_dropped,
        is_finished=service.task and service.phase is Phase.DONE,
    )


def addresses(service: ServiceStatus) -> tuple[Address, ...]:
    """Return the addresses in the exports of a service, the main address first."""
    addresses_by_name = {
        name: text for name, text in service.exports.items() if name == "url" or name.endswith("_url") if text
    }
    return tuple(
        Address(label=name.removesuffix("_url").replace("_", " "), text=text, is_web=_is_web(text))
        for name, text in sorted(addresses_by_name.items(), key=lambda item: item[0] != "url")
    )


def _is_web(text: str) -> bool:
    """Return whether a page may show the address as a link: only http and https, never `javascript`."""
    try:
        url = urlsplit(text)
    except ValueError:
        return False
    return url.scheme in _WEB and bool(url.hostname)


def _actions(phase: Phase) -> dict[str, str]:
    is_running = phase in RUNNING
    return {
        "start": "the service is already running" if is_running else _stopping(phase),
        "stop": "" if is_running or phase is Phase.STOPPING else "the service is not running",
        "restart": _stopping(phase),
    }


def _stopping(phase: Phase) -> str:
    return "the service is stopping" if phase is Phase.STOPPING else ""


def duration(seconds: float) -> str:
    """Return a duration as a short text: `0.4 s`, `12 s`, `5 min`, `3 h 20 min`, `2 d 4 h`."""
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    whole_seconds = int(seconds)
    if whole_seconds < 60:
        return f"{whole_seconds} s"
    minutes = whole_seconds // 60
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"


def local_time(seconds: float) -> str:
    """Return a Unix time as date and time in the time zone of the machine: `2026-03-01 12:30:05`."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def milliseconds(seconds: float) -> str:
    """Return a short duration as a string: `0.12 ms`, `34 ms`, `1.20 s`."""
    value = seconds * 1000
    if value < 10:
        return f"{value:.2f} ms"
    return f"{value:.0f} ms" if value < 1000 else f"{seconds:.2f} s"


def size(count: int) -> str:
    """Return a number of bytes as a short text: `512 B`, `3.4 MB`."""
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
