"""The pages, streams and API requests for pytest sessions and failure reports."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra_runtime.dashboard import reports, traces
from infra_runtime.dashboard.api import text_of
from infra_runtime.dashboard.context import Dashboard
from infra_runtime.dashboard.parameters import count_of
from infra_runtime.dashboard.rendering import page, page_stream, template_of
from infra_runtime.dashboard.session_view import (
    MOST_SESSIONS,
    MOST_TESTS,
    OUTCOMES,
    SESSIONS,
    SORTS,
    TESTS,
    SessionRow,
    TestQuery,
    TestRow,
    link_to_logs,
    running,
    session_row,
    session_to_json,
    stack_of,
    test_row,
    test_to_json,
)
from infra_runtime.dashboard.streams import Parts
from infra_runtime.dashboard.time_axis import time_axis
from infra_runtime.dashboard.time_axis import to_json as axis_to_json
from infra_runtime.dashboard.view import TONES
from infra_runtime.data_directory import session_record
from infra_runtime.data_directory.session_record import Reading
from infra_runtime.value import frozen
from infra_runtime.web.problems import ProblemError


@frozen
class SessionTests:
    """A session, and the tests of this session that the filter selects."""

    session: SessionRow
    tests: tuple[TestRow, ...]
    #: the number of selected tests
    total: int
    #: each running test, with its start in Unix seconds
    running: tuple[tuple[str, float], ...]


def sessions(dashboard: Dashboard, limit: int) -> tuple[list[SessionRow], int]:
    """Return the newest sessions, the newest first, and the number of all sessions."""
    listing, now = session_record.listing(dashboard.reports, limit), time.time()
    return [session_row(session, now) for session in listing.sessions], listing.total


def record_of(dashboard: Dashboard, name: str) -> Path:
    """Return the path of the record of a session. Raises `ProblemError` if the session does not exist."""
    path = session_record.find(dashboard.reports, name)
    if path is None:
        raise ProblemError(
            HTTPStatus.NOT_FOUND,
            "this session does not exist, or its record was removed: a data directory keeps at most "
            f"{session_record.SESSIONS} records and {session_record.BYTES >> 20} MiB",
        )
    return path


def read(dashboard: Dashboard, name: str, query: TestQuery, limit: int) -> SessionTests:
    """Return a session and at most `limit` tests that `query` selects.

    Raises `ProblemError` if the record cannot be read.
    """
    path = record_of(dashboard, name)
    return session_tests(dashboard, path, Reading.of(path), query, limit)


def session_tests(
    dashboard: Dashboard, path: Path, reading: Reading, query: TestQuery, limit: int
) -> SessionTests:
    """Return the session in a record and at most `limit` tests that `query` selects.

    Raises `ProblemError` if the record cannot be read.
    """
    summary = session_record.summary(path)
    if summary is None:
        raise ProblemError(
            HTTPStatus.NOT_FOUND, "the record of this session was removed, or the record is damaged"
        )
    stack = stack_of(Path(summary.start.data), dashboard)
    selected_tests = query.selected(reading.tests)
    return SessionTests(
        session=session_row(summary, time.time()),
        tests=tuple(test_row(test, stack) for test in selected_tests[:limit]),
        total=len(selected_tests),
        running=tuple(running(reading, summary)),
    )


class SessionPages:
    """The handlers for the requests of sessions, tests and failure reports."""

    def __init__(self, dashboard: Dashboard) -> None:
        self._dashboard = dashboard

    def routes(self) -> list[Route]:
        """Return the routes for sessions, tests and failure reports, each with its handler."""
        return [
            Route("/tests", self._tests),
            Route("/tests/{report}", self._test),
            Route("/tests/sessions/{session}", self._session),
            Route("/stream/tests", self._tests_stream),
            Route("/stream/tests/sessions/{session}", self._session_stream),
            Route("/api/v1/tests/sessions", self._session_items),
            Route("/api/v1/tests/sessions/{session}", self._test_items),
            Route("/api/v1/tests/{report}", self._report),
            Route("/api/v1/tests/{report}/waterfall", self._waterfall),
            Route("/api/v1/tests/{report}/spans", self._matching),
            Route("/api/v1/tests/{report}/spans/{span}", self._span),
        ]

    async def _tests(self, request: Request) -> Response:
        values = await asyncio.to_thread(self._lists)
        return page(
            self._dashboard, request, "tests.html", **values, folders=dict.fromkeys(self._dashboard.reports)
        )

    async def _tests_stream(self, _: Request) -> Response:
        names = {"session-list": "session_list.html", "report-list": "report_list.html"}
        templates = {part: template_of(name) for part, name in names.items()}

        async def parts() -> Parts[str]:
            values = await asyncio.to_thread(self._lists)
            return {part: template.render(values) for part, template in templates.items()}

        return page_stream(self._dashboard, parts)

    def _lists(self) -> dict[str, Any]:
        rows, total = sessions(self._dashboard, SESSIONS)
        listing = reports.listing(self._dashboard.reports)
        return {"sessions": rows, "total": total, "listing": listing, "outcomes": OUTCOMES}

    async def _session(self, request: Request) -> Response:
        query, name = query_of(request), request.path_params["session"]
        values = await asyncio.to_thread(read, self._dashboard, name, query, TESTS)
        address = f"/stream/tests/sessions/{values.session.id}?{request.url.query}"
        return page(
            self._dashboard,
            request,
            "session.html",
            session_tests=values,
            query=query,
            outcomes=OUTCOMES,
            sorts=SORTS,
            stream=address,
        )

    async def _session_stream(self, request: Request) -> Response:
        query = query_of(request)
        path = await asyncio.to_thread(record_of, self._dashboard, request.path_params["session"])
        head, tests = template_of("session_head.html"), template_of("session_tests.html")
        reading = Reading()

        async def parts() -> Parts[str]:
            nonlocal reading
            reading = await asyncio.to_thread(reading.continued, path)
            values = await asyncio.to_thread(session_tests, self._dashboard, path, reading, query, TESTS)
            template_values = {"session_tests": values, "query": query, "outcomes": OUTCOMES}
            return {
                "session-head": head.render(template_values),
                "session-tests": tests.render(template_values),
            }

        return page_stream(self._dashboard, parts)

    async def _session_items(self, request: Request) -> Response:
        limit = count_of(request.query_params.get("limit", ""), SESSIONS, MOST_SESSIONS)
        text = text_of(request)
        rows, total = await asyncio.to_thread(sessions, self._dashboard, MOST_SESSIONS if text else limit)
        if text:
            rows = [row for row in rows if text in row.text.lower()]
            total = len(rows)
        return JSONResponse({"items": [session_to_json(row) for row in rows[:limit]], "total": total})

    async def _test_items(self, request: Request) -> Response:
        query, name = query_of(request), request.path_params["session"]
        limit = count_of(request.query_params.get("limit", ""), TESTS, MOST_TESTS)
        values = await asyncio.to_thread(read, self._dashboard, name, query, limit)
        return JSONResponse(
            {
                "session": session_to_json(values.session),
                "items": [test_to_json(row) for row in values.tests],
                "total": values.total,
                "running": [{"test": test, "began": start} for test, start in values.running],
            }
        )

    async def _test(self, request: Request) -> Response:
        report = await asyncio.to_thread(reports.find, self._dashboard.reports, request.path_params["report"])
        expected = request.query_params.get("trace", "")
        is_other = report is not None and bool(expected) and report.description.trace != expected
        if report is None or is_other:
            response = page(
                self._dashboard, request, "report_missing.html", is_replaced=is_other, report=report
            )
            response.status_code = HTTPStatus.NOT_FOUND
            return response
        content = await asyncio.to_thread(reports.content, report)
        tones = {phase.value: tone for phase, tone in TONES.items()}
        return page(
            self._dashboard,
            request,
            "test.html",
            report=report,
            content=content,
            tones=tones,
            links=self._links(report),
            waterfall=f"/api/v1/tests/{report.id}",
            axis=await asyncio.to_thread(time_axis, report, content, self._dashboard.reports),
        )

    # --- one failure report in the API ---------------------------------------------------------------

    async def _report(self, request: Request) -> Response:
        report = await found_report(self._dashboard, request)
        content = await asyncio.to_thread(reports.content, report)
        axis = await asyncio.to_thread(time_axis, report, content, self._dashboard.reports)
        return JSONResponse({**reports.to_json(report, content), "axis": axis_to_json(axis)})

    async def _waterfall(self, request: Request) -> Response:
        report = await found_report(self._dashboard, request)
        content = await asyncio.to_thread(reports.content, report)
        if content.trace is None:
            raise no_trace(content.trace_problem)
        return JSONResponse(traces.waterfall_to_json(content.trace))

    async def _matching(self, request: Request) -> Response:
        text = request.query_params.get("text", "")
        return await self._from_trace(request, lambda trace: {"items": traces.matching(trace["spans"], text)})

    async def _span(self, request: Request) -> Response:
        name = request.path_params["span"]

        def found(trace: dict[str, Any]) -> dict[str, Any]:
            span = next((span for span in trace["spans"] if span["id"] == name), None)
            if span is None:
                raise ProblemError(HTTPStatus.NOT_FOUND, f"the trace has no span {name[:80]!r}")
            return traces.span_to_json(span, [log for log in trace["logs"] if log.get("span") == name])

        return await self._from_trace(request, found)

    async def _from_trace(
        self, request: Request, convert: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> Response:
        trace, problem = await asyncio.to_thread(
            reports.trace_of, await found_report(self._dashboard, request)
        )
        if trace is None:
            raise no_trace(problem)
        try:
            return JSONResponse(convert(trace))
        except reports.NOT_READABLE as error:
            raise no_trace(f"trace.json cannot be read: {error!r}") from error

    def _links(self, report: reports.Report) -> dict[str, str]:
        """Return the URLs of the logs and traces of the failed test; empty if its stack does not exist."""
        stack = stack_of(report.folder.parent.parent, self._dashboard)
        if stack is None:
            return {}
        test = report.description
        return {
            "logs": link_to_logs(
                stack, test.began, test.seconds, (service.name for service in test.stack.services)
            ),
            "traces": f"/traces?{urlencode({**stack, 'test': test.test})}",
        }


async def found_report(dashboard: Dashboard, request: Request) -> reports.Report:
    """Return the failure report with the id in the path of a request.

    Raises `ProblemError` if the report does not exist.
    """
    report = await asyncio.to_thread(reports.find, dashboard.reports, request.path_params["report"])
    if report is None:
        raise ProblemError(HTTPStatus.NOT_FOUND, "this failure report does not exist, or it was removed")
    return report


def no_trace(problem: str) -> ProblemError:
    """Return the error that a failure report has no trace; `problem` is the reason, if it is known."""
    return ProblemError(HTTPStatus.NOT_FOUND, problem or "this failure report has no trace")


def query_of(request: Request) -> TestQuery:
    """Return the filter of tests in the parameters of a request. Raises `ParameterError`."""
    return TestQuery(**{name: request.query_params.get(name, "") for name in ("outcome", "text", "sort")})
