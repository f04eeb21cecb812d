"""A trace as lines of text: a row with a bar for each span, below the row of its parent.

pytest  test_an_order      ███████████████████████████  512 ms  ✗
pytest    setup            ████                          80 ms
pytest    call                 ███████████████████████  430 ms  ✗
api         POST /orders         ██████████████         260 ms  ✗ KeyError: 'price'
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from infra_runtime.telemetry.span_tree import levels
from pytest_infra.spans import PLUGIN, Span, Trace

#: the maximum number of characters of a service's name, and the minimum number of characters of a bar
SERVICE, BAR = 16, 10
#: the space between two columns
GAP = "  "
#: the maximum number of levels of the tree that are indented
LEVELS = 8
#: the maximum share of a row's width that is used for the names
NAMES = 0.45
#: The time axis ends at most this number of nanoseconds after the root span. Otherwise, a service whose clock
#: is wrong could make the axis very long.
LATE = 60 * 10**9
#: the mark of a span with an error
ERROR = "✗"


class Row(NamedTuple):
    """A span with its level in the tree; the root span has the level 0."""

    span: Span
    level: int


def waterfall(spans: Sequence[Span], width: int, limit: int = 0) -> list[str]:
    """Return a line of text for each span; at most `limit` lines if `limit` is not 0.

    If there are more spans, the lines contain the spans with errors and the longest spans, with the spans
    above them in the tree. The last line then contains the number of the omitted spans.
    """
    rows = tree(spans)
    visible_rows = rows if not limit or len(rows) <= limit else _most_important(rows, limit - 1)
    if not visible_rows:
        return []
    root = rows[0].span
    end = max(row.span.end for row in rows if row.span.end < root.end + LATE)
    services = _aligned([printable(row.span.service) for row in visible_rows], SERVICE)
    durations = _aligned([duration(row.span.end - row.span.start).rjust(7) for row in visible_rows], width)
    marks = _aligned([_mark(row.span) for row in visible_rows], width // 4)
    remaining = width - sum(len(column[0]) + len(GAP) for column in (services, durations, marks)) - len(GAP)
    names = _aligned(
        [f"{'  ' * min(row.level, LEVELS)}{printable(row.span.name)}" for row in visible_rows],
        max(min(round(width * NAMES), remaining - BAR), BAR),
    )
    bar_width = max(remaining - len(names[0]), BAR)
    bars = [_bar(row.span, root.start, end, bar_width) for row in visible_rows]
    lines = [GAP.join(cells).rstrip() for cells in zip(services, names, bars, durations, marks, strict=True)]
    if len(visible_rows) < len(rows):
        lines.append(f"… {len(rows) - len(visible_rows)} more spans are in the failure report")
    return lines


def text(trace: Trace, width: int) -> str:
    """Return a whole trace as text: the waterfall, the messages of errors, and the log records."""
    parts = [f"trace {trace.id}", "", *waterfall(trace.spans, width)]
    errors = [span for span in trace.spans if span.status == "error" and span.message]
    if errors:
        parts += ["", "errors:"]
        parts += [f"  {printable(f'{span.service}: {span.name}: {span.message}')}" for span in errors]
    if trace.logs:
        start = min((span.start for span in trace.spans), default=trace.logs[0].time)
        parts += ["", "log records:"]
        parts += [
            f"  {(record.time - start) / 1e9:+.3f} s  "
            f"{printable(f'{record.service}  {record.level}  {record.body}')}"
            for record in trace.logs
        ]
    return "\n".join(parts) + "\n"


def has_services(spans: Iterable[Span]) -> bool:
    """Return whether at least one of the spans is from a service, and not from the plugin."""
    return any(span.service != PLUGIN for span in spans)


def tree(spans: Sequence[Span]) -> list[Row]:
    """Return the spans in the order of a tree: each span before the spans below it, siblings by their start.

    A span whose parent is missing is below the first root span.
    """
    if not spans:
        return []
    root = next((span for span in spans if not span.parent), spans[0])
    by_id = {span.id: span for span in sorted(spans, key=lambda span: (span.start, -span.end))}
    parents = {
        key: span.parent if span.parent in by_id and span.parent != key else root.id
        for key, span in by_id.items()
    }
    return [Row(by_id[key], level) for key, level in levels({**parents, root.id: ""}).items()]


def _most_important(rows: Sequence[Row], limit: int) -> list[Row]:
    """Return at most `limit` rows in their order, each with all rows above it in the tree.

    The rows with errors have priority, then the rows of the longest spans.
    """
    above: dict[str, list[str]] = {}
    path: list[Row] = []
    for row in rows:
        del path[row.level :]
        above[row.span.id] = [parent.span.id for parent in path]
        path.append(row)
    selected_ids: set[str] = set()
    for span, _ in sorted(rows, key=_weight):
        new_ids = {span.id, *above[span.id]} - selected_ids
        if len(selected_ids) + len(new_ids) <= limit:
            selected_ids |= new_ids
    return [row for row in rows if row.span.id in selected_ids]


def _weight(row: Row) -> tuple[bool, bool, int]:
    span = row.span
    return (row.level > 0, span.status != "error", span.start - span.end)


def _bar(span: Span, start: int, end: int, width: int) -> str:
    """Return the bar of a span on a time axis from `start` to `end`."""
    scale = width / max(end - start, 1)
    first_column = min(max(int((span.start - start) * scale), 0), width - 1)
    last_column = min(max(round((span.end - start) * scale), first_column + 1), width)
    return (" " * first_column + "█" * (last_column - first_column)).ljust(width)


def _mark(span: Span) -> str:
    """Return the mark of a span with an error, and the error's message; empty for a span without an error.

    The message of a span of the plugin is omitted, because pytest prints the failure of the test.
    """
    if span.status != "error":
        return ""
    message = "" if span.service == PLUGIN else printable(span.message.partition("\n")[0])
    return f"{ERROR} {message}".rstrip()


def _aligned(cells: Sequence[str], width: int) -> list[str]:
    """Return the cells of a column, all with the length of the longest cell, but at most `width`."""
    width = min(max(map(len, cells)), width)
    return [cell.ljust(width) if len(cell) <= width else f"{cell[: width - 1]}…" for cell in cells]


def duration(nanoseconds: int) -> str:
    """Return a duration with its unit, such as `1.50 s`, `12 ms` or `0.3 ms`."""
    if nanoseconds >= 10**9:
        return f"{nanoseconds / 1e9:.2f} s"
    milliseconds = nanoseconds / 1e6
    return f"{milliseconds:.0f} ms" if milliseconds >= 10 else f"{milliseconds:.1f} ms"


def printable(line: str) -> str:
    """Return a text in which characters that control a terminal or its layout are escaped."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in line
    )
