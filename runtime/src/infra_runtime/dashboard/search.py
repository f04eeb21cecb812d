"""The search for one text in all signals: services, logs, traces, metrics, tests, alerts and settings.

Each signal is searched on its own, so that a signal that cannot be read is a problem of this signal only.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from infra_runtime.dashboard import alerts, log_view, reports, telemetry, traces
from infra_runtime.dashboard.context import Dashboard
from infra_runtime.dashboard.log_query import Query
from infra_runtime.dashboard.parameters import ParameterError, iso
from infra_runtime.dashboard.session_view import stack_of, test_row
from infra_runtime.dashboard.view import rows
from infra_runtime.data_directory import session_record
from infra_runtime.data_directory.session_record import Reading
from infra_runtime.errors import InfraError
from infra_runtime.logs.files import services_with_logs
from infra_runtime.value import frozen

#: hits of a signal, if the request has no number, and at most; characters of a text
HITS, MOST_HITS, LONGEST = 10, 100, 200
#: sessions of pytest whose tests are searched
SESSIONS = 20
#: bytes of each log that are searched at most, of all logs together, and of each log at least
SCANNED, SCANNED_TOGETHER, SCANNED_LEAST = 1 << 20, 32 << 20, 1 << 16
#: seconds before and after a line that its link shows, too
_AROUND = 5.0
_TRACE, _SPAN = re.compile(r"[0-9a-fA-F]{32}"), re.compile(r"[0-9a-fA-F]{16}")


@frozen
class Hit:
    """What contains the text."""

    title: str
    #: the part with the text, or what the hit is
    detail: str
    #: the name of the service; empty if the hit has none
    service: str
    #: Unix seconds; 0 if the hit has no time
    time: float
    #: the address of the page that shows the hit; empty if there is none
    link: str


@frozen
class SignalHits:
    """The hits of one signal."""

    #: one of `SIGNALS`
    signal: str
    hits: tuple[Hit, ...]
    #: whether further hits can exist
    has_more: bool
    #: the address of the page with all hits; empty if there is none
    link: str
    #: what is searched of the signal; empty if it is searched completely
    part: str
    #: why the signal cannot be searched; empty without a problem
    problem: str = ""


async def search(dashboard: Dashboard, text: str, count: int = HITS) -> list[SignalHits]:
    """Return the hits of each signal; none for an empty text. Raises `ParameterError` for a long text."""
    if len(text) > LONGEST:
        raise ParameterError(f"the text has at most {LONGEST} characters, not {len(text)}")
    if not text.strip():
        return []
    return [
        *await asyncio.gather(*(_search_signal(dashboard, signal, text.strip(), count) for signal in SIGNALS))
    ]


async def _search_signal(dashboard: Dashboard, signal: str, text: str, count: int) -> SignalHits:
    hits, page, part = SIGNALS[signal]
    link = f"{page}?{urlencode({'text': text})}" if page else ""
    try:
        all_hits = await hits(dashboard, text, count)
    except InfraError as error:
        return SignalHits(signal=signal, hits=(), has_more=False, link="", part=part, problem=str(error))
    return SignalHits(
        signal=signal, hits=tuple(all_hits[:count]), has_more=len(all_hits) > count, link=link, part=part
    )


def to_json(parts: Iterable[SignalHits]) -> list[dict[str, Any]]:
    """Return the hits as JSON data."""
    return [
        {
            "signal": part.signal,
            "items": [
                {name: getattr(hit, name) for name in ("title", "detail", "service", "time", "link")}
                for hit in part.hits
            ],
            "more": part.has_more,
            "link": part.link,
            "part": part.part,
            "problem": part.problem,
        }
        for part in parts
    ]


# --- the signals: each function returns `count` hits, and one more if there are more ----------------


async def _services(dashboard: Dashboard, text: str, count: int) -> list[Hit]:
    hits = []
    for row in rows(await dashboard.stack.state()):
        addresses = [address.text for address in row.addresses]
        ports = [str(port) for port in row.ports.values()]
        if _contains(text, row.name, row.kind, row.summary, row.phase, row.reason, *addresses, *ports):
            detail = " · ".join(filter(None, (row.phase, row.reason, *addresses)))
            link = f"/services/{quote(row.name, safe='')}"
            hits.append(Hit(title=row.name, detail=detail, service=row.name, time=0.0, link=link))
    return hits[: count + 1]


async def _logs(dashboard: Dashboard, text: str, count: int) -> list[Hit]:
    view = await asyncio.to_thread(_lines, Path(dashboard.paths.logs), text, count + 1)
    return [
        Hit(
            # The message of a line that is only a text has no escape sequences of terminals.
            title=_excerpt(record.message if record.format == "text" else line.text, text),
            detail=record.level,
            service=line.service,
            time=line.time,
            link=_place_of(line.service, line.offset, line.time),
        )
        for line, record in reversed(view.lines)
    ]


def _lines(folder: Path, text: str, count: int) -> log_view.View:
    number = max(len(services_with_logs(folder)), 1)
    most = max(min(SCANNED, SCANNED_TOGETHER // number), SCANNED_LEAST)
    return log_view.page(folder, Query(text=text), "", count, most=most)


def _place_of(service: str, offset: int, time: float) -> str:
    """Return the address of a line with the lines of all services around it."""
    period = {"since": iso(time - _AROUND), "until": iso(time + _AROUND)}
    return f"/logs?{urlencode({**period, 'line': f'{service}:{offset}'})}"


async def _traces(dashboard: Dashboard, text: str, count: int) -> list[Hit]:
    endpoints = await dashboard.stack.endpoints()
    query = {"limit": str(count + 1)}
    if _TRACE.fullmatch(text):
        query["trace"] = text.lower()
    elif _SPAN.fullmatch(text):
        query["id"] = text.lower()
    else:
        query["text"] = text
    answer = await telemetry.ask(endpoints, "traces", query)
    if not answer["items"] and "text" not in query:  # the digits of another id, such as a correlation id
        answer = await telemetry.ask(endpoints, "traces", {"limit": query["limit"], "text": text})
    return [
        Hit(
            title=row.name or row.trace,
            detail=f"{row.spans} spans, {row.errors} errors, {', '.join(row.services)}",
            service=row.service,
            time=row.start,
            link=f"/traces/{row.trace}",
        )
        for row in traces.trace_rows(answer["items"])
    ]


async def _records(dashboard: Dashboard, text: str, count: int) -> list[Hit]:
    endpoints, limit = await dashboard.stack.endpoints(), str(count + 1)
    answer: Mapping[str, Any] = {"items": []}
    if _TRACE.fullmatch(text):
        answer = await telemetry.ask(endpoints, "logs", {"trace": text.lower(), "limit": limit})
    if not answer["items"]:
        answer = await telemetry.ask(endpoints, "logs", {"text": text, "limit": limit})
    shown = [(item, traces.log_to_json(item)) for item in reversed(answer["items"])]
    return [
        Hit(
            title=_excerpt(record["text"], text),
            detail=record["level"],
            service=record["service"],
            time=record["time"],
            link=f"/traces/{item['trace']}" if item.get("trace") else f"/records?{urlencode({'text': text})}",
        )
        for item, record in shown
    ]


async def _metrics(dashboard: Dashboard, text: str, count: int) -> list[Hit]:
    answer = await telemetry.ask(await dashboard.stack.endpoints(), "metrics", {})
    hits = [
        Hit(
            title=item["name"],
            detail=", ".join(filter(None, (item["type"], item["unit"], *item["services"]))),
            service=item["services"][0] if len(item["services"]) == 1 else "",
            time=0.0,
            link=f"/charts?{urlencode({'service': item['services'][0]}) if item['services'] else ''}",
        )
        for item in answer["items"]
        if _contains(text, item["name"], item["unit"], *item["services"])
    ]
    return hits[: count + 1]


async def _errors(dashboard: Dashboard, text: str, count: int) -> list[Hit]:
    endpoints = await dashboard.stack.endpoints()
    groups, _ = await alerts.groups(endpoints, {"text": text}, count + 1)
    return [
        Hit(
            title=group.type or "error",
            detail=f"{group.count} \N{MULTIPLICATION SIGN} {_excerpt(group.message, text)}",
            service=group.service,
            time=group.last,
            link=f"/traces/{group.trace}"
            if group.trace
            else f"/alerts?{urlencode({'service': group.service})}",
        )
        for group in groups
    ]


async def _alerts(dashboard: Dashboard, text: str, count: int) -> list[Hit]:
    stored, _ = await alerts.stored(await dashboard.stack.endpoints(), {"text": text}, count + 1)
    return [
        Hit(
            title=alert.name,
            detail=" · ".join(filter(None, (alert.status, alert.severity, alert.summary))),
            service=alert.service,
            time=alert.start,
            link=f"/alerts?{urlencode({'service': alert.service})}" if alert.service else "/alerts",
        )
        for alert in stored
    ]


async def _tests(dashboard: Dashboard, text: str, count: int) -> list[Hit]:
    return await asyncio.to_thread(lambda: [*islice(_matching_tests(dashboard, text), count + 1)])


def _matching_tests(dashboard: Dashboard, text: str) -> Iterator[Hit]:
    for session in session_record.listing(dashboard.reports, SESSIONS).sessions:
        stack = stack_of(Path(session.start.data), dashboard)
        for test in reversed(Reading.of(session.path).tests):
            if _contains(text, test.test, test.outcome, test.error, test.trace, test.worker):
                row = test_row(test, stack)
                own = f"/tests/sessions/{session.id}?{urlencode({'text': test.test})}"
                yield Hit(
                    title=test.test,
                    detail=" · ".join(filter(None, (test.outcome, test.error))),
                    service="",
                    time=test.began,
                    link=row.report_link or own,
                )


async def _reports(dashboard: Dashboard, text: str, count: int) -> list[Hit]:
    listing = await asyncio.to_thread(reports.listing, dashboard.reports)
    hits = [
        Hit(
            title=report.description.test,
            detail=report.exception,
            service="",
            time=report.description.began,
            link=f"/tests/{report.id}",
        )
        for report in listing.reports
        if _contains(text, report.description.test, report.description.failure, report.description.trace)
    ]
    return hits[: count + 1]


async def _settings(dashboard: Dashboard, text: str, count: int) -> list[Hit]:
    settings = await asyncio.to_thread(dashboard.configuration)
    hits = [
        Hit(
            title=key,
            detail=f"{value} ({source})",
            service="",
            time=0.0,
            link=f"/configuration?{urlencode({'text': key})}",
        )
        for key, (value, source) in settings.items()
        if _contains(text, key, value, source)
    ]
    return hits[: count + 1]


#: signal → the function that returns its hits, the page whose parameter `text` shows all of them, and what is
#: searched
SIGNALS: Mapping[str, tuple[Callable[[Dashboard, str, int], Awaitable[list[Hit]]], str, str]] = {
    "services": (_services, "/", ""),
    "tests": (_tests, "", f"the newest {SESSIONS} sessions"),
    "failure reports": (_reports, "/tests", f"the newest {reports.REPORTS} reports"),
    "logs": (_logs, "/logs", f"at most the newest {SCANNED >> 20} MiB of each log"),
    "traces": (_traces, "/traces", ""),
    "log records": (_records, "/records", ""),
    "errors": (_errors, "/alerts", ""),
    "alerts": (_alerts, "/alerts", ""),
    "metrics": (_metrics, "", ""),
    "settings": (_settings, "/configuration", ""),
}


def _contains(text: str, *parts: str) -> bool:
    wanted = text.lower()
    return any(wanted in part.lower() for part in parts)


def _excerpt(whole: str, text: str, characters: int = 300) -> str:
    """Return the part of a long text around the first place of another text."""
    if len(whole) <= characters:
        return whole
    start = max(whole.lower().find(text.lower()) - characters // 3, 0)
    part = whole[start : start + characters]
    return f"{'…' if start else ''}{part}{'…' if start + characters < len(whole) else ''}"
