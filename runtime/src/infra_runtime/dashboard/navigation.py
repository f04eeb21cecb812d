"""The pages in the navigation of the dashboard, and the numbers of errors beside them."""

from __future__ import annotations

from collections.abc import Mapping

from infra_runtime.dashboard.stack import State
from infra_runtime.messages import Phase

#: path, title and key (after `g`) of the pages in the navigation
NAVIGATION = (
    ("/", "Services", "s"),
    ("/logs", "Logs", "l"),
    ("/traces", "Traces", "r"),
    ("/tests", "Tests", "e"),
    ("/search", "Search", "f"),
    ("/records", "Log records", "o"),
    ("/charts", "Metrics", "m"),
    ("/alerts", "Alerts", "a"),
    ("/apis", "APIs", "i"),
    ("/graph", "Graph", "g"),
    ("/start", "Start", "t"),
    ("/snapshots", "Snapshots", "n"),
    ("/configuration", "Configuration", "c"),
)
#: the first pages, which a narrow screen always shows; the others are in a menu
MAIN_PAGES = 4


def error_counts(state: State | None) -> Mapping[str, tuple[int, str]]:
    """Return the id of an element beside a link → the number of errors on the page, and its description."""
    failed = errors = 0
    if state:
        failed = sum(service.phase is Phase.FAILED for service in state.services)
        errors = sum(state.errors.values())
    return {
        "count-services": (failed, f"{failed} failed service{'' if failed == 1 else 's'}"),
        "count-logs": (errors, f"{errors} error{'' if errors == 1 else 's'} in the logs"),
    }
