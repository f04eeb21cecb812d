"""Return the OpenAPI document of a Python app.

This module imports only the standard library, because it also runs as a script in the user's interpreter. The
script has two arguments: `module:attribute` and the path of a file. The script imports the app and writes the
document, or the error, to this file.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

#: The paths at which frameworks serve their document, the most frequent path first.
_ROUTES = ("/openapi.json", "/schema", "/schema/openapi.json", "/openapi.yaml", "/schema/")


def schema_of(app: Any, module: Any = None) -> str:
    """Return the OpenAPI document of a Python app as JSON text.

    The result is YAML text if the app only serves YAML.

    Raises:
        TypeError: the value is not an app with an OpenAPI document.
    """
    if isinstance(app, Mapping):
        return _json(app)
    for method in (_method(app, "openapi"), _method(app, "get_openapi_schema"), _method(app, "to_dict")):
        if method is not None:
            return _json(method())
    # The document of a Litestar app is an object with the method `to_schema`.
    to_schema = _method(getattr(app, "openapi_schema", None), "to_schema")
    if to_schema is not None:
        return _json(to_schema())
    routes = getattr(app, "routes", None)
    if routes is not None and (generator := _generator(module)) is not None:
        return _json(generator.get_schema(routes=routes))
    if callable(app):
        _bind(app)
        return _served(app)
    kind = f"{type(app).__module__}.{type(app).__qualname__}"
    raise TypeError(f"{kind} is not an app with an OpenAPI document")


def _method(app: Any, name: str) -> Callable[[], Any] | None:
    method = getattr(app, name, None)
    return method if callable(method) and not isinstance(app, type) else None


def _generator(module: Any) -> Any:
    """Return the SchemaGenerator in the module of a Starlette app; None if the module does not have one."""
    for value in vars(module).values() if module else ():
        if any(kind.__name__ == "BaseSchemaGenerator" for kind in type(value).__mro__):
            return value
    return None


def _json(document: Any) -> str:
    return json.dumps(document, default=_plain, allow_nan=False)


def _plain(value: Any) -> Any:
    """Convert a value that JSON cannot contain, such as an enum, a lazy string, a model or a set.

    Web frameworks put such values into their OpenAPI documents.
    """
    for name in ("model_dump", "to_dict"):
        method = _method(value, name)
        if method is not None:
            return method()
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=str)
    if isinstance(value, Mapping):
        return dict(value)
    return getattr(value, "value", None) or str(value)


# --- request the document of an ASGI app ---


def _served(app: Any) -> str:
    tried_routes = []
    for route in _ROUTES:
        # The request runs in another thread, because a test that is a coroutine already runs an event loop in
        # this thread.
        with ThreadPoolExecutor(1) as thread:
            status, body = thread.submit(asyncio.run, _get(app, route)).result()
        if status == 200 and ("openapi" in body or "swagger" in body):
            return body
        tried_routes.append(f"{route} ({status})")
    raise TypeError(f"the app serves no OpenAPI document at {', '.join(tried_routes)}")


def _bind(app: Any) -> None:
    try:
        inspect.signature(app).bind("scope", "receive", "send")
    except TypeError:
        name = getattr(app, "__qualname__", type(app).__qualname__)
        raise TypeError(
            f"{name} is not an app; if it is a factory, write it with parentheses: {name}()"
        ) from None
    except ValueError:  # the function is written in C and has no signature
        return


async def _get(app: Any, path: str) -> tuple[int, str]:
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost"), (b"accept", b"application/json, */*")],
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 80),
    }
    status, parts = 0, []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        elif message["type"] == "http.response.body":
            parts.append(bytes(message.get("body", b"")))

    await app(scope, receive, send)
    return status, b"".join(parts).decode("utf-8", errors="replace")


# --- in the user's interpreter ---


def _imported(target: str) -> tuple[Any, Any]:
    name, _, path = target.partition(":")
    if os.environ.get("DJANGO_SETTINGS_MODULE"):
        importlib.import_module("django").setup()
    module = importlib.import_module(name)
    value: Any = module
    for part in path.removesuffix("()").split("."):
        value = getattr(value, part)
    return module, value() if path.endswith("()") else value


def _failure(error: BaseException, project_directory: Path) -> dict[str, Any]:
    """Return a dictionary that describes an error.

    It contains the type, the first line of the message, the name of a missing module, and the file and line
    of the innermost frame in the user's code (for a `SyntaxError`: of the syntax error).
    """
    file, line = "", 0
    for frame in traceback.extract_tb(error.__traceback__):
        path = Path(frame.filename)
        if path.is_file() and path.is_relative_to(project_directory) and "site-packages" not in path.parts:
            file, line = str(path.relative_to(project_directory)), frame.lineno or 0
    message = str(error)
    if isinstance(error, SyntaxError):
        file, line, message = (
            os.path.relpath(error.filename or "", project_directory),
            error.lineno or 0,
            error.msg,
        )
    kind = type(error).__qualname__
    return {
        "file": file,
        "line": line,
        "kind": kind,
        "missing": getattr(error, "name", None),
        "reason": ": ".join(part for part in (kind, message.strip().partition("\n")[0]) if part),
    }


def main(target: str, answer: str) -> None:
    """Write the OpenAPI document of the app `target`, or the error, to the file `answer`."""
    project_directory = Path.cwd()
    if str(project_directory) not in sys.path:
        sys.path.insert(0, str(project_directory))
    content: dict[str, Any] = {}
    try:
        module, app = _imported(target)
        content["document"] = schema_of(app, module)
    except BaseException as error:  # noqa: BLE001 - every error of the app is written to the answer
        content["failure"] = _failure(error, project_directory)
    Path(answer).write_text(json.dumps(content), encoding="utf-8")
    sys.stdout.flush()
    sys.stderr.flush()
    # `os._exit` does not wait for running threads of the app, which could prevent the exit of the
    # interpreter.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
