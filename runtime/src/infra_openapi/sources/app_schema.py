"""The OpenAPI document of a Python app.

Standard library only: this text also runs alone, in the user's interpreter. There it is given
`module:attribute` and a file, imports the app, and writes its document to the file, or why there is none.
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

#: where frameworks show their document, the likeliest first
_ROUTES = ("/openapi.json", "/schema", "/schema/openapi.json", "/openapi.yaml", "/schema/")


def schema_of(app: Any, module: Any = None) -> str:
    """The app's document as JSON (or YAML, where it only has that).

    Raises:
        TypeError: the value is not an app that describes itself.
    """
    if isinstance(app, Mapping):
        return _json(app)
    for found in (_method(app, "openapi"), _method(app, "get_openapi_schema"), _method(app, "to_dict")):
        if found is not None:
            return _json(found())
    # Litestar's is an object that describes itself.
    described = _method(getattr(app, "openapi_schema", None), "to_schema")
    if described is not None:
        return _json(described())
    routes = getattr(app, "routes", None)
    if routes is not None and (generator := _generator(module)) is not None:
        return _json(generator.get_schema(routes=routes))
    if callable(app):
        _bind(app)
        return _served(app)
    kind = f"{type(app).__module__}.{type(app).__qualname__}"
    raise TypeError(f"{kind} is no app that describes itself with OpenAPI")


def _method(thing: Any, name: str) -> Callable[[], Any] | None:
    found = getattr(thing, name, None)
    return found if callable(found) and not isinstance(thing, type) else None


def _generator(module: Any) -> Any:
    """Starlette's way: a SchemaGenerator beside the app."""
    for value in vars(module).values() if module else ():
        if any(kind.__name__ == "BaseSchemaGenerator" for kind in type(value).__mro__):
            return value
    return None


def _json(document: Any) -> str:
    return json.dumps(document, default=_plain, allow_nan=False)


def _plain(value: Any) -> Any:
    """What frameworks leave in their documents: enums, lazy texts, models, sets."""
    for name in ("model_dump", "to_dict"):
        method = _method(value, name)
        if method is not None:
            return method()
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=str)
    if isinstance(value, Mapping):
        return dict(value)
    return getattr(value, "value", None) or str(value)


# --- an ASGI app is asked as a browser would ask it ---


def _served(app: Any) -> str:
    tried = []
    for route in _ROUTES:
        # In another thread: a test that is a coroutine already runs a loop in this one.
        with ThreadPoolExecutor(1) as thread:
            status, body = thread.submit(asyncio.run, _get(app, route)).result()
        if status == 200 and ("openapi" in body or "swagger" in body):
            return body
        tried.append(f"{route} ({status})")
    raise TypeError(f"it shows no OpenAPI document at {', '.join(tried)}")


def _bind(app: Any) -> None:
    try:
        inspect.signature(app).bind("scope", "receive", "send")
    except TypeError:
        name = getattr(app, "__qualname__", type(app).__qualname__)
        raise TypeError(f"{name} is no app; what makes one is named with its parentheses: {name}()") from None
    except ValueError:  # written in C: it has no signature that could be looked at
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


def _found(target: str) -> tuple[Any, Any]:
    name, _, path = target.partition(":")
    if os.environ.get("DJANGO_SETTINGS_MODULE"):
        importlib.import_module("django").setup()
    module = importlib.import_module(name)
    found: Any = module
    for part in path.removesuffix("()").split("."):
        found = getattr(found, part)
    return module, found() if path.endswith("()") else found


def _failure(error: BaseException, home: Path) -> dict[str, Any]:
    """What went wrong, and the deepest line of the user's own code that took part."""
    file, line = "", 0
    for frame in traceback.extract_tb(error.__traceback__):
        path = Path(frame.filename)
        if path.is_file() and path.is_relative_to(home) and "site-packages" not in path.parts:
            file, line = str(path.relative_to(home)), frame.lineno or 0
    message = str(error)
    if isinstance(error, SyntaxError):
        file, line, message = os.path.relpath(error.filename or "", home), error.lineno or 0, error.msg
    kind = type(error).__qualname__
    return {
        "file": file,
        "line": line,
        "kind": kind,
        "missing": getattr(error, "name", None),
        "reason": ": ".join(part for part in (kind, message.strip().partition("\n")[0]) if part),
    }


def main(target: str, answer: str) -> None:
    """Write the document to the file `answer`, or what went wrong."""
    home = Path.cwd()
    if str(home) not in sys.path:
        sys.path.insert(0, str(home))
    content: dict[str, Any] = {}
    try:
        module, app = _found(target)
        content["document"] = schema_of(app, module)
    except BaseException as error:  # noqa: BLE001 - the app's failure is the answer, whatever it is
        content["failure"] = _failure(error, home)
    Path(answer).write_text(json.dumps(content), encoding="utf-8")
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads that the app started would keep the interpreter.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
