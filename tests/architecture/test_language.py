"""The texts of the project are in plain technical English: no banned word or phrase occurs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
#: pattern → what to write instead
BANNED = {
    r"(nobody|somebody|anybody|whoever|whomever|everybody)": "name the process, user or service",
    r"no one": "name the process, user or service",
    r"(strangers?|heirs?|cousins?|orphans)": "foreign process, derived schema, orphaned process",
    r"orph(an|ans)": "orphaned process",
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
    r"(knows|sees|believes?|thinks?|suffers?|remembers?)": "contains, reads, detects, stores",
    r"(forgets?|forgotten|promises|promised)": "removes, guarantees",
    r"(lives|lived|dies)": "is in, runs, exits",
    r"(happy|happily|honest(ly)?|obviously|of course)": "state the fact only",
}
FOLDERS = (
    *("runtime/src", "cli/src", "pytest_infra/src", "tests"),
    *("benchmarks", "examples", "docs", "changelog.d"),
)
ROOT_FILES = (
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md"),
    *("pyproject.toml", "tox.ini", "justfile", ".ci/run"),
)
#: JSON is data, such as a published schema, apart from the schema of the reports.
SUFFIXES = {".css", ".html", ".java", ".js", ".md", ".py", ".schema.json", ".sql", ".svg", ".toml", ".txt"}
FILES = [
    *(ROOT / name for name in ROOT_FILES),
    *sorted(
        path
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if SUFFIXES & {path.suffix, "".join(path.suffixes)} and path != Path(__file__)
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


def test_all_kinds_of_texts_are_searched() -> None:
    assert {path.suffix for path in FILES} >= {suffix for suffix in SUFFIXES if suffix.count(".") == 1}
    assert any(path.name == "report.schema.json" for path in FILES)


def test_phrases_are_found_across_lines_with_their_advice() -> None:
    text = "# Hence the port\n# is not free any\n# more; it is no longer leased.\n"

    assert list(banned_phrases(text)) == [
        "1: 'hence' (so, therefore)",
        "2: 'any # more' (no longer)",
    ]
