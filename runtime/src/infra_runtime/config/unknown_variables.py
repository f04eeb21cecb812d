"""Variables that look like ours and are nobody's: a typo, which would go unnoticed otherwise.

Others may begin with `INFRA_` too, so only a name that nearly is one of ours is told.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from infra_runtime.config import stack_file
from infra_runtime.config.request import read_dotenv
from infra_runtime.errors import close_match

PREFIX, NESTED = "INFRA_", "__"
#: settings that are tables: what is in them stands behind two underscores
TABLES = frozenset({"SERVICES", "PROFILES"})
#: the other settings of the stack, and what is read before there is one
NAMES = frozenset({"USE", "PROFILE", "CONFIG_SERVICE", "ENV", "DATA", "RUNTIME_DIR", "CACHE"})
#: what a supervisor tells its services
TOLD = frozenset({"SERVICE", "STACK_TOKEN"})
#: above what `INFRA_TEST_PROFILE` and `INFRA_PROFILE` have in common
LIKENESS = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class Misspelt:
    """A variable, where it was found, and the one that was perhaps meant."""

    name: str
    file: str
    meant: str

    def __str__(self) -> str:
        where = f"{self.file}: " if self.file else ""
        return f"{where}nothing reads {self.name}; did you mean {self.meant}?"


def misspelt(directory: Path | None = None) -> list[Misspelt]:
    """Those of the environment and of the `.env` beside the stack file."""
    start = (directory or Path.cwd()).resolve()
    file = stack_file.find(start)
    path = (file.path.parent if file else start) / ".env"
    return [*_among(os.environ, ""), *_among(read_dotenv(path, PREFIX.encode()), str(path))]


def _among(names: Iterable[str], file: str) -> Iterator[Misspelt]:
    for name in names:
        word = name.upper().removeprefix(PREFIX)
        if name.upper().startswith(PREFIX) and (meant := _meant(word)):
            yield Misspelt(name=name, file=file, meant=PREFIX + meant)


def _meant(word: str) -> str:
    """What nearly is the word, behind the prefix; empty when it is right, or quite another one."""
    head, nested, rest = word.partition(NESTED)
    known = TABLES if nested else TABLES | NAMES | TOLD
    if head in known:
        return ""
    table, _, key = head.partition("_")
    if table in TABLES:
        return NESTED.join([table, *key.split("_"), *([rest] if rest else [])])
    near = close_match(head, known - TOLD, likeness=LIKENESS)
    return f"{near}{nested}{rest}" if near else ""
