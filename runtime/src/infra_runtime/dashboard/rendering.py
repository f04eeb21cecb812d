"""The templates of the pages. All values are escaped; no template contains a script or a style."""

from __future__ import annotations

import functools
from importlib.metadata import version
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from infra_runtime.dashboard.view import duration, milliseconds, size

FOLDER = Path(__file__).parent


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
    made.globals["version"] = version("pytest-infra")
    return made
