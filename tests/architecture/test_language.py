"""Sources, documentation and changelog are in plain technical English: no banned word or phrase occurs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
#: pattern → what to write instead
BANNED = {
    r"(nobody|somebody|anybody|whoever|whomever|everybody)": "name the process, user or service",
    r"no one": "name the process, user or service",
    r"(strangers?|heirs?|cousins?|orphans?)": "foreign process, derived schema, orphaned process",
    r"last words?": "last log lines",
    r"polite(ly)?": "name the signal",
    r"bears?": "has, contains",
    r"(tells|told) (of|all)": "reports, prints, describes",
    r"(is|are|was|were) no (?!longer|more)[a-z]+": "is not a …",
    r"anew": "again",
    r"mend(s|ed|ing)?": "fix",
    r"dear(er|est|ly)?": "slow, expensive",
    r"aloud": "printed",
    r"any more": "no longer",
    r"of (one's|its|his|their) own": "its own …",
    r"(thereof|therein|thereby|hence|whence|hereby|thus)": "so, therefore",
    r"in peace": "without an error",
    r"to the death": "until it exits",
}
FOLDERS = (
    *("runtime/src", "cli/src", "pytest_infra/src", "tests"),
    *("benchmarks", "examples", "docs", "changelog.d"),
)
FILES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
    *sorted(
        path
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".md"} and path != Path(__file__)
    ),
]


#: the letters with which a pattern can begin, and some more: other positions are skipped at once
LETTERS = "".join({letter for pattern in BANNED for letter in re.findall(r"(?:^\(?|\|)([a-z])", pattern)})
#: all patterns in one, because the search in all files is slow; the text must be in lower case
PHRASE = re.compile(
    f"(?<![a-z])(?=[{LETTERS}])(?:"
    + "|".join(
        f"(?P<p{number}>{pattern})".replace(" ", r"(?:\s+(?:#:?\s+)?|_)")
        for number, pattern in enumerate(BANNED)
    )
    + ")(?![a-z])"
)
ADVICE = {f"p{number}": advice for number, advice in enumerate(BANNED.values())}


def banned_phrases(text: str) -> Iterator[str]:
    """`LINE: PHRASE (ADVICE)` for each banned phrase; an underscore or a line break may stand for a space."""
    lower = text.lower()
    for match in PHRASE.finditer(lower):
        line = lower.count("\n", 0, match.start()) + 1
        yield f"{line}: {' '.join(match[0].split())!r} ({ADVICE[str(match.lastgroup)]})"


def test_no_banned_phrase_occurs() -> None:
    texts = ((path.relative_to(ROOT), path.read_text(encoding="utf-8")) for path in FILES)

    assert [f"{path}:{phrase}" for path, text in texts for phrase in banned_phrases(text)] == []


def test_identifiers_are_searched_too() -> None:
    assert list(banned_phrases("def nobody_reads(): ..."))


def test_phrases_are_found_across_lines_with_their_advice() -> None:
    text = "# Hence the port\n# is not free any\n# more; it is no longer leased.\n"

    assert list(banned_phrases(text)) == [
        "1: 'hence' (so, therefore)",
        "2: 'any # more' (no longer)",
    ]
