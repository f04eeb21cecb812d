"""Failure reports and traces as files: download, import from another machine, removal of imported reports."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra_runtime.dashboard import report_archive, reports, telemetry
from infra_runtime.dashboard.context import Dashboard
from infra_runtime.dashboard.guard import session_of
from infra_runtime.dashboard.har_export import har
from infra_runtime.dashboard.otlp_export import otlp
from infra_runtime.dashboard.report_archive import ArchiveError
from infra_runtime.dashboard.session_pages import found_report, no_trace
from infra_runtime.host import disk
from infra_runtime.web.problems import ProblemError

#: the largest size of an imported trace in bytes
LARGEST_TRACE = 64 << 20
#: format → the function that converts spans to this format, and the file name extension
FORMATS: Mapping[str, tuple[Callable[[Sequence[Mapping[str, Any]]], dict[str, Any]], str]] = {
    "otlp": (otlp, "otlp.json"),
    "har": (har, "har"),
}


class Transfers:
    """The handlers for requests that download, import or remove files."""

    def __init__(self, dashboard: Dashboard) -> None:
        self._dashboard = dashboard

    def routes(self) -> list[Route]:
        """Return the routes that download, import or remove files, each with its handler."""
        return [
            Route("/api/v1/tests/imports", self._import_reports, methods=["POST"]),
            Route("/api/v1/tests/{report}/archive", self._archive),
            Route("/api/v1/tests/{report}/remove", self._remove, methods=["POST"]),
            *(Route(f"/api/v1/tests/{{report}}/{export_format}", self._spans) for export_format in FORMATS),
            Route("/api/v1/traces/imports", self._import_traces, methods=["POST"]),
        ]

    async def _archive(self, request: Request) -> Response:
        report = await found_report(self._dashboard, request)

        def packed() -> bytes:
            with tempfile.TemporaryFile() as file:
                report_archive.pack(report.folder, file)
                file.seek(0)
                return file.read()

        return Response(
            await asyncio.to_thread(packed),
            media_type="application/zip",
            headers=file_header(f"{report.id}.zip"),
        )

    async def _spans(self, request: Request) -> Response:
        report = await found_report(self._dashboard, request)
        convert, ending = FORMATS[request.url.path.rpartition("/")[2]]
        trace, problem = await asyncio.to_thread(reports.trace_of, report)
        if trace is None:
            raise no_trace(problem)
        try:
            content = convert(trace["spans"])
        except reports.NOT_READABLE as error:
            raise no_trace(f"trace.json cannot be read: {error!r}") from error
        return JSONResponse(content, headers=file_header(f"{report.id}.{ending}"))

    async def _import_reports(self, request: Request) -> Response:
        data_directory = Path(self._dashboard.paths.data)
        with tempfile.TemporaryFile() as file:
            await _received(request, file, report_archive.LARGEST)
            await self._record("import reports", request)
            try:
                folders = await asyncio.to_thread(report_archive.unpack, file, data_directory)
            except ArchiveError as error:
                raise ProblemError(HTTPStatus.BAD_REQUEST, str(error)) from error
        self._dashboard.stack.change()  # the list of reports changes
        return JSONResponse({"items": [reports.id_of(folder.resolve()) for folder in folders]})

    async def _remove(self, request: Request) -> Response:
        report = await found_report(self._dashboard, request)
        if not report.is_imported:
            raise ProblemError(
                HTTPStatus.CONFLICT,
                "only an imported failure report can be removed; the report of a test of this project is "
                "replaced when the test fails again",
            )
        test = report.description.test
        await self._record("remove report", request, report=report.id, test=test)
        try:
            await asyncio.to_thread(disk.discard, str(report.folder))
        except OSError as error:
            raise ProblemError(
                HTTPStatus.CONFLICT, f"{error.filename} cannot be removed: {error.strerror}"
            ) from error
        self._dashboard.stack.change()  # the list of reports changes
        return JSONResponse({"id": report.id, "test": test})

    async def _import_traces(self, request: Request) -> Response:
        with tempfile.TemporaryFile() as file:
            await _received(request, file, LARGEST_TRACE)
            file.seek(0)
            content = await asyncio.to_thread(file.read)
        traces = await asyncio.to_thread(_traces_in, content)
        await self._record("import traces", request)
        endpoints = await self._dashboard.stack.endpoints()
        rejected = await telemetry.send_traces(endpoints, content)
        return JSONResponse({"items": traces, "rejected": rejected})

    async def _record(self, action: str, request: Request, **details: str) -> None:
        session = session_of(request.scope)
        await self._dashboard.audit.record(action, actor=session.actor if session else "", **details)


async def _received(request: Request, file: IO[bytes], limit: int) -> None:
    """Write the body of a request to a file. Raises `ProblemError` if it has more than `limit` bytes."""
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise ProblemError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the file has more than {limit >> 20} MiB"
            )
        file.write(chunk)


def _traces_in(content: bytes) -> list[str]:
    """Return the ids of the traces in `content`. Raises `ProblemError` if it is not OTLP JSON with spans."""
    try:
        request = json.loads(content)
        spans = [
            span
            for resource in request["resourceSpans"]
            for scope in resource["scopeSpans"]
            for span in scope["spans"]
        ]
        return [*dict.fromkeys(str(span["traceId"]).lower() for span in spans)]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise ProblemError(
            HTTPStatus.BAD_REQUEST,
            "the file is not a trace in OTLP JSON: it has no `resourceSpans` with spans",
        ) from None


def file_header(name: str) -> dict[str, str]:
    """Return the header Content-Disposition, so that a browser saves the answer as the file `name`."""
    return {"content-disposition": f'attachment; filename="{name}"'}
