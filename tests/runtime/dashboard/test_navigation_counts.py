"""The numbers beside the links of the navigation: failed tests of the newest session, and firing alerts."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("jinja2", reason="the minimal profile has no templates")
pytest.importorskip("starlette", reason="the minimal profile has no web framework")
pytest.importorskip("httpx", reason="the minimal profile has no HTTP client")

from fakes.dashboard import Site, events, service
from fakes.dashboard_data import write_session
from fakes.telemetry import Answers

ALERTS = {
    "items": [
        {
            "start": 1,
            "end": 0,
            "status": status,
            "name": name,
            "service": "api",
            "severity": "critical",
            "labels": {},
            "annotations": {},
        }
        for name, status in (("Slow", "firing"), ("Down", "firing"), ("Late", "resolved"))
    ],
    "more": False,
}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path, service("api"), service("collector", pid=1))
    site.supervisor.exported = {"collector": {"query_url": "http://127.0.0.1:9", "key": "secret"}}
    return site


def numbers(site: Site, path: str = "/stream/graph") -> str:
    """Return the HTML of the numbers after the first read of the tests and alerts."""
    return " ".join(
        html
        for _, data in events(site, path, 2)
        for part, html in data["parts"].items()
        if part in {"count-tests", "count-alerts"} and "hidden>" not in html
    )


@pytest.mark.parametrize("path", ["/stream/graph", "/stream/services/api", "/stream/logs"])
def test_failed_tests_and_firing_alerts_change_the_navigation(
    site: Site, answers: Answers, path: str
) -> None:
    answers["alerts"] = ALERTS
    counts = {"passed": 3, "failed": 1, "error": 2}
    write_session(Path(site.paths.data), {"test": "a", "outcome": "failed", "counts": counts})

    shown = numbers(site, path)

    assert "3 failed tests in the newest session" in shown
    assert "2 firing alerts" in shown
    assert answers.parameters["alerts"]["status"] == "firing"


def test_a_telemetry_service_without_a_process_is_not_started_by_the_navigation(
    site: Site, answers: Answers
) -> None:
    answers["alerts"] = ALERTS
    site.supervisor.services["collector"] = service("collector", pid=0)
    write_session(Path(site.paths.data), {"test": "a", "outcome": "failed", "counts": {"failed": 1}})

    shown = numbers(site)

    assert "1 failed test in the newest session" in shown
    assert "firing" not in shown
    assert answers.parameters == {}


@pytest.mark.parametrize(
    "exported", [{}, {"collector": {"query_url": "http://127.0.0.1:9", "key": "secret"}}]
)
def test_telemetry_that_is_missing_or_refuses_has_no_alerts(
    site: Site, answers: Answers, exported: dict[str, dict[str, str]]
) -> None:
    site.supervisor.exported = exported
    write_session(Path(site.paths.data), {"test": "a", "outcome": "failed", "counts": {"failed": 1}})

    assert "1 failed test in" in numbers(site)
    assert "alerts" not in answers
