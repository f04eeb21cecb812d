"""The events for new log lines, which the stream of the API and the streams of pages with a log send."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

from starlette.requests import Request

from infra_runtime.dashboard import history, log_view
from infra_runtime.dashboard.context import Dashboard
from infra_runtime.dashboard.log_query import Query
from infra_runtime.dashboard.parameters import run_at
from infra_runtime.dashboard.streams import Event
from infra_runtime.logs.linear_pattern import PatternError


def query_of(dashboard: Dashboard, request: Request) -> Query:
    """Return the filter of log lines in the parameters of a request. Raises `ParameterError`."""
    parameters = request.query_params
    run, stack = parameters.get("run", ""), parameters.get("stack", "")
    began, ended = run_at(run, history.starts(dashboard.paths_of(stack).journal) if run else ())
    return Query(
        services=tuple(parameters.getlist("service")),
        level=parameters.get("level", ""),
        text=parameters.get("text", ""),
        grep=parameters.get("grep", ""),
        correlation=parameters.get("correlation", ""),
        include=tuple(parameters.getlist("include")),
        exclude=tuple(parameters.getlist("exclude")),
        since=parameters.get("since", ""),
        until=parameters.get("until", ""),
        began=began,
        ended=ended,
    )


def line_events(dashboard: Dashboard, request: Request, query: Query) -> AsyncGenerator[Event, None]:
    """Return a generator of the events with the new lines that the filter selects.

    The first line follows the position in the header `Last-Event-ID` or, without the header, in the parameter
    `after`. Raises `ParameterError`.
    """
    cursor = request.headers.get("last-event-id", "") or request.query_params.get("after", "")
    paths = dashboard.paths_of(request.query_params.get("stack", ""))
    log_view.parse_cursor(cursor)
    return _events(dashboard, log_view.follow(Path(paths.logs), query, cursor))


async def _events(
    dashboard: Dashboard, views: AsyncGenerator[log_view.View, None]
) -> AsyncGenerator[Event, None]:
    try:
        async for view in views:
            name = "lines" if view.lines or view.skipped else ""
            yield Event(name=name, data=view.to_json(), id=view.last)
    except PatternError as error:
        yield Event(name="refused", data=f"the regular expression cannot be used: {error}")
        await dashboard.closing.wait()  # a browser would connect again
