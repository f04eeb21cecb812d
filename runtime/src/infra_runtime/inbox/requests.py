"""HTTP requests and responses of the inbox, and the check that a request comes from no other web site.

The server closes each connection after one response, and no request has a body.

Sources: RFC 9110 and RFC 9112 (HTTP); W3C "Fetch Metadata Request Headers"; W3C "Content Security Policy".
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import Mapping
from dataclasses import field
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from infra_runtime.value import frozen

#: the maximum number of bytes of a request
LIMIT = 16384
#: the time limit in seconds for the request of a client
PATIENCE = 10.0
#: The policy of the web page: it loads only files of this server and images in `data:` URLs, and its frame
#: shows only pages of this server.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
_SECURITY = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-DNS-Prefetch-Control": "off",
    "Cache-Control": "no-store",
}


class RequestError(Exception):
    """A request cannot be answered; `status` and `reason` are sent to the client."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(status, reason)
        self.status, self.reason = status, reason


@frozen
class Request:
    """A request of a client: method, path, parameters of the query, and headers with names in lower case."""

    method: str
    path: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@frozen
class Response:
    """The answer to a request."""

    body: bytes = b""
    type: str = "application/json"
    status: HTTPStatus = HTTPStatus.OK
    #: additional headers; they replace headers of the same names that every response has
    headers: Mapping[str, str] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Return the bytes of the response."""
        headers = {
            "Content-Type": self.type,
            "Content-Length": str(len(self.body)),
            "Connection": "close",
            **_SECURITY,
            **self.headers,
        }
        lines = [f"HTTP/1.1 {self.status.value} {self.status.phrase}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join((*lines, "", "")).encode("latin-1", "replace") + self.body


def json_response(value: object, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """Return a response with a value as JSON."""
    return Response(body=json.dumps(value).encode() + b"\n", status=status)


def error_response(error: RequestError) -> Response:
    """Return the response that contains the reason of an error as JSON."""
    return json_response({"error": error.reason}, error.status)


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """Read the request of a connection; None if the client closes the connection without a request.

    Raises `RequestError` if the bytes are not a request, if it has a body, or if it takes too long.
    """
    try:
        async with asyncio.timeout(PATIENCE):
            head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if not error.partial:
            return None
        raise RequestError(HTTPStatus.BAD_REQUEST, "the request is incomplete") from error
    except asyncio.LimitOverrunError as error:
        raise RequestError(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"the request has more than {LIMIT} bytes"
        ) from error
    except TimeoutError as error:
        raise RequestError(
            HTTPStatus.REQUEST_TIMEOUT, f"the request is incomplete after {PATIENCE:g} s"
        ) from error
    return parse_request(head)


def parse_request(head: bytes) -> Request:
    """Return the request in `head`, without a body. Raises `RequestError` if it is not a valid request."""
    request_line, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    words = request_line.split(" ")
    if len(words) != 3 or not words[1].startswith("/") or not words[2].startswith("HTTP/1."):
        raise RequestError(HTTPStatus.BAD_REQUEST, "the request has no valid first line")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise RequestError(HTTPStatus.BAD_REQUEST, "the request has an invalid header")
        if name.lower() in headers and name.lower() in {"host", "origin"}:
            raise RequestError(HTTPStatus.BAD_REQUEST, f"the request has several headers {name}")
        headers[name.lower()] = value.strip()
    if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
        raise RequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the request has a body")
    try:
        url = urlsplit(words[1])
        parameters = {name: values[-1] for name, values in parse_qs(url.query, max_num_fields=50).items()}
    except ValueError as error:
        raise RequestError(HTTPStatus.BAD_REQUEST, f"the URL of the request is not valid: {error}") from error
    return Request(method=words[0], path=url.path, parameters=parameters, headers=headers)


def check_origin(request: Request) -> None:
    """Raise `RequestError` if a web page of another origin sends the request, other than to open a page.

    The name in the header `Host` must be a name of the loopback interface. With DNS rebinding, a web page can
    change the address of its host name to 127.0.0.1, but the header `Host` then contains the host name of the
    page.
    """
    host = request.headers.get("host", "")
    if not _is_loopback(host):
        raise RequestError(
            HTTPStatus.FORBIDDEN,
            f"the header Host is {host!r}; use 127.0.0.1, localhost or a name that ends with .localhost",
        )
    origin = request.headers.get("origin")
    if origin is not None and origin not in {f"http://{host}", f"https://{host}"}:
        raise RequestError(HTTPStatus.FORBIDDEN, f"the request comes from a web page of {origin!r}")
    site = request.headers.get("sec-fetch-site", "none")
    if site not in {"same-origin", "none"} and not _opens_page(request):
        raise RequestError(HTTPStatus.FORBIDDEN, "the request comes from a web page of another origin")


def _is_loopback(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _opens_page(request: Request) -> bool:
    """Return whether the browser sends the request to open a page of this server, for example from a link.

    The page with the link cannot read the response.
    """
    return (
        request.method == "GET"
        and request.headers.get("sec-fetch-mode") == "navigate"
        and request.headers.get("sec-fetch-dest") == "document"
    )
