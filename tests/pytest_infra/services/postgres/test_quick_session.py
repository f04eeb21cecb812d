"""A session that opens quickly is a usual session."""

from __future__ import annotations

import pytest

from infra_runtime.engines.local.stack import Stack
from pytest_infra.services.postgres.quick_session import quick_session
from pytest_infra.services.postgres.statements import url_of

psycopg = pytest.importorskip("psycopg", reason="the minimal profile has no clients")
pytestmark = pytest.mark.real("postgres")


def test_a_statement_is_executed_with_the_options_and_committed(migrated: Stack) -> None:
    conninfo = psycopg.conninfo.make_conninfo(url_of(migrated.postgres), options="-c work_mem=3MB")

    for _ in range(2):
        session = quick_session(conninfo)
        assert session.execute("show work_mem").fetchone() == ("3MB",)
        session.execute("create table if not exists committed (a int)")
        session.close()

    with psycopg.connect(url_of(migrated.postgres), autocommit=True) as connection:
        assert connection.execute("select from committed").fetchall() == []
        connection.execute("drop table committed")


def test_a_refused_session_raises_the_message_of_the_server(migrated: Stack) -> None:
    conninfo = psycopg.conninfo.make_conninfo(url_of(migrated.postgres), dbname="missing")

    with pytest.raises(psycopg.OperationalError, match='database "missing" does not exist'):
        quick_session(conninfo)
