"""The pages of the documentation: their fenced blocks and the targets of their links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted(
    path
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md"))
    if path.is_file()
)
FENCE = re.compile(
    r"^(?:<!-- not run: (?P<reason>[^\n]+) -->\n)?"
    r"^```(?P<language>\w+)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)(?:#[^)\s]*)?\)")


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block of a page."""

    line: int
    language: str
    text: str
    title: str = ""
    #: the reason why the block is not run; empty if it is run
    reason: str = ""

    @property
    def needs_servers(self) -> bool:
        """Whether the block may start services."""
        return not self.reason and not self.title and self.language in {"python", "console"}


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page, in their order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            line=text.count("\n", 0, match.start("language")) + 1,
            language=match["language"],
            text=match["text"],
            title=match["title"] or "",
            reason=match["reason"] or "",
        )
        for match in FENCE.finditer(text)
    ]


def links(page: Path) -> list[str]:
    """Return the files to which a page links, without links to web sites, to mail and within the page."""
    return [target for target in LINK.findall(page.read_text(encoding="utf-8")) if target]
