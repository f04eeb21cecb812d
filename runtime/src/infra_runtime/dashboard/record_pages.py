"""The page and the API requests for the log records that services have sent to the telemetry service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra_runtime.dashboard import telemetry
from infra_runtime.dashboard.context import Dashboard
from infra_runtime.dashboard.parameters import ParameterError, count_of, selected
from infra_runtime.dashboard.rendering import page, page_stream, template_of
from infra_runtime.dashboard.streams import Parts
from infra_runtime.dashboard.telemetry import TelemetryError
from infra_runtime.dashboard.traces import attribute_texts, log_to_json
from infra_runtime.logs.record import LEVELS

#: the default and the largest number of records in a list
RECORDS, MOST_RECORDS = 200, 1000
PARAMETERS = ("service", "level", "text", "trace", "since", "until", "run")
#: level on the page → the name of the level in the query API
_LEVELS = {"warning": "warn", "critical": "fatal"}


class RecordPages:
    """The handlers for requests of log records."""

    def __init__(self, dashboard: Dashboard) -> None:
        self._dashboard = dashboard

    def routes(self) -> list[Route]:
        """Return the routes for log records, each with its handler."""
        return [
            Route("/records", self._page),
            Route("/stream/records", self._stream),
            Route("/api/v1/records", self._items),
        ]

    async def _page(self, request: Request) -> Response:
        runs = await telemetry.runs(await self._dashboard.stack.endpoints())
        values = await self._values(request)
        return page(
            self._dashboard,
            request,
            "records.html",
            **values,
            runs=runs,
            levels=LEVELS,
            address=request.url.query,
        )

    async def _stream(self, request: Request) -> Response:
        template = template_of("record_list.html")
        await self._values(request)  # check the filter before the stream begins

        async def parts() -> Parts[str]:
            return {"record-list": template.render(await self._values(request))}

        return page_stream(self._dashboard, parts)

    async def _items(self, request: Request) -> Response:
        return JSONResponse(await self._read(request))

    async def _values(self, request: Request) -> dict[str, Any]:
        """Return the values of the template `record_list.html`. Raises `ParameterError`."""
        answer: dict[str, Any] = {"items": [], "more": False, "dropped": 0}
        problem, is_missing = "", False
        try:
            answer = await self._read(request)
        except TelemetryError as error:
            problem, is_missing = str(error), error.is_missing
        return {**answer, "query": _query(request), "problem": problem, "is_missing": is_missing}

    async def _read(self, request: Request) -> dict[str, Any]:
        """Return the newest log records that match the filter of a request, the newest first."""
        count = count_of(request.query_params.get("limit", ""), RECORDS, MOST_RECORDS)
        parameters = selected(_query(request))
        if level := parameters.get("level"):
            if level not in LEVELS:
                raise ParameterError(f"the level must be one of {', '.join(LEVELS)}, not {level[:80]!r}")
            parameters["level"] = _LEVELS.get(level, level)
        answer = await telemetry.ask(
            await self._dashboard.stack.endpoints(), "logs", {**parameters, "limit": str(count)}
        )
        return {
            "items": [_item(record) for record in reversed(answer["items"])],
            "more": answer["more"],
            "dropped": answer["dropped"],
        }


def _query(request: Request) -> dict[str, str]:
    return {name: request.query_params.get(name, "") for name in PARAMETERS}


def _item(record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **log_to_json(record),
        "trace": record.get("trace", ""),
        "span": record.get("span", ""),
        "attributes": attribute_texts(record.get("attributes", {})),
    }
