"""The templates and the pages. All values are escaped; no template contains a script or a style."""

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
#: the templates of the first page after the login
_FIRST_PAGE = ("base.html", "services.html", "service_row.html", "summary.html")
#: seconds between two templates that are compiled, so that requests are answered meanwhile
_BETWEEN = 0.005
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@functools.cache
def files() -> dict[str, bytes]:
    """Return the name of each static file → its content."""
    return {path.name: path.read_bytes() for path in sorted((FOLDER / "static").iterdir()) if path.is_file()}


@functools.cache
def assets() -> str:
    """Return the path of the static files, with a hash of their content, so that browsers can keep them."""
    digest = hashlib.blake2b(digest_size=8)
    for name, content in files().items():
        digest.update(name.encode() + content)
    return f"/static/{digest.hexdigest()}"


async def asset(request: Request) -> Response:
    """Return a static file."""
    name = request.path_params["name"]
    content = files().get(name)
    if content is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"the file {name[:80]!r} does not exist")
    return Response(content, media_type=_TYPES[Path(name).suffix])


@functools.cache
def environment() -> Environment:
    """Return the environment of the templates, which compiles each template once."""
    made = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters["duration"] = duration
    made.filters["milliseconds"] = milliseconds
    made.filters["size"] = size
    made.globals["assets"] = assets()
    made.globals["version"] = version("pytest-infra")
    return made


def template_of(name: str) -> Template:
    """Return a template."""
    return environment().get_template(name)


@functools.cache
def compile_templates() -> threading.Thread:
    """Start a thread that compiles the templates of all pages, those of the first page first.

    Otherwise, the first request for each page would wait for this, up to 0.1 s on a slow machine.
    """
    names = dict.fromkeys((*_FIRST_PAGE, *environment().list_templates()))

    def compile_all() -> None:
        for name in names:
            template_of(name)
            time.sleep(_BETWEEN)

    thread = threading.Thread(target=compile_all, name="templates", daemon=True)
    thread.start()
    return thread


#: page → the part of the API with the same content; other pages have the path of their part
_EXPORTS = {"/": "services", "/graph": "services", "/charts": "metrics"}


def export_of(path: str, query: str) -> str:
    """Return the URL of the JSON API that returns the content of a page."""
    name = _EXPORTS.get(path, path.removeprefix("/"))
    return f"/api/v1/{name}" + (f"?{query}" if query else "")


def _counts(dashboard: Dashboard) -> Parts[str]:
    """Return the HTML of the numbers in the navigation, and begin to read them again if they are old."""
    dashboard.counts.refresh(dashboard.stack, dashboard.reports)
    template = template_of("nav_count.html")
    return {
        name: template.render(id=name, count=count, text=text)
        for name, (count, text) in dashboard.counts.shown(dashboard.stack.last).items()
    }


def page_stream(
    dashboard: Dashboard,
    parts: Callable[[], Awaitable[Parts[str]]],
    *,
    order: str = "",
    beside: Collection[str] = (),
    sent: Parts[str] | None = None,
    every: float = 0.0,
    further: AsyncGenerator[Event, None] | None = None,
) -> Response:
    """Return a stream of changed parts of a page and of its navigation; the arguments of `parts_stream`."""

    async def all_parts() -> Parts[str]:
        return {**await parts(), **_counts(dashboard)}

    return parts_stream(
        dashboard,
        all_parts,
        order=order,
        beside={*beside, *dashboard.counts.shown(None)},
        sent=sent,
        every=every,
        further=further,
    )


def page(dashboard: Dashboard, request: Request, template: str, **values: Any) -> Response:
    """Return a page with the navigation."""
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
