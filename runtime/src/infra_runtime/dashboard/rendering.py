"""The templates and the pages. All values are escaped; no template contains an inline script or style."""

from __future__ import annotations

import functools
import hashlib
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from infra_runtime.dashboard.context import Dashboard
from infra_runtime.dashboard.guard import session_of
from infra_runtime.dashboard.navigation import MAIN_PAGES, NAVIGATION
from infra_runtime.dashboard.sessions import Role
from infra_runtime.dashboard.streams import Event, Parts, parts_stream
from infra_runtime.dashboard.view import duration, milliseconds, size

FOLDER = Path(__file__).parent
#: the templates that are compiled first, because the first page after the login needs them
_FIRST_PAGE = ("base.html", "services.html", "service_row.html", "summary.html")
#: the pause in seconds after each compiled template, so that requests are answered meanwhile
_BETWEEN = 0.005
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@functools.cache
def files() -> dict[str, bytes]:
    """Return a mapping from name to content of the static files."""
    return {path.name: path.read_bytes() for path in sorted((FOLDER / "static").iterdir()) if path.is_file()}


@functools.cache
def assets() -> str:
    """Return the URL path of the static files. It contains a hash of their content, for the browser cache."""
    digest = hashlib.blake2b(digest_size=8)
    for name, content in files().items():
        digest.update(name.encode() + content)
    return f"/static/{digest.hexdigest()}"


async def asset(request: Request) -> Response:
    """Return the response with a static file, which browsers can cache."""
    name = request.path_params["name"]
    content = files().get(name)
    if content is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"the file {name[:80]!r} does not exist")
    return Response(content, media_type=_TYPES[Path(name).suffix])


@functools.cache
def environment() -> Environment:
    """Return the Jinja environment, which compiles each template once."""
    templates = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    templates.filters["duration"] = duration
    templates.filters["milliseconds"] = milliseconds
    templates.filters["size"] = size
    templates.globals["assets"] = assets()
    templates.globals["version"] = version("pytest-infra")
    return templates


def template_of(name: str) -> Template:
    """Return the compiled template with this file name."""
    return environment().get_template(name)


@functools.cache
def compile_templates() -> threading.Thread:
    """Start a thread that compiles the templates of all pages; the templates of the first page come first.

    Without this thread, the first request for each page would wait up to 0.1 s (on a slow machine).
    """
    names = dict.fromkeys((*_FIRST_PAGE, *environment().list_templates()))

    def compile_all() -> None:
        for name in names:
            template_of(name)
            time.sleep(_BETWEEN)

    thread = threading.Thread(target=compile_all, name="templates", daemon=True)
    thread.start()
    return thread


#: path of a page → the name of the API request with the same content, if it differs from the path of the page
_EXPORTS = {"/": "services", "/graph": "services", "/charts": "metrics"}


def export_of(path: str, query: str) -> str:
    """Return the URL of the API request that returns the content of a page as JSON."""
    name = _EXPORTS.get(path, path.removeprefix("/"))
    return f"/api/v1/{name}" + (f"?{query}" if query else "")


def _counts(dashboard: Dashboard) -> Parts[str]:
    """Return the HTML of the numbers in the navigation, and start to read them again if they are old."""
    dashboard.counts.refresh(dashboard.stack, dashboard.reports)
    template = template_of("nav_count.html")
    return {
        name: template.render(id=name, count=count, text=text)
        for name, (count, text) in dashboard.counts.numbers(dashboard.stack.last).items()
    }


def page_stream(
    dashboard: Dashboard,
    parts: Callable[[], Awaitable[Parts[str]]],
    *,
    order: str = "",
    beside: Collection[str] = (),
    initial_parts: Parts[str] | None = None,
    every: float = 0.0,
    other_events: AsyncGenerator[Event, None] | None = None,
) -> Response:
    """Return a response that sends the changed parts of a page and of the navigation (see `parts_stream`)."""

    async def all_parts() -> Parts[str]:
        return {**await parts(), **_counts(dashboard)}

    return parts_stream(
        dashboard,
        all_parts,
        order=order,
        beside={*beside, *dashboard.counts.numbers(None)},
        initial_parts=initial_parts,
        every=every,
        other_events=other_events,
    )


def page(dashboard: Dashboard, request: Request, template: str, **values: Any) -> Response:
    """Return the response with a page: the rendered template with the navigation."""
    compile_templates()
    session = session_of(request.scope)
    text = template_of(template).render(
        navigation=NAVIGATION,
        main_pages=MAIN_PAGES,
        counts=_counts(dashboard),
        path=request.url.path,
        name=dashboard.name,
        project=dashboard.project,
        header_token=session.header_token if session else "",
        may_act=session is not None and session.role >= Role.OPERATOR,
        role=session.role.name.lower() if session else "",
        export=export_of(request.url.path, request.url.query),
        **values,
    )
    return HTMLResponse(text)
