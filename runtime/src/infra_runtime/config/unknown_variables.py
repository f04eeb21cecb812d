"""Report misspelled variables: their names begin with `INFRA_` and are similar to a variable of pytest-infra.

Other names with this prefix are not reported, because other programs may use them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from infra_runtime.config import stack_file
from infra_runtime.config.request import read_dotenv
from infra_runtime.errors import close_match
from infra_runtime.value import frozen

PREFIX, NESTED = "INFRA_", "__"
#: settings that are tables; in the name of a variable, two underscores separate the table from the key
TABLES = frozenset({"SERVICES", "PROFILES"})
#: the other settings of the stack, and the variables that are read before the stack is resolved
NAMES = frozenset(
    {
        *("USE", "PROFILE", "PROXY", "CONFIG_SERVICE", "DASHBOARD", "TELEMETRY", "TMPFS"),
        *("ENV", "DATA", "RUNTIME_DIR", "CACHE", "BINARIES", "INSTALL", "LOG_LIMIT", "LOG_TOTAL"),
        "DEBIAN_ARCHIVE",
        *("CONTAINER_ENGINE", "ENGINE", "CONTEXT", "NAMESPACE"),
    }
)
#: variables that the supervisor sets for its services
SET_BY_SUPERVISOR = frozenset({"SERVICE", "STACK_TOKEN"})
#: the least similarity (0 to 1) of a misspelled name to the correct name; the correct names
#: `INFRA_TEST_PROFILE` and `INFRA_PROFILE` have a lower similarity
SIMILARITY = 0.75


@frozen
class MisspelledVariable:
    """A misspelled variable, the file that sets it (empty for the environment), and the most similar name."""

    name: str
    file: str
    correct_name: str

    def __str__(self) -> str:
        where = f"{self.file}: " if self.file else ""
        return f"{where}{self.name} is not used; did you mean {self.correct_name}?"


def misspelled_variables(directory: Path | None = None) -> list[MisspelledVariable]:
    """Return the misspelled variables of this process and of the file `.env` in the stack file's folder."""
    start = (directory or Path.cwd()).resolve()
    file = stack_file.find(start)
    path = (file.path.parent if file else start) / ".env"
    return [*_among(os.environ, ""), *_among(read_dotenv(path, PREFIX.encode()), str(path))]


def _among(names: Iterable[str], file: str) -> Iterator[MisspelledVariable]:
    for name in names:
        word = name.upper().removeprefix(PREFIX)
        if name.upper().startswith(PREFIX) and (correct_name := _correct_name(word)):
            yield MisspelledVariable(name=name, file=file, correct_name=PREFIX + correct_name)


def _correct_name(word: str) -> str:
    """Return the known name that is most similar to the variable name `word`, both without `INFRA_`.

    Return an empty text if `word` is a known name, or if no known name is similar.
    """
    head, nested, key_in_table = word.partition(NESTED)
    known = TABLES if nested else TABLES | NAMES | SET_BY_SUPERVISOR
    if head in known:
        return ""
    table, _, key = head.partition("_")
    if table in TABLES:
        return NESTED.join([table, *key.split("_"), *([key_in_table] if key_in_table else [])])
    match = close_match(head, known - SET_BY_SUPERVISOR, likeness=SIMILARITY)
    return f"{match}{nested}{key_in_table}" if match else ""
