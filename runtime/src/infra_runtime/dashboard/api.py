"""The JSON API of the dashboard, except for traces, log records, test sessions, one report and logins."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from dataclasses import asdict
from http import HTTPStatus
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from infra_runtime.dashboard import (
    alerts,
    api_checks,
    charts,
    history,
    log_export,
    log_view,
    metrics,
    reports,
    search,
    snapshots,
)
from infra_runtime.dashboard.context import Dashboard
from infra_runtime.dashboard.guard import session_of
from infra_runtime.dashboard.log_stream import line_events, query_of
from infra_runtime.dashboard.openapi import document
from infra_runtime.dashboard.parameters import ParameterError, count_of
from infra_runtime.dashboard.stack import ACTIONS, State
from infra_runtime.dashboard.streams import EventStream, Parts, parts_stream
from infra_runtime.dashboard.view import GROUPS, Row, row, rows
from infra_runtime.data_directory.snapshots import folder_of, remove
from infra_runtime.errors import InfraError
from infra_runtime.message import encode
from infra_runtime.messages import Failure, ServiceStatus, Snapshot
from infra_runtime.web.metrics import Metrics
from infra_runtime.web.problems import MEDIA_TYPE, ProblemError


class Api:
    """The handlers for the requests of programs."""

    def __init__(self, dashboard: Dashboard, own_metrics: Metrics) -> None:
        self._dashboard, self._measurements = dashboard, own_metrics

    def routes(self) -> list[Route]:
        """Return the routes of the JSON API, each with its handler."""
        return [
            Route("/health", self._health),
            Route("/ready", self._ready),
            Route("/status", self._status),
            Route("/metrics", self._own_metrics),
            Route("/api/v1/openapi.json", self._document),
            Route("/api/v1/search", self._search),
            Route("/api/v1/services", self._services),
            Route("/api/v1/services/{name}", self._service),
            Route("/api/v1/services/{name}/history", self._history),
            Route("/api/v1/services/{name}/{action}", self._act, methods=["POST"]),
            Route("/api/v1/logs", self._logs),
            *(Route(f"/api/v1/logs.{extension}", self._logs_file) for extension in log_export.FORMATS),
            Route("/api/v1/streams/services", self._services_stream),
            Route("/api/v1/streams/logs", self._logs_stream),
            Route("/api/v1/start", self._start),
            Route("/api/v1/configuration", self._configuration),
            Route("/api/v1/alerts", self._alerts),
            Route("/api/v1/metrics", self._metrics),
            Route("/api/v1/metrics.csv", self._metrics_csv),
            Route("/api/v1/apis", self._apis),
            Route("/api/v1/tests", self._tests),
            Route("/api/v1/snapshots", self._snapshots),
            Route("/api/v1/snapshots/{name}/{action}", self._change_data, methods=["POST"]),
        ]

    def problem(self, status: HTTPStatus, detail: str) -> Response:
        """Return the response that describes an error. Source: RFC 9457."""
        content = {"type": "about:blank", "title": status.phrase, "status": status, "detail": detail}
        return Response(json.dumps(content), status, media_type=MEDIA_TYPE)

    async def _health(self, _: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _ready(self, _: Request) -> Response:
        try:
            await self._dashboard.stack.state()
        except InfraError:  # only sessions, not public requests, get the reason
            return JSONResponse({"status": "unavailable"}, HTTPStatus.SERVICE_UNAVAILABLE)
        return JSONResponse({"status": "ok"})

    async def _status(self, _: Request) -> Response:
        state = await self._dashboard.stack.state()
        phases = [service.phase.value for service in state.services]
        return JSONResponse(
            {
                "environment": state.status.environment,
                "data": state.status.data,
                "supervisor": state.status.pid,
                "services": {phase: phases.count(phase) for phase in sorted(set(phases))},
            }
        )

    async def _own_metrics(self, _: Request) -> Response:
        content, media_type = self._measurements.exposition()
        return Response(content, headers={"content-type": media_type})

    async def _document(self, _: Request) -> Response:
        return JSONResponse(document())

    async def _search(self, request: Request) -> Response:
        text = request.query_params.get("text", "")
        count = count_of(request.query_params.get("limit", ""), search.HITS, search.MOST_HITS)
        results = await search.search(self._dashboard, text, count)
        return JSONResponse({"text": text, "signals": search.to_json(results)})

    async def _services(self, request: Request) -> Response:
        state, text = await self._dashboard.stack.state(), text_of(request)
        group = request.query_params.get("group", "")
        if group and group not in GROUPS:
            raise ParameterError(f"the group is one of {', '.join(GROUPS)}, not {group[:80]!r}")
        matching_rows = [row for row in rows(state) if group in {"", row.group} and text in row.text.lower()]
        return JSONResponse({"items": [service_to_json(row) for row in matching_rows]})

    async def _service(self, request: Request) -> Response:
        state = await self._dashboard.stack.state()
        return JSONResponse(service_to_json(row(state, known(state, request.path_params["name"]))))

    async def _services_stream(self, _: Request) -> Response:
        async def parts() -> Parts[dict[str, object]]:
            state = await self._dashboard.stack.state()
            return {row.name: service_to_json(row) for row in rows(state)}

        return parts_stream(self._dashboard, parts, order="services")

    async def _history(self, request: Request) -> Response:
        service = known(await self._dashboard.stack.state(), request.path_params["name"])
        changes, probes = await asyncio.to_thread(
            history.of_service, self._dashboard.paths.journal, service.name
        )
        items = [{"time": change.time, "event": change.event, "detail": change.detail} for change in changes]
        return JSONResponse({"items": items, "probes": [asdict(probe) for probe in probes]})

    async def _start(self, _: Request) -> Response:
        start = await asyncio.to_thread(history.last_start, self._dashboard.paths.journal)
        if start is None:
            raise ProblemError(HTTPStatus.NOT_FOUND, "no service of this stack has been started yet")
        return JSONResponse(history.start_to_json(start))

    async def _configuration(self, request: Request) -> Response:
        settings, text = await asyncio.to_thread(self._dashboard.configuration), text_of(request)
        items = [
            {"key": key, "value": value, "source": source}
            for key, (value, source) in settings.items()
            if text in f"{key} {value} {source}".lower()
        ]
        return JSONResponse({"items": items})

    async def _act(self, request: Request) -> Response:
        name, action = request.path_params["name"], request.path_params["action"]
        if action not in ACTIONS:
            raise ProblemError(HTTPStatus.NOT_FOUND, f"the action {action[:80]!r} does not exist")
        known(await self._dashboard.stack.state(), name)
        await self._dashboard.audit.record(action, actor=_actor(request), service=name)
        outcome = await self._dashboard.stack.act(action, [name])
        return JSONResponse(
            {
                "services": [
                    {"name": service.name, "phase": service.phase.value, "reason": service.reason}
                    for service in outcome.services
                ],
                "failures": _failures_to_json(outcome.failures),
            }
        )

    async def _logs(self, request: Request) -> Response:
        query, count = (
            query_of(self._dashboard, request),
            count_of(request.query_params.get("limit", ""), log_view.LINES, log_view.MOST_LINES),
        )
        cursor = request.query_params.get("before", "")
        paths = self._dashboard.paths_of(request.query_params.get("stack", ""))
        view = await asyncio.to_thread(log_view.page, Path(paths.logs), query, cursor, count)
        return JSONResponse(view.to_json())

    async def _logs_file(self, request: Request) -> Response:
        extension = request.url.path.rpartition(".")[2]
        paths = self._dashboard.paths_of(request.query_params.get("stack", ""))
        return StreamingResponse(
            log_export.parts(Path(paths.logs), query_of(self._dashboard, request), extension),
            media_type=log_export.FORMATS[extension][0],
            headers={"content-disposition": f'attachment; filename="logs.{extension}"'},
        )

    async def _logs_stream(self, request: Request) -> Response:
        lines = line_events(self._dashboard, request, query_of(self._dashboard, request))
        return EventStream(lines, closing=self._dashboard.closing)

    async def _alerts(self, request: Request) -> Response:
        query = {name: request.query_params.get(name, "") for name in alerts.PARAMETERS}
        problems = await alerts.read(await self._dashboard.stack.endpoints(), query)
        return JSONResponse(
            {
                "items": [asdict(alert) for alert in problems.alerts],
                "errors": [asdict(group) for group in problems.errors],
                "more": problems.has_more,
            }
        )

    async def _apis(self, request: Request) -> Response:
        items = await self._dashboard.apis.read(await self._dashboard.stack.urls())
        level = request.query_params.get("level", "")
        return JSONResponse({"items": api_checks.selected(items, level, text_of(request))})

    async def _metrics(self, request: Request) -> Response:
        measured = await self._measured(request)
        return JSONResponse(
            {
                "since": measured.range.since,
                "until": measured.range.until,
                "charts": charts.to_json(measured.charts),
                "problems": dict(measured.problems),
            }
        )

    async def _metrics_csv(self, request: Request) -> Response:
        measured = await self._measured(request)
        headers = {"content-disposition": 'attachment; filename="metrics.csv"'}
        return Response(charts.to_csv(measured.charts), headers=headers, media_type="text/csv")

    async def _measured(self, request: Request) -> metrics.Measured:
        query = {name: request.query_params.get(name, "") for name in metrics.PARAMETERS}
        return await metrics.read(self._dashboard.stack, await self._dashboard.stack.state(), query)

    async def _tests(self, request: Request) -> Response:
        text = text_of(request)
        listing = await asyncio.to_thread(reports.listing, self._dashboard.reports)
        items = [
            {
                "id": report.id,
                "test": report.description.test,
                "phase": report.description.phase,
                "began": report.description.began,
                "seconds": report.description.seconds,
                "exception": report.exception,
                "folder": report.path,
            }
            for report in listing.reports
            if text in report.text.lower()
        ]
        return JSONResponse({"items": items, "total": listing.total, "damaged": listing.damaged})

    async def _snapshots(self, _: Request) -> Response:
        listing = await asyncio.to_thread(snapshots.listing, self._dashboard.paths)
        items = [{**asdict(row), "services": [*row.services]} for row in listing.rows]
        return JSONResponse({"items": items, "damaged": [damaged.to_json() for damaged in listing.damaged]})

    async def _change_data(self, request: Request) -> Response:
        name, action = request.path_params["name"], request.path_params["action"]
        if action not in snapshots.ACTIONS:
            raise ProblemError(HTTPStatus.NOT_FOUND, f"the action {action[:80]!r} does not exist")
        folder_of(self._dashboard.paths, name)
        await self._dashboard.audit.record(f"snapshot {action}", actor=_actor(request), snapshot=name)
        services: Iterable[str] = ()
        failures: tuple[Failure, ...] = ()
        if action == "save":
            services = (await self._dashboard.stack.save(name)).services
        elif action == "restore":
            restored = await self._dashboard.stack.restore(name)
            services, failures = restored.snapshot.services, restored.failures
        else:
            removed = await asyncio.to_thread(remove, self._dashboard.paths, name)
            services = removed.services if isinstance(removed, Snapshot) else ()
        self._dashboard.stack.change()  # the lists of snapshots change
        return JSONResponse({"name": name, "services": [*services], "failures": _failures_to_json(failures)})


def _actor(request: Request) -> str:
    session = session_of(request.scope)
    return session.actor if session else ""


def _failures_to_json(failures: Iterable[Failure]) -> list[dict[str, object]]:
    return [
        {"service": failure.service, "reason": failure.reason, "log": encode(failure.log_tail)}
        for failure in failures
    ]


def known(state: State, name: str) -> ServiceStatus:
    """Return the state of a service. Raises `ProblemError` if the stack does not have this service."""
    try:
        return state.services[name]
    except KeyError:
        raise ProblemError(HTTPStatus.NOT_FOUND, f"the stack has no service {name[:80]!r}") from None


def text_of(request: Request) -> str:
    """Return the parameter `text` of a request in lower case."""
    text: str = request.query_params.get("text", "")
    return text.lower()


def service_to_json(row: Row) -> dict[str, object]:
    """Return a service as JSON data."""
    return {
        "name": row.name,
        "kind": row.kind,
        "group": row.group,
        "summary": row.summary,
        "phase": row.phase,
        "reason": row.reason,
        "since": row.since,
        "restarts": row.restarts,
        "errors": row.errors,
        "pid": row.pid,
        "cpu": row.cpu,
        "memory": row.memory,
        "addresses": {address.label: address.text for address in row.addresses},
        "ports": dict(row.ports),
        "needs": list(row.needs),
        "dependents": list(row.dependents),
        "actions": dict(row.actions),
    }
