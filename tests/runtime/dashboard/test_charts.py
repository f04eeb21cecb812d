"""Charts: the paths of their lines, texts of values, and the formats for other programs."""

from __future__ import annotations

import csv
import io

import pytest

from infra_runtime.dashboard.charts import DRAWN, SERIES, Chart, Series, chart, drawing, text, to_csv


def series(name: str, *values: tuple[float, float]) -> Series:
    return Series(name=name, service=name, values=values)


def of(*members: Series) -> Chart:
    return chart("CPU", "%", "processes", members)


def test_a_line_reaches_from_the_left_to_the_right_edge_and_has_a_hole_without_values() -> None:
    (line,) = drawing(of(series("db", (0, 0), (10, 5), (90, 10), (100, 10))), 0, 100).lines

    assert line.path == "M0.0 120.0L60.0 60.0M540.0 0.0L600.0 0.0"
    assert (line.least, line.largest, line.last) == ("0 %", "10 %", "10 %")


def test_a_single_value_is_visible_and_a_negative_one_is_in_the_chart() -> None:
    shown = drawing(of(series("db", (50, -5))), 0, 100)

    assert shown.lines[0].path == "M300.0 120.0h0.1"
    assert (shown.bottom, shown.top) == ("-5 %", "1 %")


def test_only_the_largest_series_are_drawn_and_the_table_has_more() -> None:
    shown = of(*(series(f"{number:03}", (1, number)) for number in range(SERIES + 10)))

    lines = drawing(shown, 0, 2).lines

    assert (len(lines), shown.left_out) == (SERIES, 10)
    assert [line.name for line in lines if line.path] == [f"{number:03}" for number in range(52, 60)]
    assert len({line.style for line in lines if line.path}) == DRAWN


def test_a_series_without_values_is_left_out() -> None:
    assert of(series("db")).series == ()


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0.0123, "s", "12 ms"),
        (1500, "B/s", "1.5 kB/s"),
        (2_000_000, "B", "2.0 MB"),
        (12.3456, "%", "12.3 %"),
        (7, "", "7"),
        (999, "", "999"),
        (1000, "", "1\N{NARROW NO-BREAK SPACE}000"),
        (12345.6, "/s", "12\N{NARROW NO-BREAK SPACE}346 /s"),
    ],
)
def test_a_value_is_a_short_text(value: float, unit: str, shown: str) -> None:
    assert text(value, unit) == shown


def test_a_name_in_the_table_for_spreadsheets_is_never_a_formula() -> None:
    hostile = '=HYPERLINK("http://127.0.0.1")'

    rows = [*csv.DictReader(io.StringIO(to_csv([of(series(hostile, (0.5, 1)))])))]

    assert rows == [
        {
            "time": "1970-01-01T00:00:00.500+00:00",
            "source": "processes",
            "chart": "CPU",
            "service": f"'{hostile}",
            "series": f"'{hostile}",
            "unit": "%",
            "value": "1",
        }
    ]
