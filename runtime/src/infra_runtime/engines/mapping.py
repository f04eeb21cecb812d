"""The rows of the tables that list how an engine exports each field of a service."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias

from infra_runtime.value import frozen

Outcome: TypeAlias = Literal["kept", "changed", "left out", "refused"]


@frozen
class Row:
    """A row of the table of fields: how a field is exported, where it is in the files, and a remark."""

    outcome: Outcome
    attribute: str = ""
    remark: str = ""


def table(head: str, place: str, rows: Mapping[str, Row]) -> str:
    """Return rows as a table in Markdown. `head` and `place` are the titles of its first and third column."""
    return "\n".join([f"| {head} | outcome | {place} | |", "| --- | --- | --- | --- |", *_lines(rows), ""])


def _lines(rows: Mapping[str, Row]) -> Iterable[str]:
    for name, row in rows.items():
        yield f"| `{name}` | {row.outcome} | {row.attribute} | {row.remark} |".replace("|  |", "| |")
