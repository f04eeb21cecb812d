"""The client fixture of PgBouncer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.kit_context import FixtureContext

if TYPE_CHECKING:
    import psycopg


def connection(context: FixtureContext, unit: Endpoint) -> Iterator[psycopg.Connection[Any]]:
    """Yield a psycopg connection through the pool; uncommitted changes are rolled back at the end.

    The connection prepares no statements. Older versions of PgBouncer do not support prepared statements if
    transactions of several clients share a connection to the server.
    """
    library = context.library("psycopg")
    open_connection = library.connect(unit.url, application_name=context.label.name, prepare_threshold=None)
    try:
        yield open_connection
    finally:
        open_connection.close()
