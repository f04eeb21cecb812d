"""The table of figures in the page of the services, which `benchmarks.kinds --page` updates.

The table is between two comments. The first cell of a row is the kind; a row of a kind that was not measured
again is kept.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "services.md"
BEGIN, END = "<!-- figures: python -m benchmarks.kinds --page -->", "<!-- end of the figures -->"
#: what the page states about a kind without a row; pytest-infra installs no server under the AGPL
_ABSENT = "not in the table, because no server program was installed, or the measurement failed"
_ROW = re.compile(r"^\| `([a-z0-9-]+)`.*\|$", re.MULTILINE)
_EXPLANATION = (
    "A cold start begins with an empty data directory and filled caches, and ends when the service is ready; "
    "the column *without supervisor* is the time of a script that starts the same programs. A dash in this "
    "column means that the script cannot determine when the programs are ready: the probe uses TLS or a "
    "command, or the service reports to the supervisor. The processor time, RSS and PSS are those of the "
    "server when it is ready. `dashboard` and `telemetry` start at the first connection, so they are "
    "measured after their first answer. `attach()` connects to a running stack."
)


def updated(page: str, heading: str, rows: Mapping[str, str], kinds: Iterable[str], measured: str) -> str:
    """Return the text of the page with new rows.

    `heading` is the first two lines of the table, `rows` is kind → row, `kinds` are all kinds in the order of
    the table, and `measured` is a sentence about the machine. Raises `ValueError` if the page has no table.
    """
    text_before, begin, text_from_table = page.partition(BEGIN)
    old_table, end, text_after = text_from_table.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no table between {BEGIN} and {END}")
    row_of_kind = {**{match[1]: match[0] for match in _ROW.finditer(old_table)}, **rows}
    kinds = list(kinds)
    table = [row_of_kind[kind] for kind in kinds if kind in row_of_kind]
    notes = [
        *_note(
            [kind for kind in kinds if kind in row_of_kind and kind not in rows],
            "from an earlier measurement",
        ),
        *_note([kind for kind in kinds if kind not in row_of_kind], _ABSENT),
    ]
    text = [_filled(f"{measured} {_EXPLANATION}"), "\n".join([heading, *table]), *map(_filled, notes)]
    return "\n\n".join([text_before + begin, *text, end + text_after])


def _note(kinds: list[str], predicate: str) -> list[str]:
    """Return a sentence about kinds; no sentence without kinds."""
    *first_kinds, last_kind = [f"`{kind}`" for kind in kinds] or [""]
    if not last_kind:
        return []
    return [
        f"The kinds {', '.join(first_kinds)} and {last_kind} are {predicate}."
        if first_kinds
        else f"The kind {last_kind} is {predicate}."
    ]


def _filled(text: str) -> str:
    return textwrap.fill(text, width=120, break_long_words=False, break_on_hyphens=False)
