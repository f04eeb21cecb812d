"""The pages and the API requests for the traces of the telemetry service."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra_runtime.dashboard import telemetry, traces
from infra_runtime.dashboard.context import Dashboard
from infra_runtime.dashboard.parameters import count_of
from infra_runtime.dashboard.rendering import page, page_stream, template_of
from infra_runtime.dashboard.streams import Parts
from infra_runtime.dashboard.telemetry import TelemetryError
from infra_runtime.dashboard.transfers import FORMATS, file_header
from infra_runtime.web.problems import ProblemError

_TRACE, _SPAN = re.compile(r"[0-9a-f]{32}"), re.compile(r"[0-9a-f]{16}")
#: the names of the parameters for the stack and for the run of a trace
_PLACE = ("stack", "run")


class TracePages:
    """The handlers for requests of traces."""

    def __init__(self, dashboard: Dashboard) -> None:
        self._dashboard = dashboard

    def routes(self) -> list[Route]:
        """Return the routes for traces, each with its handler."""
        return [
            Route("/traces", self._traces),
            Route("/traces/{trace}", self._trace),
            Route("/stream/traces", self._traces_stream),
            Route("/api/v1/traces", self._items),
            Route("/api/v1/traces/{trace}", self._one),
            *(Route(f"/api/v1/traces/{{trace}}/{export_format}", self._file) for export_format in FORMATS),
            Route("/api/v1/traces/{trace}/waterfall", self._waterfall),
            Route("/api/v1/traces/{trace}/spans", self._matching),
            Route("/api/v1/traces/{trace}/spans/{span}", self._span),
        ]

    async def _traces(self, request: Request) -> Response:
        values = await self._list_values(request)
        runs: list[str] = []
        if not values["problem"]:
            runs = await telemetry.runs(
                await self._dashboard.endpoints(request.query_params.get("stack", ""))
            )
        return page(
            self._dashboard,
            request,
            "traces.html",
            **values,
            runs=runs,
            stack=request.query_params.get("stack", ""),
            address=request.url.query,
        )

    async def _traces_stream(self, request: Request) -> Response:
        template = template_of("trace_list.html")
        await self._list_values(request)  # check the filter before the stream begins

        async def parts() -> Parts[str]:
            return {"trace-list": template.render(await self._list_values(request))}

        return page_stream(self._dashboard, parts)

    async def _list_values(self, request: Request) -> dict[str, Any]:
        """Return the values of the template `trace_list.html`. Raises `ParameterError`."""
        query = {name: request.query_params.get(name, "") for name in (*traces.PARAMETERS, traces.TEST)}
        answer: dict[str, Any] = {"items": [], "more": False, "dropped": 0}
        problem, is_missing = "", False
        try:
            answer = await self._listed(request)
        except TelemetryError as error:
            problem, is_missing = str(error), error.is_missing
        return {
            "rows": traces.trace_rows(answer["items"]),
            "query": query,
            "has_more": answer["more"],
            "dropped": answer["dropped"],
            "place": _place(request),
            "problem": problem,
            "is_missing": is_missing,
        }

    async def _listed(self, request: Request) -> dict[str, Any]:
        count = count_of(request.query_params.get("limit", ""), traces.TRACES, traces.MOST_TRACES)
        query = {name: request.query_params.get(name, "") for name in (*traces.PARAMETERS, traces.TEST)}
        return await self._ask(request, "traces", traces.parameters({**query, "limit": str(count)}))

    async def _trace(self, request: Request) -> Response:
        trace = traces.waterfall(await self._whole(request))
        return page(
            self._dashboard,
            request,
            "trace.html",
            trace=trace,
            place=_place(request),
            waterfall=f"/api/v1/traces/{trace.trace}",
        )

    # --- API ---------------------------------------------------------------------------------------

    async def _items(self, request: Request) -> Response:
        answer = await self._listed(request)
        return JSONResponse(
            {
                "items": [traces.row_to_json(row) for row in traces.trace_rows(answer["items"])],
                "more": answer["more"],
                "dropped": answer["dropped"],
            }
        )

    async def _one(self, request: Request) -> Response:
        trace = await self._whole(request)
        logs: dict[str, list[Mapping[str, Any]]] = {}
        for log in trace["logs"]:
            logs.setdefault(log.get("span", ""), []).append(log)
        spans = [
            {"parent": span["parent"], **traces.span_to_json(span, logs.pop(span["id"], []))}
            for span in trace["spans"]
        ]
        other_logs = [traces.log_to_json(log) for records in logs.values() for log in records]
        return JSONResponse({"trace": trace["trace"], "spans": spans, "logs": other_logs})

    async def _file(self, request: Request) -> Response:
        convert, ending = FORMATS[request.url.path.rpartition("/")[2]]
        headers = file_header(f"{_name(request)}.{ending}")
        return JSONResponse(convert((await self._whole(request))["spans"]), headers=headers)

    async def _waterfall(self, request: Request) -> Response:
        trace = traces.waterfall(await self._whole(request))
        return JSONResponse(traces.waterfall_to_json(trace))

    async def _matching(self, request: Request) -> Response:
        spans = (await self._whole(request))["spans"]
        return JSONResponse({"items": traces.matching(spans, request.query_params.get("text", ""))})

    async def _span(self, request: Request) -> Response:
        trace, name = _name(request), request.path_params["span"]
        if not _SPAN.fullmatch(name):
            raise ProblemError(
                HTTPStatus.NOT_FOUND, "the id of a span must have 16 hexadecimal digits in lower case"
            )
        run = {"run": text} if (text := request.query_params.get("run", "")) else {}
        spans, logs = await asyncio.gather(
            self._ask(request, "spans", {"trace": trace, "id": name, **run}),
            self._ask(request, "logs", {"trace": trace, "span": name, **run}),
        )
        if not spans["items"]:
            raise ProblemError(HTTPStatus.NOT_FOUND, f"the trace {trace} has no span {name}")
        return JSONResponse(traces.span_to_json(spans["items"][0], logs["items"]))

    async def _whole(self, request: Request) -> dict[str, Any]:
        run = {"run": text} if (text := request.query_params.get("run", "")) else {}
        return await self._ask(request, f"traces/{_name(request)}", run)

    async def _ask(self, request: Request, path: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        endpoints = await self._dashboard.endpoints(request.query_params.get("stack", ""))
        return await telemetry.ask(endpoints, path, parameters)


def _name(request: Request) -> str:
    name: str = request.path_params["trace"]
    if not _TRACE.fullmatch(name):
        raise ProblemError(
            HTTPStatus.NOT_FOUND, "the id of a trace must have 32 hexadecimal digits in lower case"
        )
    return name


def _place(request: Request) -> dict[str, str]:
    """Return the parameters of a request that select a stack and a run, for the links on the page."""
    return {name: text for name in _PLACE if (text := request.query_params.get(name, ""))}
