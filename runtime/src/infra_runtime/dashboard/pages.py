"""The HTML pages, and the streams that keep them up to date."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from infra_runtime.dashboard import (
    alerts,
    api_checks,
    charts,
    history,
    metrics,
    search,
    snapshots,
    telemetry,
)
from infra_runtime.dashboard.api import known
from infra_runtime.dashboard.context import Dashboard
from infra_runtime.dashboard.log_query import Query
from infra_runtime.dashboard.log_stream import line_events, query_of
from infra_runtime.dashboard.parameters import count_of, iso
from infra_runtime.dashboard.rendering import page, page_stream, template_of
from infra_runtime.dashboard.service_rows import ServiceRows
from infra_runtime.dashboard.stack import FRESH, FRESH_FOR_PAGES, State
from infra_runtime.dashboard.streams import Parts
from infra_runtime.dashboard.telemetry import TelemetryError
from infra_runtime.dashboard.usage_history import INTERVAL
from infra_runtime.dashboard.view import TONES, local_time, row
from infra_runtime.errors import InfraError
from infra_runtime.logs.files import services_with_logs
from infra_runtime.logs.record import LEVELS

#: the seconds between two checks of the APIs while a page shows them
API_SECONDS = 30.0


class Pages:
    """The handlers for the requests of pages and of their streams."""

    def __init__(self, dashboard: Dashboard) -> None:
        self._dashboard, self._rows = dashboard, ServiceRows()

    def routes(self) -> list[Route]:
        """Return the routes of the pages and of their streams, each with its handler."""
        return [
            Route("/", self._services),
            Route("/services/{name}", self._service),
            Route("/search", self._search),
            Route("/logs", self._logs),
            Route("/charts", self._charts),
            Route("/alerts", self._alerts),
            Route("/apis", self._apis),
            Route("/graph", self._graph),
            Route("/start", self._start),
            Route("/snapshots", self._snapshots),
            Route("/configuration", self._configuration),
            Route("/stream/services", self._services_stream),
            Route("/stream/services/{name}", self._service_stream),
            Route("/stream/logs", self._logs_stream),
            Route("/stream/graph", self._graph_stream),
            Route("/stream/start", self._start_stream),
            Route("/stream/apis", self._apis_stream),
            Route("/stream/charts", self._charts_stream),
            Route("/stream/alerts", self._alerts_stream),
            Route("/stream/snapshots", self._snapshots_stream),
        ]

    def error(self, status: HTTPStatus, reason: str) -> Response:
        """Return the response with the page for an error."""
        text = template_of("error.html").render(status=status, reason=reason, name=self._dashboard.name)
        return HTMLResponse(text, status)

    # --- pages -------------------------------------------------------------------------------------

    async def _services(self, request: Request) -> Response:
        state = await self._dashboard.stack.state(FRESH_FOR_PAGES)
        parts = self._services_parts(state)
        number = self._rows.add(parts)
        return page(self._dashboard, request, "services.html", parts=parts, number=number)

    def _services_parts(self, state: State) -> Parts[str]:
        """Return the rows of the services, and the number of services in each phase."""
        phases = Counter(row.phase for row in self._rows.of(state))
        # Failed services are first.
        counts = [
            (phase.value, *TONES[phase], phases[phase.value])
            for phase in reversed([*TONES])
            if phases[phase.value]
        ]
        summary = template_of("summary.html").render(status=state.status, counts=counts)
        return {**self._rows.parts(state, "service_row.html", "service"), "summary": summary}

    async def _service(self, request: Request) -> Response:
        state = await self._dashboard.stack.state(FRESH_FOR_PAGES)
        service = known(state, request.path_params["name"])
        settings = await self._settings(f"services.{service.name}.")
        starts = await asyncio.to_thread(history.starts, self._dashboard.paths.journal)
        return page(
            self._dashboard,
            request,
            "service.html",
            row=row(state, service),
            status=state.status,
            settings=settings,
            starts=_runs(starts),
            exports=service.exports,
            **await self._history(service.name),
            **self._usage(service.name),
        )

    def _usage(self, service: str) -> dict[str, Any]:
        time_range = metrics.range_of({})
        measured = metrics.usage_charts(self._dashboard.stack, time_range, service)
        drawings = [charts.drawing(chart, time_range.since, time_range.until) for chart in measured]
        return {"drawings": drawings, "time_range": time_range}

    async def _search(self, request: Request) -> Response:
        text = request.query_params.get("text", "")
        count = count_of(request.query_params.get("limit", ""), search.HITS, search.MOST_HITS)
        results = await search.search(self._dashboard, text, count)
        return page(
            self._dashboard, request, "search.html", text=text, results=results, longest=search.LONGEST
        )

    async def _logs(self, request: Request) -> Response:
        query = query_of(self._dashboard, request)
        stack = request.query_params.get("stack", "")
        paths = self._dashboard.paths_of(stack)
        services = await asyncio.to_thread(services_with_logs, Path(paths.logs))
        starts = await asyncio.to_thread(history.starts, paths.journal)
        return page(
            self._dashboard,
            request,
            "logs.html",
            services=services,
            query=query,
            starts=_runs(starts),
            run=iso(query.began) if query.began else "",
            levels=LEVELS,
            stack=stack,
            data=paths.data,
            has_records=not stack,
        )

    async def _charts(self, request: Request) -> Response:
        runs = await telemetry.runs(await self._dashboard.stack.endpoints())
        measured = await self._measured(request, FRESH_FOR_PAGES)
        return page(self._dashboard, request, "metrics.html", runs=runs, **measured)

    async def _measured(self, request: Request, age: float = FRESH) -> dict[str, Any]:
        query = {name: request.query_params.get(name, "") for name in metrics.PARAMETERS}
        state = await self._dashboard.stack.state(age)
        measured = await metrics.read(self._dashboard.stack, state, query)
        since, until = measured.range.since, measured.range.until
        return {
            "query": query,
            "address": request.url.query,
            "measured": measured,
            "drawings": [charts.drawing(chart, since, until) for chart in measured.charts],
            "services": [row.name for row in self._rows.of(state)],
        }

    async def _alerts(self, request: Request) -> Response:
        query = {name: request.query_params.get(name, "") for name in alerts.PARAMETERS}
        return page(
            self._dashboard,
            request,
            "alerts.html",
            **await self._alert_values(query),
            statuses=alerts.STATUSES,
            runs=await telemetry.runs(await self._dashboard.stack.endpoints()),
            stream=f"/stream/alerts?{urlencode(query)}",
        )

    async def _alert_values(self, query: dict[str, str]) -> dict[str, Any]:
        """Return the values for the template `alert_list.html`.

        Raises `ParameterError` if a filter of the query is not valid.
        """
        problems, problem, is_missing = alerts.Problems(), "", False
        try:
            problems = await alerts.read(await self._dashboard.stack.endpoints(), query)
        except TelemetryError as error:
            problem, is_missing = str(error), error.is_missing
        kinds = {service.kind for service in (await self._dashboard.stack.state()).services}
        values = {"problems": problems, "problem": problem, "is_missing": is_missing}
        return {**values, "query": query, "kinds": kinds}

    async def _apis(self, request: Request) -> Response:
        # The page does not wait for the checks; its stream sends them, because importing an app can take
        # seconds.
        checks = self._dashboard.apis.last
        return page(
            self._dashboard, request, "apis.html", **self._shown_checks(request, checks=checks, problem="")
        )

    def _shown_checks(self, request: Request, **template_values: Any) -> dict[str, Any]:
        query = {name: request.query_params.get(name, "") for name in ("level", "text")}
        if template_values["checks"] is not None:
            template_values["checks"] = api_checks.selected(
                template_values["checks"], query["level"], query["text"].lower()
            )
        return {"query": query, "levels": api_checks.LEVELS, "address": request.url.query, **template_values}

    async def _graph(self, request: Request) -> Response:
        state = await self._dashboard.stack.state(FRESH_FOR_PAGES)
        return page(self._dashboard, request, "graph.html", levels=self._levels(state))

    def _levels(self, state: State) -> list[list[str]]:
        """Return the columns of the graph with the HTML of their nodes."""
        nodes = self._rows.parts(state, "graph_node.html", "node")
        return [
            [nodes[f"node-{row.name}"] for row in column] for column in history.levels(self._rows.of(state))
        ]

    async def _start(self, request: Request) -> Response:
        start = await asyncio.to_thread(history.last_start, self._dashboard.paths.journal)
        return page(self._dashboard, request, "start.html", start=start)

    async def _snapshots(self, request: Request) -> Response:
        listing = await asyncio.to_thread(snapshots.listing, self._dashboard.paths)
        return page(self._dashboard, request, "snapshots.html", listing=listing)

    async def _configuration(self, request: Request) -> Response:
        text = request.query_params.get("text", "")
        settings = await self._settings("")
        matching_settings = [setting for setting in settings if text.lower() in " ".join(setting).lower()]
        return page(
            self._dashboard,
            request,
            "configuration.html",
            settings=matching_settings,
            text=text,
            total=len(settings),
        )

    async def _settings(self, prefix: str) -> list[tuple[str, str, str]]:
        """Return key (without `prefix`), value and source of the settings whose keys begin with `prefix`."""
        try:
            settings = await asyncio.to_thread(self._dashboard.configuration)
        except InfraError as error:
            return [("the stack file cannot be read", str(error), error.hint)]
        return [
            (key.removeprefix(prefix), value, source)
            for key, (value, source) in settings.items()
            if key.startswith(prefix)
        ]

    async def _history(self, service: str) -> dict[str, Any]:
        changes, probes = await asyncio.to_thread(history.of_service, self._dashboard.paths.journal, service)
        return {"events": changes, "probes": probes}

    # --- streams -----------------------------------------------------------------------------------

    async def _services_stream(self, request: Request) -> Response:
        async def parts() -> Parts[str]:
            return self._services_parts(await self._dashboard.stack.state())

        # The first stream of a page sends only the parts that differ from the parts in the page.
        page_parts = self._rows.remembered(request.query_params.get("page", ""))
        return page_stream(
            self._dashboard, parts, order="services", beside={"summary"}, initial_parts=page_parts
        )

    async def _service_stream(self, request: Request) -> Response:
        name = request.path_params["name"]
        known(await self._dashboard.stack.state(), name)
        parts_of = {
            part: template_of(f"service_{part}.html") for part in ("head", "history", "probes", "charts")
        }

        async def parts() -> Parts[str]:
            state = await self._dashboard.stack.state()
            service = row(state, known(state, name))
            values = {"row": service, **await self._history(name), **self._usage(name)}
            return {part: template.render(values) for part, template in parts_of.items()}

        # The state and the log share one connection, because a browser opens at most six connections to an
        # origin.
        lines = line_events(self._dashboard, request, Query(services=(name,)))
        return page_stream(self._dashboard, parts, other_events=lines)

    async def _logs_stream(self, request: Request) -> Response:
        async def parts() -> Parts[str]:
            await self._dashboard.stack.state()  # for the numbers in the navigation
            return {}

        lines = line_events(self._dashboard, request, query_of(self._dashboard, request))
        return page_stream(self._dashboard, parts, other_events=lines)

    async def _graph_stream(self, _: Request) -> Response:
        template = template_of("graph_levels.html")

        async def parts() -> Parts[str]:
            state = await self._dashboard.stack.state()
            return {"graph": template.render(levels=self._levels(state))}

        return page_stream(self._dashboard, parts)

    async def _start_stream(self, _: Request) -> Response:
        template = template_of("start_view.html")

        async def parts() -> Parts[str]:
            start = await asyncio.to_thread(history.last_start, self._dashboard.paths.journal)
            return {"start-view": template.render(start=start)}

        return page_stream(self._dashboard, parts)

    async def _alerts_stream(self, request: Request) -> Response:
        template = template_of("alert_list.html")
        query = {name: request.query_params.get(name, "") for name in alerts.PARAMETERS}
        await self._alert_values(query)  # an invalid filter is refused before the stream begins

        async def parts() -> Parts[str]:
            return {"alert-list": template.render(await self._alert_values(query))}

        return page_stream(self._dashboard, parts)

    async def _snapshots_stream(self, _: Request) -> Response:
        template = template_of("snapshot_list.html")

        async def parts() -> Parts[str]:
            listing = await asyncio.to_thread(snapshots.listing, self._dashboard.paths)
            return {"snapshot-list": template.render(listing=listing)}

        return page_stream(self._dashboard, parts)

    async def _apis_stream(self, request: Request) -> Response:
        template = template_of("api_checks.html")

        async def parts() -> Parts[str]:
            try:
                checks = await self._dashboard.apis.read(await self._dashboard.stack.urls())
            except api_checks.CheckError as error:
                template_values = self._shown_checks(request, checks=None, problem=str(error))
            else:
                template_values = self._shown_checks(request, checks=checks, problem="")
            return {"apis": template.render(**template_values)}

        return page_stream(self._dashboard, parts, every=API_SECONDS)

    async def _charts_stream(self, request: Request) -> Response:
        await self._measured(request)  # a parameter that is not valid is a problem instead of a stream
        template = template_of("charts.html")

        async def parts() -> Parts[str]:
            return {"charts": template.render(**await self._measured(request))}

        return page_stream(self._dashboard, parts, every=INTERVAL)


def _runs(starts: Sequence[float]) -> list[tuple[str, str, float]]:
    """Return the value and the text of each run for a selection list, and the Unix time of its start."""
    return [(iso(start), local_time(start), round(start, 3)) for start in starts]
