"""Verdicts are compared with those of oasdiff's tests; skipped if the corpus is not installed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("yaml", reason="needs the extra `openapi`")

from infra_openapi import compare, load

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "openapi-corpus"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "api-check-verdicts.md"


def disagreements() -> tuple[int, list[str]]:
    cases = json.loads((CORPUS / "cases.json").read_text())
    pairs = []
    for case in cases:
        report = compare(load(CORPUS / case["base"]), load(CORPUS / case["revision"]))
        if report.breaking != case["breaking"]:
            pairs.append(Path(case["base"]).name.removesuffix("__base.json"))
    return len(cases), pairs


@pytest.mark.skipif(not CORPUS.is_dir(), reason=f"the corpus of pairs is not at {CORPUS}")
def test_at_least_98_percent_of_verdicts_agree_and_the_page_explains_the_others() -> None:
    total, other = disagreements()
    page = PAGE.read_text()

    assert len(other) <= total * 0.02
    assert [name for name in other if name not in page] == []
