"""Cross-origin resource sharing: which other web sites may read responses.

Source: WHATWG Fetch, "CORS protocol".
"""

from __future__ import annotations

from collections.abc import Collection

from infra_runtime.web.asgi import (
    Application,
    Message,
    Receive,
    Scope,
    Send,
    header,
    respond,
    with_headers,
)


class Cors:
    """Sets the headers `Access-Control-Allow-…` for allowed origins, and answers preflight requests.

    If `origins` is empty, all requests are passed to the application unchanged.
    """

    def __init__(
        self,
        app: Application,
        *,
        origins: Collection[str],
        methods: Collection[str],
        headers: Collection[str],
        credentials: bool = False,
        max_age: int = 600,
    ) -> None:
        self.app = app
        self._origins = frozenset(origins)
        self._allow = {"access-control-allow-credentials": "true"} if credentials else {}
        self._preflight = {
            "access-control-allow-methods": ", ".join(methods),
            "access-control-allow-headers": ", ".join(headers),
            "access-control-max-age": str(max_age),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application, or answer a preflight request."""
        if scope["type"] != "http" or not self._origins:
            await self.app(scope, receive, send)
            return
        cors_headers = self._headers_for(header(scope, "origin"))
        if scope["method"] == "OPTIONS" and header(scope, "access-control-request-method"):
            # A refused preflight request has the same status as an allowed one: the browser reads the
            # headers.
            headers = {"vary": "Origin", **(cors_headers and {**cors_headers, **self._preflight})}
            await respond(send, 200, b"", "text/plain", headers.items())
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = with_headers(message, {**cors_headers, "vary": _vary(message)})
            await send(message)

        await self.app(scope, receive, send_with_headers)

    def _headers_for(self, origin: str) -> dict[str, str]:
        if not origin or not ({origin, "*"} & self._origins):
            return {}
        allowed_origin = origin if origin in self._origins else "*"
        return {"access-control-allow-origin": allowed_origin, **self._allow}


def _vary(response: Message) -> str:
    """Return the header `Vary` of a response with the additional value `Origin`."""
    values = [value.decode("latin-1") for name, value in response["headers"] if name.lower() == b"vary"]
    return ", ".join([*values, "Origin"])
