"""The page of the services gets new rows and keeps the others."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

from infra_runtime.manifest import KINDS

HEADING = "| kind | cold start |\n| --- | ---: |"


@pytest.fixture
def figures(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(checkout))
    return importlib.import_module("benchmarks.figures")


def test_new_rows_replace_old_ones_in_the_order_of_the_kinds(figures: ModuleType) -> None:
    kinds, new = ["nats", "caddy", "valkey"], {"valkey": "| `valkey` | 3 ms |"}
    table = f"{HEADING}\n| `nats` † | 1 ms |\n| `valkey` | 2 ms |"
    page = f"# Title\n\n{figures.BEGIN}\n\nold text\n\n{table}\n\n{figures.END}\n\n† slow\n"

    text = figures.updated(page, HEADING, new, kinds, "Fast.")

    assert text.startswith(f"# Title\n\n{figures.BEGIN}\n\nFast. A cold start begins")
    assert f"\n\n{HEADING}\n| `nats` † | 1 ms |\n| `valkey` | 3 ms |\n\n" in text
    assert (
        "The kind `nats` is from an earlier measurement.\n\nThe kind `caddy` is not in the table, because"
        in text
    )
    assert text.endswith(f"\n\n{figures.END}\n\n† slow\n")
    assert figures.updated(text, HEADING, new, kinds, "Fast.") == text


def test_a_page_without_the_table_is_refused(figures: ModuleType) -> None:
    with pytest.raises(ValueError, match="has no table"):
        figures.updated("# Title\n", HEADING, {}, [], "")


def test_the_updated_page_has_the_rows_of_the_table(figures: ModuleType) -> None:
    text = figures.PAGE.read_text(encoding="utf-8")

    changed = figures.updated(text, HEADING, {kind: f"| `{kind}` | 1 ms |" for kind in KINDS}, KINDS, "Fast.")

    assert all(f"| `{kind}` | 1 ms |" in changed for kind in KINDS)
    assert "earlier measurement" not in changed
    assert "not in the table" not in changed
