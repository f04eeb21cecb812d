"""Sessions: data about a browser that the server stores; a random id in a cookie identifies the session.

Source: OWASP Session Management Cheat Sheet.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Iterator, MutableMapping
from contextvars import ContextVar
from typing import TypeAlias

from infra_runtime.web.asgi import Application, Message, Receive, Scope, Send
from infra_runtime.web.storage import Storage

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"

#: the pattern of an id: 32 random bytes in base64
_IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{43}")


class Session(MutableMapping[str, Json]):
    """The data of one session, such as the id of the user; the values must be JSON.

    The data is stored when the response starts, so later changes have no effect.
    """

    def __init__(self, identifier: str, values: dict[str, Json]) -> None:
        #: the id; empty if the session is not stored yet, and after `renew`
        self.identifier = identifier
        self.data: dict[str, Json] = values
        #: the id that the session had before `renew`
        self.obsolete = ""
        #: the content in the storage
        self.content = ""

    def __getitem__(self, key: str) -> Json:
        return self.data[key]

    def __setitem__(self, key: str, value: Json) -> None:
        self.data[key] = value

    def __delitem__(self, key: str) -> None:
        del self.data[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)

    def renew(self) -> None:
        """Replace the id of the session; call this at each login, so that the old id becomes invalid."""
        self.obsolete, self.identifier = self.obsolete or self.identifier, ""


_session: ContextVar[Session] = ContextVar("infra_web_session")


def session() -> Session:
    """Return the session of the current request. Raises `LookupError` without the middleware `Sessions`."""
    return _session.get()


class Sessions:
    """Loads the session of a request, and stores changed data; `session()` returns the session.

    A session without data is not stored; if it was stored, it is deleted.

    The cookie has the attributes `HttpOnly` and `SameSite=Lax`. If `secure` is true, it also has the
    attribute `Secure`, and its name begins with `__Host-`. The storage contains a hash of the id, so that the
    content of the storage does not give access to sessions.
    """

    def __init__(
        self, app: Application, *, storage: Storage, seconds: int = 86_400, secure: bool = True
    ) -> None:
        self.app, self._storage, self._seconds = app, storage, seconds
        self._cookie = "__Host-session" if secure else "session"
        self._attributes = "; Path=/; HttpOnly; SameSite=Lax" + ("; Secure" if secure else "")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application with the session in the context variable."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        current_session = await self._load(scope)
        sent_identifier = current_session.identifier

        async def send_with_cookie(message: Message) -> None:
            if message["type"] in {"http.response.start", "websocket.accept"}:
                cookie = await self._store(current_session, sent_identifier)
                if cookie:
                    fields = [*message.get("headers", ()), (b"set-cookie", cookie.encode("latin-1"))]
                    message = {**message, "headers": fields}
            await send(message)

        token = _session.set(current_session)
        try:
            await self.app(scope, receive, send_with_cookie)
        finally:
            _session.reset(token)

    async def _load(self, scope: Scope) -> Session:
        identifier = _cookie(scope, self._cookie)
        if _IDENTIFIER.fullmatch(identifier):
            stored = await self._storage.get(_key(identifier), extend=self._seconds)
            if stored is not None:
                loaded = Session(identifier, json.loads(stored))
                loaded.content = json.dumps(loaded.data)
                return loaded
        # An id that the server has not stored is not accepted, because a page of an attacker can have set the
        # cookie.
        return Session("", {})

    async def _store(self, current_session: Session, sent_identifier: str) -> str:
        """Store or delete a session, and return the header `Set-Cookie`; empty if no header is needed."""
        if current_session.obsolete:
            await self._storage.delete(_key(current_session.obsolete))
        if not current_session:
            if not sent_identifier:
                return ""
            await self._storage.delete(_key(sent_identifier))
            return f"{self._cookie}=; Max-Age=0{self._attributes}"
        content = json.dumps(current_session.data)
        if content != current_session.content or not current_session.identifier:
            if (
                current_session.identifier
                and await self._storage.get(_key(current_session.identifier)) is None
            ):
                return ""  # another request has deleted the session meanwhile
            current_session.identifier = current_session.identifier or secrets.token_urlsafe(32)
            await self._storage.put(_key(current_session.identifier), content.encode(), self._seconds)
        return f"{self._cookie}={current_session.identifier}; Max-Age={self._seconds}{self._attributes}"


def _cookie(scope: Scope, name: str) -> str:
    """Return the value of a request's cookie; empty if it is missing or occurs more than once."""
    lines = [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == b"cookie"]
    pairs = [pair.strip().partition("=") for line in lines for pair in line.split(";")]
    values = [value for key, _, value in pairs if key == name]
    return values[0] if len(values) == 1 else ""


def _key(identifier: str) -> str:
    return f"session:{hashlib.sha256(identifier.encode()).hexdigest()}"
