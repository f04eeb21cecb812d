"""A trace as lines of text: the order of the rows, the kept rows, the widths, hostile texts."""

from __future__ import annotations

from pytest_infra.report.waterfall import LATE, SERVICE, duration, text, tree, waterfall
from pytest_infra.spans import LogRecord, Span, Trace

MILLISECOND = 10**6


def span(
    key: str, parent: str, start: int, end: int, *, name: str = "", service: str = "api", error: str = ""
) -> Span:
    """Return a span; times are milliseconds."""
    return Span(
        service=service,
        name=name or key,
        kind="internal",
        status="error" if error else "unset",
        message=error,
        start=start * MILLISECOND,
        end=end * MILLISECOND,
        attributes={},
        events=(),
        trace="a" * 32,
        id=key,
        parent=parent,
    )


ROOT = span("root", "", 0, 100, service="pytest", name="test_order")
ORDER = span("order", "root", 20, 80, name="POST /orders", error="KeyError: 'price'\nmore")
QUERY = span("query", "order", 30, 40, name="SELECT", service="database")


def test_a_row_is_below_the_row_of_its_parent_with_a_bar_at_its_time() -> None:
    lines = waterfall([QUERY, ORDER, ROOT], 80)

    assert lines == [
        "pytest    test_order      ████████████████████████   100 ms",
        "api         POST /orders      ███████████████         60 ms  ✗ KeyError: 'price'",
        "database      SELECT             ███                  10 ms",
    ]


def test_a_line_is_at_most_as_wide_as_the_terminal() -> None:
    spans = [
        span("root", "", 0, 100, name="n" * 300, service="s" * 300),
        span("error", "root", 0, 100, name="n" * 300, error="e" * 300),
    ]

    for width in (80, 120, 200):
        lines = waterfall(spans, width)

        assert max(map(len, lines)) == width
        assert lines[0].startswith("s" * (SERVICE - 1) + "…  ")


def test_errors_and_the_longest_spans_are_kept_with_the_spans_above_them() -> None:
    short = [span(f"short{number}", "root", number, number + 1) for number in range(50)]
    long = span("long", "root", 0, 90)
    deep = [span("d1", "short7", 7, 8), span("d2", "d1", 7, 8, error="refused")]

    lines = waterfall([ROOT, *short, long, *deep], 80, 6)

    assert [line.split()[1] for line in lines[:5]] == ["test_order", "long", "short7", "d1", "d2"]
    assert lines[5] == "… 49 more spans are in the failure report"


def test_a_limit_that_is_not_reached_leaves_out_nothing() -> None:
    assert len(waterfall([ROOT, ORDER, QUERY], 80, 3)) == 3
    assert waterfall([], 80, 3) == []


def test_every_span_has_one_row_even_if_its_parent_is_missing_or_below_it() -> None:
    detached = span("detached", "missing", 10, 20)
    circle = [span("first", "second", 1, 2), span("second", "first", 1, 2), span("own", "own", 1, 2)]

    rows = tree([ROOT, detached, *circle])

    assert sorted(row.span.id for row in rows) == ["detached", "first", "own", "root", "second"]
    assert [row.level for row in rows if row.span.id in {"root", "detached", "own"}] == [0, 1, 1]


def test_a_span_of_another_clock_does_not_stretch_the_axis() -> None:
    late = span("late", "root", 2 * LATE // MILLISECOND, 3 * LATE // MILLISECOND)
    early = span("early", "root", -(10**9), -(10**9))

    lines = waterfall([ROOT, ORDER, late, early], 80)

    assert lines[1].split() == ["api", "early", "█", "0.0", "ms"]
    assert lines[0].count("█") > 20


def test_control_characters_of_a_service_are_escaped() -> None:
    hostile = "\x1b[31mred\n\u202eevil\ud800"
    spans = [ROOT, span("hostile", "root", 0, 1, name=hostile, service=hostile, error=hostile)]
    logs = [LogRecord(hostile, 0, hostile, hostile, {}, "a" * 32, "")]

    for lines in (waterfall(spans, 160), text(Trace("a" * 32, spans, logs), 160).splitlines()):
        assert all(line.isprintable() for line in lines)
        assert any(r"\x1b[31mred" in line for line in lines)


def test_the_text_of_a_trace_has_the_messages_of_errors_and_the_log_records() -> None:
    log = LogRecord("api", 50 * MILLISECOND, "ERROR", "no price", {}, "a" * 32, "order")

    lines = text(Trace("a" * 32, [ROOT, ORDER], [log]), 80).splitlines()

    assert lines[0] == f"trace {'a' * 32}"
    assert r"  api: POST /orders: KeyError: 'price'\nmore" in lines
    assert "  +0.050 s  api  ERROR  no price" in lines


def test_a_duration_has_a_unit_that_fits() -> None:
    assert [duration(value) for value in (0, 340_000, 12_400_000, 1_500_000_000)] == [
        "0.0 ms", "0.3 ms", "12 ms", "1.50 s",
    ]  # fmt: skip
