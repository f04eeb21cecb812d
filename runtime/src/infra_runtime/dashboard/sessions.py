"""Login links and sessions of the dashboard.

A login link contains a token for one login. A session begins with this login, and ends with the logout or
with the run of the stack. Only hashes of login tokens and of session cookies are stored, so that the memory
and the file of the sessions do not give access to the dashboard.

Sources: OWASP Session Management Cheat Sheet; NIST SP 800-63B, "Session Secrets".
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
from collections import deque
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path

from infra_runtime.value import frozen

#: the number of random bytes of a login token, and of the cookie of a session
TOKEN_BYTES, COOKIE_BYTES = 16, 32
#: the seconds after which a login token expires
TOKEN_SECONDS = 300.0
#: the largest number of unused tokens, and of sessions; beyond these limits, the oldest are removed
TOKENS, SESSIONS = 100, 1000
#: the number of failed logins in `ATTEMPT_SECONDS` seconds after which logins are refused
ATTEMPTS, ATTEMPT_SECONDS = 10, 60.0


class Role(IntEnum):
    """The permissions of a session; each role includes the permissions of the roles before it."""

    #: reads all pages
    VIEWER = 1
    #: starts, stops and restarts services; saves, restores and removes snapshots; imports and removes files
    OPERATOR = 2
    #: creates login links
    ADMIN = 3


@frozen
class Session:
    """A session of a browser, or the session of a request with the key of the service."""

    #: the hash of the cookie; empty for a request with the key
    id: str
    role: Role
    #: the required value of the token header in all requests except GET
    header_token: str

    @property
    def actor(self) -> str:
        """The name of the session in the audit log: the beginning of its id, or `key`."""
        return self.id[:12] or "key"


class TooManyAttemptsError(Exception):
    """Too many logins have failed, so logins are refused for some seconds."""


class Sessions:
    """The unused login tokens, and the sessions of one run of the stack."""

    def __init__(self, file: Path, run: str, *, clock: Callable[[], float] = time.time) -> None:
        self._file, self._run, self._clock = file, run, clock
        #: hash of a token → the role, and the time at which the token expires
        self._tokens: dict[str, tuple[Role, float]] = {}
        self._failures: deque[float] = deque(maxlen=ATTEMPTS)
        #: hash of a cookie → role
        self._sessions = _stored(file, run)

    def issue(self, role: Role) -> str:
        """Return a new login token, which is valid for one login within `TOKEN_SECONDS` seconds."""
        token = secrets.token_urlsafe(TOKEN_BYTES)
        self._tokens[_hash(token)] = role, self._clock() + TOKEN_SECONDS
        while len(self._tokens) > TOKENS:
            del self._tokens[next(iter(self._tokens))]
        return token

    def log_in(self, token: str) -> str | None:
        """Use a login token; return the cookie of the new session, or None if the token is not valid.

        Raises `TooManyAttemptsError` if too many tokens were not valid.
        """
        now = self._clock()
        if len(self._failures) == ATTEMPTS and now - self._failures[0] < ATTEMPT_SECONDS:
            raise TooManyAttemptsError
        role, expires = self._tokens.pop(_hash(token), (Role.VIEWER, 0.0))
        if expires <= now:
            self._failures.append(now)
            return None
        cookie = secrets.token_urlsafe(COOKIE_BYTES)
        self._sessions[_hash(cookie)] = role
        while len(self._sessions) > SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        self._store()
        return cookie

    def find(self, cookie: str) -> Session | None:
        """Return the session that the cookie identifies; None if the cookie is not valid."""
        identifier = _hash(cookie)
        role = self._sessions.get(identifier)
        if role is None:
            return None
        return Session(id=identifier, role=role, header_token=_hash(f"header {cookie}"))

    def end(self, session: Session) -> None:
        """End a session, so that its cookie is no longer valid."""
        if self._sessions.pop(session.id, None) is not None:
            self._store()

    def _store(self) -> None:
        content = {"run": self._run, "sessions": {key: role.value for key, role in self._sessions.items()}}
        new_file = self._file.with_suffix(".new")
        descriptor = os.open(new_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            json.dump(content, file)
        new_file.replace(self._file)


def _stored(file: Path, run: str) -> dict[str, Role]:
    """Return a mapping from hash of the cookie to role, for the sessions in a file.

    The mapping is empty if the file is missing, damaged or from another run of the stack.
    """
    try:
        content = json.loads(file.read_text(encoding="ascii"))
        if content["run"] != run:
            return {}
        return {str(key): Role(role) for key, role in content["sessions"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
