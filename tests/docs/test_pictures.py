"""The pictures of the documentation: each one is small, and a page shows it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PICTURES = sorted(path.relative_to(DOCS) for path in DOCS.rglob("*.png"))
#: bytes of one picture
LARGEST = 100_000


@pytest.mark.parametrize("picture", PICTURES, ids=str)
def test_a_picture_is_small_and_shown_with_a_description(picture: Path) -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in (DOCS / picture.parts[0]).glob("*.md"))

    described = re.findall(r"!\[([^]]+)\]\(([^)]+)\)", pages)

    assert (DOCS / picture).stat().st_size <= LARGEST
    assert str(Path(*picture.parts[1:])) in {path for description, path in described if len(description) > 20}
