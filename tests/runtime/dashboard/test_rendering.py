"""The templates: they are compiled before the pages that need them are requested."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("jinja2", reason="the minimal profile has no templates")
pytest.importorskip("starlette", reason="the minimal profile has no web framework")
pytest.importorskip("httpx", reason="the minimal profile has no HTTP client")

from fakes.dashboard import Site, service
from infra_runtime.dashboard import rendering
from infra_runtime.dashboard.rendering import compile_templates, environment


def test_the_page_of_the_login_starts_the_compilation_of_all_templates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rendering, "_BETWEEN", 0.0)
    environment.cache_clear()
    compile_templates.cache_clear()
    site = Site(tmp_path, service("api"))

    site.ask("/login")

    assert compile_templates.cache_info().currsize == 1
    compile_templates().join(60)
    cache = environment().cache
    assert cache is not None
    assert {name for _, name in cache} == {*environment().list_templates()}
