"""SQL is split into statements as psql does it, and commands of psql are found."""

from __future__ import annotations

import pytest

from fakes.samples import every
from pytest_infra.services.postgres.sql_text import is_for_psql, statements

WHOLE = {
    "text": "insert into a values ('it''s; here')",
    "escapes": r"select E'a\';b', 1",
    "name": 'create table "a;b" ()',
    "comments": "select /* a; /* b; */ c; */ 1 -- d;\n + 2",
    "dollar quotes": "create function f() returns int language sql as $$ select 1; $$",
    "named dollar quotes": "do $body$ begin perform '$$;'; end; $body$",
    "parentheses": "create rule r as on insert to a do also (delete from b; delete from c)",
    "body in standard SQL": (
        "create or replace function f() returns int begin atomic"
        " select case when true then 1 end; select 2; end"
    ),
    "parameter": "prepare p as select $1",
    "name with a dollar": "select a$b$c from t",
    "letters of other scripts": "select größe, '名;前' from größen",
}


@every(WHOLE)
def test_a_statement_is_not_split_inside(kind: str) -> None:
    text = WHOLE[kind].strip()

    parts = [statement.text for statement in statements(f"{text};\nselect 2")]

    assert parts == [text, "select 2"]


def test_each_statement_has_its_first_line_without_comments_and_blanks() -> None:
    text = "\n-- first\nselect 1;;\r\n\r\n/* second\n */ select\n  2;\nselect 3 -- end\n"

    lines = [(statement.line, statement.text) for statement in statements(text)]

    assert lines == [(3, "select 1"), (6, "select\n  2"), (8, "select 3")]
    assert all(text[statement.offset :].startswith(statement.text) for statement in statements(text))


@pytest.mark.parametrize("text", ["", " \n", "-- only a comment", ";;", "/* not closed"])
def test_a_text_without_statements_is_empty(text: str) -> None:
    assert list(statements(text)) == []


@pytest.mark.parametrize("text", ["select 'not closed", 'select "a', "select $$ a", "select (1; 2"])
def test_an_incomplete_statement_is_one_statement(text: str) -> None:
    assert [statement.text for statement in statements(text)] == [text]


@every(
    [
        r"\restrict abc",
        "select 1;\n\\i other.sql\n",
        "select 1 \\gset\n",
        "\\set name 'value'",
        "copy a (b, c) from stdin;\n1\t2\n\\.\n",
        "COPY a FROM STDIN WITH (FORMAT csv);\n1,2\n\\.\n",
        "--\n-- PostgreSQL database dump\n--\n\nselect 1;",
        "--\n-- PostgreSQL database cluster dump\n--\n",
        "SET client_encoding = 'LATIN1'; copy a from '/tmp/x';",
    ]
)
def test_a_file_for_psql_is_recognised(text: str) -> None:
    assert is_for_psql(text)


@pytest.mark.parametrize(
    "text",
    [
        "select 1;",
        r"select E'a\nb', 'c:\temp'",
        "-- \\i is a command of psql\n/* \\copy */ select 1",
        "do $$ begin raise '\\d'; end $$",
        "copy a from '/tmp/data.csv'",
        "create table copy (stdin text); insert into copy select * from stdin",
    ],
)
def test_a_file_for_any_client_is_recognised(text: str) -> None:
    assert not is_for_psql(text)
