"""The filters of log lines in a request, the runs of the stack, and the lines in the streams of pages."""

from __future__ import annotations

import html
import re
import time
from pathlib import Path

import pytest

pytest.importorskip("jinja2", reason="the minimal profile has no templates")
pytest.importorskip("starlette", reason="the minimal profile has no web framework")
pytest.importorskip("httpx", reason="the minimal profile has no HTTP client")

from fakes.dashboard import KEY, Site, events, service
from infra_runtime.dashboard.parameters import iso
from infra_runtime.data_directory.journal import Journal

HEADERS = {"x-dashboard-key": KEY}
#: Unix times of three starts of the stack
FIRST, SECOND, THIRD = 1_780_000_000.25, 1_780_000_100.75, 1_780_000_200.5


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A stack with three runs; each run has written one line."""
    site = Site(tmp_path, service("api"))
    start(site, FIRST, SECOND, THIRD)
    site.log("api", "one\ntwo\nthree\n")
    index = f"{FIRST + 1:.3f} 4\n{SECOND + 1:.3f} 8\n{THIRD + 1:.3f} 14\n"
    Path(site.paths.logs, "api.index").write_text(index, encoding="ascii")
    return site


def start(site: Site, *times: float) -> None:
    """Write starts of the stack to its journal."""
    moments = iter(times)
    journal = Journal(site.paths.journal, lambda: next(moments))
    for _ in times:
        journal.write("up")
    journal.close()


def lines(site: Site, query: str) -> list[str]:
    response = site.ask(f"/api/v1/logs?{query}", headers=HEADERS)
    assert response.status_code == 200
    return [item["text"] for item in response.json()["items"]]


def named(began: float) -> str:
    """Return the name of a run as telemetry names it."""
    return f"{time.strftime('%Y%m%dT%H%M%S', time.localtime(began))}-000000001"


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ("", ["one", "two", "three"]),
        (iso(FIRST), ["one"]),
        (iso(SECOND), ["two"]),
        (iso(THIRD), ["three"]),
        (iso(SECOND + 50), ["two"]),
        ("0s", ["three"]),
        (named(FIRST), ["one"]),
        (named(SECOND + 3), ["two"]),
    ],
)
def test_the_lines_of_an_earlier_run_are_selected(site: Site, run: str, expected: list[str]) -> None:
    assert lines(site, f"run={run.replace('+', '%2B')}") == expected


def test_a_run_and_a_time_are_combined(site: Site) -> None:
    run, since = (iso(moment).replace("+", "%2B") for moment in (SECOND, FIRST))

    assert lines(site, f"run={run}&since={since}&until={since}") == []
    assert lines(site, f"run={run}&since={since}") == ["two"]


@pytest.mark.parametrize("form", ["txt", "jsonl"])
def test_the_file_has_only_the_lines_of_the_run(site: Site, form: str) -> None:
    run = iso(SECOND).replace("+", "%2B")

    text = site.ask(f"/api/v1/logs.{form}?run={run}", headers=HEADERS).text

    assert "two" in text
    assert "one" not in text
    assert "three" not in text


@pytest.mark.parametrize("run", ["never", iso(FIRST - 60), "20200101T000000-000000000", "\x00", "1e99"])
@pytest.mark.parametrize("path", ["/api/v1/logs", "/logs", "/api/v1/streams/logs", "/stream/logs"])
def test_a_run_that_does_not_exist_is_refused(site: Site, path: str, run: str) -> None:
    response = site.ask(path, headers=HEADERS, params={"run": run})

    assert response.status_code == 400
    assert "Traceback" not in response.text


def test_the_page_offers_the_runs_the_newest_first(site: Site) -> None:
    text = site.ask("/logs", headers=HEADERS, params={"run": iso(SECOND)}).text

    options = [f'<option value="{iso(began).replace("+", "&#43;")}"' for began in (THIRD, SECOND, FIRST)]
    places = [text.replace("+", "&#43;").find(option) for option in options]
    assert -1 not in places
    assert places == sorted(places)
    assert text.count(" selected>") == 1
    assert f"{options[1]} selected>" in text.replace("+", "&#43;")
    assert ">this run</option>" in text


def test_a_stack_with_one_run_offers_no_choice(tmp_path: Path) -> None:
    site = Site(tmp_path, service("api"))
    start(site, FIRST)

    assert 'name="run"' not in site.ask("/logs", headers=HEADERS).text
    assert "earlier runs" not in site.ask("/services/api", headers=HEADERS).text


def test_the_page_of_a_service_has_links_to_the_log_of_earlier_runs(site: Site) -> None:
    text = site.ask("/services/api", headers=HEADERS).text

    for began in (FIRST, SECOND):
        assert (
            f'href="/logs?service=api&amp;run={iso(began).replace(":", "%3A").replace("+", "%2B")}"' in text
        )


def test_the_link_beside_the_errors_of_this_run_selects_only_this_run(tmp_path: Path) -> None:
    site = Site(tmp_path, service("api"))
    start(site, FIRST, SECOND)
    site.log("api", "ERROR one\nERROR two\n")
    index = f"{FIRST + 1:.3f} 10\n{SECOND + 1:.3f} 20\n"
    Path(site.paths.logs, "api.index").write_text(index, encoding="ascii")

    page = site.ask("/services/api", headers=HEADERS).text
    link = re.search(r'class="chip bad" href="([^"]+)" title="Errors in the log of this run"', page)

    assert link
    assert lines(site, html.unescape(link[1]).partition("?")[2]) == ["ERROR two"]


def test_the_stream_of_a_service_also_has_the_new_lines_of_its_log(site: Site) -> None:
    site.log("other", "not shown\n")
    cursor = f"api:{Path(site.paths.logs, 'api.log').stat().st_ino:x}:8"

    data = dict(events(site, "/stream/services/api", 2, **{"last-event-id": cursor}))

    assert data.keys() == {"parts", "lines"}
    assert [(line["service"], line["text"]) for line in data["lines"]["items"]] == [("api", "three")]


@pytest.mark.parametrize("path", ["/stream/services/api", "/stream/logs", "/api/v1/streams/logs"])
def test_a_position_that_is_not_valid_is_refused(site: Site, path: str) -> None:
    assert site.ask(f"{path}?after=nonsense", headers=HEADERS).status_code == 400
