"""All selected lines as a file: both formats, filters, and lines that arrive while the file is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("jinja2", reason="the minimal profile has no templates")
pytest.importorskip("starlette", reason="the minimal profile has no web framework")
pytest.importorskip("httpx", reason="the minimal profile has no HTTP client")

from fakes.dashboard import KEY, Site
from infra_runtime.dashboard import log_export
from infra_runtime.dashboard.log_query import Query

HEADERS = {"x-dashboard-key": KEY}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_text_file_has_times_and_services_and_no_escape_sequences(site: Site) -> None:
    site.log("api", "\x1b[31mERROR one\x1b[0m\nINFO two\n")
    site.log("db", "three\n")

    response = site.ask("/api/v1/logs.txt?service=api", headers=HEADERS)

    assert response.headers["content-disposition"] == 'attachment; filename="logs.txt"'
    assert [line.partition(" ")[2] for line in response.text.splitlines()] == [
        "api ERROR one",
        "api INFO two",
    ]


def test_each_line_of_json_has_level_text_and_fields(site: Site) -> None:
    site.log("api", '{"level": "error", "msg": "paid", "user": "ann"}\ncaf\xe9 \\ud800\n')

    response = site.ask("/api/v1/logs.jsonl", headers=HEADERS)
    first, second = map(json.loads, response.text.splitlines())

    assert (first["service"], first["level"], first["fields"]) == ("api", "error", {"user": "ann"})
    assert second["text"] == "caf\xe9 \\ud800"


def test_the_filters_of_the_page_select_the_lines(site: Site) -> None:
    site.log("api", "ERROR one\n  detail\nINFO two\n")

    text = site.ask("/api/v1/logs.txt?level=error&exclude=text%3Done", headers=HEADERS).text

    assert [line.partition(" api ")[2] for line in text.splitlines()] == ["  detail"]
    assert site.ask("/api/v1/logs.txt?level=loud", headers=HEADERS).status_code == 400
    assert site.ask("/api/v1/logs.jsonl?exclude=x", headers=HEADERS).status_code == 400


def test_a_long_file_has_parts_of_bounded_size_and_ends_where_the_log_ended(site: Site) -> None:
    line = "x" * 1000 + "\n"
    path = site.log("api", line * 300)

    parts = log_export.parts(Path(site.paths.logs), Query(), "txt")
    first = next(parts)
    with path.open("a") as file:
        file.write("later\n")
    rest = [*parts]

    assert max(map(len, [first, *rest])) < log_export.PART + 2000
    whole = b"".join([first, *rest])
    assert (whole.count(b"\n"), b"later" in whole) == (300, False)


def test_bytes_that_are_not_utf8_are_replaced(site: Site) -> None:
    site.log("api", b"caf\xe9 \xff\n")

    assert site.ask("/api/v1/logs.txt", headers=HEADERS).text.endswith("api caf\ufffd \ufffd\n")
    assert json.loads(site.ask("/api/v1/logs.jsonl", headers=HEADERS).text)["text"] == "caf\ufffd \ufffd"
