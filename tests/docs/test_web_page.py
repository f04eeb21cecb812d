"""The page about the web middleware lists every setting, public name, metric, path and middleware."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("structlog", reason="needs the extra `web`")

from fakes.samples import every
from infra_runtime import web
from infra_runtime.web import endpoints
from infra_runtime.web.metrics import Metrics

PAGE = (Path(__file__).parent.parent.parent / "docs" / "reference" / "web.md").read_text(encoding="utf-8")


@every(web.WebSettings.model_fields)
def test_a_setting_is_in_the_page(name: str) -> None:
    assert re.search(rf"^\| .*`{name}`.* \|", PAGE, re.MULTILINE)


@every(web.__all__)
def test_a_public_name_is_in_the_page(name: str) -> None:
    assert re.search(rf"`(?:await )?(?:web\.)?{name}[`(.]", PAGE)


@pytest.mark.parametrize("path", sorted(endpoints.PATHS))
def test_a_path_is_in_the_page(path: str) -> None:
    assert f"| `{path}" in PAGE


def test_every_metric_is_in_the_page() -> None:
    families = [(metric.name, metric.type) for metric in Metrics().registry.collect()]
    names = [f"{name}_total" if kind == "counter" else name for name, kind in families]

    assert names
    assert [name for name in names if f"`{name}`" not in PAGE] == []
