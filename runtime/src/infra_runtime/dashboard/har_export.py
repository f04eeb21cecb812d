"""The HTTP requests of a trace as HAR, which browsers and proxies import.

Sources: HTTP Archive (HAR) 1.2; OpenTelemetry's semantic conventions for HTTP spans, with the names before
version 1.23 (`http.method`, `http.url`, `http.target`, `http.status_code`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from importlib.metadata import version
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from infra_runtime.dashboard.parameters import iso

_METHODS, _STATUSES = (
    ("http.request.method", "http.method"),
    ("http.response.status_code", "http.status_code"),
)
_URLS = ("url.full", "http.url")
#: the prefixes of the attributes that contain headers; the values of these attributes are lists
_REQUEST_HEADER, _RESPONSE_HEADER = "http.request.header.", "http.response.header."


def har(spans: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the HTTP requests in spans of the query API as a HAR document (JSON data).

    If the parent of a server span is a client span, both spans describe the same request, and the server span
    is left out.
    """
    requests = {span["id"] for span in spans if _method(span) and span.get("kind") == "client"}
    entries = [
        _entry(span)
        for span in sorted(spans, key=lambda span: span["start"])
        if _method(span) and not (span.get("kind") == "server" and span.get("parent") in requests)
    ]
    creator = {"name": "pytest-infra", "version": version("pytest-infra")}
    return {"log": {"version": "1.2", "creator": creator, "entries": entries}}


def _method(span: Mapping[str, Any]) -> str:
    return str(_first(span["attributes"], _METHODS, ""))


def _entry(span: Mapping[str, Any]) -> dict[str, Any]:
    attributes = span["attributes"]
    milliseconds = max(span["end"] - span["start"], 0) / 1e6
    status = _integer(_first(attributes, _STATUSES, 0))
    version = f"HTTP/{attributes.get('network.protocol.version', '1.1')}"
    url = _url(attributes)
    response_headers = _headers(attributes, _RESPONSE_HEADER)
    return {
        "startedDateTime": iso(span["start"] / 1e9),
        "time": milliseconds,
        "request": {
            "method": _method(span),
            "url": url,
            "httpVersion": version,
            "cookies": [],
            "headers": _headers(attributes, _REQUEST_HEADER),
            "queryString": [{"name": name, "value": value} for name, value in _query(url)],
            "headersSize": -1,
            "bodySize": _integer(attributes.get("http.request.body.size", -1)),
        },
        "response": {
            "status": status,
            "statusText": HTTPStatus(status).phrase if status in {*HTTPStatus} else "",
            "httpVersion": version,
            "cookies": [],
            "headers": response_headers,
            "content": {
                "size": max(_integer(attributes.get("http.response.body.size", 0)), 0),
                "mimeType": next((h["value"] for h in response_headers if h["name"] == "content-type"), ""),
            },
            "redirectURL": next((h["value"] for h in response_headers if h["name"] == "location"), ""),
            "headersSize": -1,
            "bodySize": _integer(attributes.get("http.response.body.size", -1)),
        },
        "cache": {},
        "timings": {"send": 0, "wait": milliseconds, "receive": 0},
        "serverIPAddress": str(attributes.get("network.peer.address", "")),
        "comment": f"{span['service']}: {span['name']} (span {span['id']})",
    }


def _url(attributes: Mapping[str, Any]) -> str:
    if full := _first(attributes, _URLS, ""):
        return str(full)
    scheme = _first(attributes, ("url.scheme", "http.scheme"), "http")
    host = _first(attributes, ("server.address", "http.host", "net.host.name"), "localhost")
    port = _first(attributes, ("server.port", "net.host.port"), "")
    query = attributes.get("url.query", "")
    path = _first(attributes, ("url.path", "http.target", "http.route"), "/")
    return f"{scheme}://{host}{f':{port}' if port else ''}{path}{f'?{query}' if query else ''}"


def _query(url: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(urlsplit(url).query, keep_blank_values=True)
    except ValueError:
        return []


def _headers(attributes: Mapping[str, Any], prefix: str) -> list[dict[str, str]]:
    return [
        {"name": name.removeprefix(prefix), "value": str(value)}
        for name, values in attributes.items()
        if name.startswith(prefix)
        for value in (values if isinstance(values, list) else [values])
    ]


def _first(attributes: Mapping[str, Any], names: Iterable[str], default: Any) -> Any:
    return next((attributes[name] for name in names if name in attributes), default)


def _integer(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return -1
