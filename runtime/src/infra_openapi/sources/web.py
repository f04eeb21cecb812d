"""Fetch an OpenAPI document from a URL; files that it refers to are fetched from the same server only."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from infra_openapi.document import Reader, text
from infra_openapi.errors import CompareError

if TYPE_CHECKING:
    import httpx

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_REDIRECTS = 5
_ACCEPT = "application/json, application/yaml, application/vnd.oai.openapi, */*;q=0.5"


def reader(url: str, timeout: float) -> tuple[str, Reader]:
    """Return the name of the document at a URL, and a function that reads files by name.

    The name is the URL without secrets. The function reads the document and the files that it refers to.
    """
    try:
        urlsplit(url)
    except ValueError as error:
        raise CompareError(
            url.partition("?")[0].rpartition("@")[2], f"the source is not a URL: {error}"
        ) from error
    name = _without_secrets(url)

    def read(file_url: str) -> bytes:
        if file_url == name:
            return fetched(url, timeout)
        if _server(file_url) != _server(url):
            reason = f"the file is not on the server of the document, {_server(url)}"
            hint = "Download the document, and allow its references to URLs with `--allow-network`."
            raise CompareError(_without_secrets(file_url), reason, hint=hint)
        return fetched(file_url, timeout)

    return name, read


def fetched(url: str, timeout: float) -> bytes:
    """Return the body of the response to a GET request; redirects are followed only on the same server.

    Raises:
        CompareError: the response is not complete after `timeout` seconds, is too large, or does not have the
            status 200; the URL redirects to another server or too often; or httpx is not installed.
    """
    try:
        import httpx
    except ImportError as error:
        hint = "Install httpx with `python -m pip install 'pytest-infra[openapi]'`."
        raise CompareError(
            _without_secrets(url), "the source is a URL, but httpx is not installed", hint=hint
        ) from error
    deadline = time.monotonic() + timeout
    # The proxies in environment variables are not used for a server on the loopback address.
    is_loopback = (urlsplit(url).hostname or "") in _LOOPBACK
    try:
        with httpx.Client(timeout=timeout, trust_env=not is_loopback, headers={"Accept": _ACCEPT}) as client:
            for _ in range(_REDIRECTS + 1):
                with client.stream("GET", url) as response:
                    if not response.is_redirect:
                        return _body(response, url, deadline, timeout)
                    target = str(response.url.join(response.headers["location"]))
                    if _server(target) != _server(url):
                        raise CompareError(
                            _without_secrets(url),
                            f"the URL redirects to another server: {_without_secrets(target)}",
                            hint="Give the URL to which the server redirects.",
                        )
                    url = target
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        raise CompareError(
            _without_secrets(url), f"the document cannot be fetched: {str(error) or type(error).__name__}"
        ) from error
    raise CompareError(_without_secrets(url), f"the URL redirects more than {_REDIRECTS} times")


def _body(response: httpx.Response, url: str, deadline: float, timeout: float) -> bytes:
    if response.status_code != 200:
        raise CompareError(
            _without_secrets(url),
            f"the server returned {response.status_code} {response.reason_phrase}".strip(),
        )
    parts, size = [], 0
    for part in response.iter_bytes():
        parts.append(part)
        size += len(part)
        if size > text.MAX_BYTES:
            raise CompareError(_without_secrets(url), f"the response has more than {text.MAX_BYTES:,} bytes")
        if time.monotonic() > deadline:
            raise CompareError(_without_secrets(url), f"the response was not complete after {timeout:g} s")
    return b"".join(parts)


def _server(url: str) -> str:
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    try:
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError:
        port = -1
    return f"{parts.scheme}://{host}:{port}"


def _without_secrets(url: str) -> str:
    """Return the URL without user, password and query, because these parts may contain secrets."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path or "/", "", ""))
