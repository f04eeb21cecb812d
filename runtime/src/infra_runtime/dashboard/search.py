"""The search for one text in all signals: services, logs, traces, metrics, tests, alerts and settings.

Each signal is searched separately. If a signal cannot be searched, the hits of the other signals are still
shown.
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

#: the default and the largest number of hits of a signal, and the largest number of characters of the text
HITS, MOST_HITS, LONGEST = 10, 100, 200
#: the number of newest pytest sessions whose tests are searched
SESSIONS = 20
#: the largest number of searched bytes of each log, of all logs together, and the smallest number of each log
SCANNED, SCANNED_TOGETHER, SCANNED_LEAST = 1 << 20, 32 << 20, 1 << 16
#: the seconds before and after a line whose other lines the link also shows
_AROUND = 5.0
_TRACE, _SPAN = re.compile(r"[0-9a-fA-F]{32}"), re.compile(r"[0-9a-fA-F]{16}")


@frozen
class Hit:
    """An object that contains the text, such as a log line or a test."""

    #: the name of the object, or an excerpt of its text
    title: str
    #: further data, such as the state, the level or the message
    detail: str
    #: the name of the service; empty if the object has no service
    service: str
    #: Unix seconds; 0 if the object has no time
    time: float
    #: the URL of the page that shows the object; empty without such a page
    link: str


@frozen
class SignalHits:
    """The hits in one signal, or the reason why the signal cannot be searched."""

    #: one of `SIGNALS`
    signal: str
    hits: tuple[Hit, ...]
    #: whether more hits can exist
    has_more: bool
    #: the URL of the page with all hits; empty without such a page
    link: str
    #: the description of the part that is searched; empty if all data of the signal is searched
    part: str
    #: the reason why the signal cannot be searched; empty without an error
    problem: str = ""


async def search(dashboard: Dashboard, text: str, count: int = HITS) -> list[SignalHits]:
    """Return the hits of each signal; empty for an empty text.

    `count` is the maximum number of hits for each signal. Raises `ParameterError` if the text is too long.
    """
    if len(text) > LONGEST:
        raise ParameterError(f"the text must have at most {LONGEST} characters, not {len(text)}")
    if not text.strip():
        return []
    return [
        *await asyncio.gather(*(_search_signal(dashboard, signal, text.strip(), count) for signal in SIGNALS))
    ]


async def _search_signal(dashboard: Dashboard, signal: str, text: str, count: int) -> SignalHits:
    find_hits, page, scope = SIGNALS[signal]
    link = f"{page}?{urlencode({'text': text})}" if page else ""
    try:
        all_hits = await find_hits(dashboard, text, count)
    except InfraError as error:
        return SignalHits(signal=signal, hits=(), has_more=False, link="", part=scope, problem=str(error))
    return SignalHits(
        signal=signal, hits=tuple(all_hits[:count]), has_more=len(all_hits) > count, link=link, part=scope
    )


def to_json(signals: Iterable[SignalHits]) -> list[dict[str, Any]]:
    """Return the hits of all signals as JSON data."""
    return [
        {
            "signal": signal.signal,
            "items": [
                {name: getattr(hit, name) for name in ("title", "detail", "service", "time", "link")}
                for hit in signal.hits
            ],
            "more": signal.has_more,
            "link": signal.link,
            "part": signal.part,
            "problem": signal.problem,
        }
        for signal in signals
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
            # `record.message` has no escape sequences of terminals.
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
    most_bytes = max(min(SCANNED, SCANNED_TOGETHER // number), SCANNED_LEAST)
    return log_view.page(folder, Query(text=text), "", count, most_bytes=most_bytes)


def _place_of(service: str, offset: int, time: float) -> str:
    """Return the URL of the log page for a line; around the line, the page shows lines of all services."""
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
    # The text can be another id with the same number of digits, such as a correlation id.
    if not answer["items"] and "text" not in query:
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
    items_and_records = [(item, traces.log_to_json(item)) for item in reversed(answer["items"])]
    return [
        Hit(
            title=_excerpt(record["text"], text),
            detail=record["level"],
            service=record["service"],
            time=record["time"],
            link=f"/traces/{item['trace']}" if item.get("trace") else f"/records?{urlencode({'text': text})}",
        )
        for item, record in items_and_records
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
                session_link = f"/tests/sessions/{session.id}?{urlencode({'text': test.test})}"
                yield Hit(
                    title=test.test,
                    detail=" · ".join(filter(None, (test.outcome, test.error))),
                    service="",
                    time=test.began,
                    link=row.report_link or session_link,
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


#: signal → the function that returns its hits, the page whose parameter `text` selects all hits, and the
#: description of the part that is searched
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


def _contains(text: str, *texts: str) -> bool:
    lower_text = text.lower()
    return any(lower_text in candidate.lower() for candidate in texts)


def _excerpt(long_text: str, text: str, characters: int = 300) -> str:
    """Return an excerpt of `long_text` around the first occurrence of `text`."""
    if len(long_text) <= characters:
        return long_text
    start = max(long_text.lower().find(text.lower()) - characters // 3, 0)
    excerpt = long_text[start : start + characters]
    return f"{'…' if start else ''}{excerpt}{'…' if start + characters < len(long_text) else ''}"
