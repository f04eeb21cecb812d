"""Sessions for single statements.

Opening such a session takes a third of the processor time of `psycopg.connect`.
"""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg
    from psycopg.pq.abc import PGconn

#: seconds to wait for the server
PATIENCE = 60.0


def quick_session(conninfo: str) -> psycopg.Connection[Any]:
    """Open a session in autocommit mode.

    Raises `psycopg.OperationalError` if the server does not accept the session.
    """
    from psycopg import Connection

    session: psycopg.Connection[Any] = Connection(_open(conninfo))
    session.prepare_threshold = None
    session.autocommit = True
    return session


def _open(conninfo: str) -> PGconn:
    from psycopg import OperationalError, pq

    session = pq.PGconn.connect_start(conninfo.encode())
    deadline = time.monotonic() + PATIENCE
    while session.status != pq.ConnStatus.BAD:
        match session.connect_poll():
            case pq.PollingStatus.OK:
                session.nonblocking = 1
                return session
            case pq.PollingStatus.READING:
                ready = select.POLLIN
            case _:
                ready = select.POLLOUT
        poll = select.poll()
        poll.register(session.socket, ready)
        if not poll.poll(max(deadline - time.monotonic(), 0) * 1000):
            break
    message = session.get_error_message() or "the server does not answer"
    session.finish()
    raise OperationalError(message)
