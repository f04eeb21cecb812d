"""The shared rows: only those of changed services are rendered again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

pytest.importorskip("jinja2", reason="the minimal profile has no templates")
pytest.importorskip("starlette", reason="the minimal profile has no web framework")
pytest.importorskip("httpx", reason="the minimal profile has no HTTP client")

from fakes.dashboard import Site, service
from infra_runtime.dashboard.service_rows import PAGES, ServiceRows
from infra_runtime.dashboard.streams import Parts
from infra_runtime.messages import Phase


def test_only_a_changed_row_is_rendered_again(tmp_path: Path) -> None:
    site, shown = Site(tmp_path, service("db"), service("api")), ServiceRows()

    async def main() -> tuple[Parts[str], Parts[str], Parts[str]]:
        stack = site.dashboard().stack
        first = await stack.state()
        site.supervisor.services["api"] = service("api", phase=Phase.FAILED, reason="disk full")
        stack.change()
        second = await stack.state()
        states = (first, first, second)
        before, again, after = (shown.parts(state, "service_row.html", "service") for state in states)
        return before, again, after

    before, again, after = asyncio.run(main())

    assert again is before
    assert after["service-db"] is before["service-db"]
    assert "disk full" in after["service-api"]
    assert "disk full" not in before["service-api"]


def test_the_row_of_a_removed_service_is_removed(tmp_path: Path) -> None:
    site, shown = Site(tmp_path, service("db"), service("api")), ServiceRows()

    async def main() -> Parts[str]:
        stack = site.dashboard().stack
        shown.parts(await stack.state(), "service_row.html", "service")
        del site.supervisor.services["api"]
        stack.change()
        return shown.parts(await stack.state(), "service_row.html", "service")

    assert [*asyncio.run(main())] == ["service-db"]


def test_the_parts_of_a_page_are_remembered_for_its_first_stream() -> None:
    shown = ServiceRows()
    first = shown.add({"service-db": "ready"})
    second = shown.add({"service-db": "stopped"})

    assert shown.remembered(second) == {"service-db": "stopped"}
    assert shown.remembered(second) == {}
    for _ in range(PAGES):
        shown.add({})
    assert shown.remembered(first) == {}
