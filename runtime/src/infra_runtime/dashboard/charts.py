"""Charts of series of values, with their lines as SVG paths, and their tables as JSON and CSV."""

from __future__ import annotations

import csv
import datetime as dt
import io
import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

from infra_runtime.dashboard.view import milliseconds, size
from infra_runtime.value import frozen

#: the width and the height of a drawing in units of SVG; the page scales them
WIDTH, HEIGHT = 600, 120
#: the approximate largest number of points of a series in a time range
POINTS = 120
#: the seconds without a value after which a line is interrupted; in a long time range, the time of three
#: points
GAP = 60.0
#: the largest number of series in a chart, and of series that are drawn; the table contains all series of the
#: chart
SERIES, DRAWN = 50, 8
#: the characters at the beginning of a cell that a spreadsheet program treats as a formula. Source: OWASP,
#: "CSV Injection"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@frozen
class Series:
    """A named series of values; each value is a pair of its time in Unix seconds and a number."""

    name: str
    #: the name of the service that the values describe; empty if the service is not known
    service: str
    values: tuple[tuple[float, float], ...]


@frozen
class Chart:
    """A title, and series whose values have the same unit.

    `unit` is `s`, `B`, `%`, `/s`, `B/s`, another text that is written after the number, or empty.
    """

    title: str
    unit: str
    #: `processes`, `collected` (by requests for the metrics of services), or `received` (from services)
    source: str
    series: tuple[Series, ...]
    #: the number of series that are left out because of the limit
    left_out: int = 0


@frozen
class Line:
    """A series on a page: its path, and the texts of its smallest, largest and last value."""

    name: str
    #: the class of the line in the style sheet
    style: str
    #: the path in SVG; empty if the series is only in the table
    path: str
    least: str
    largest: str
    last: str


@frozen
class Drawing:
    """A chart as a page shows it, with texts instead of numbers."""

    id: str
    title: str
    source: str
    lines: tuple[Line, ...]
    #: the texts of the values at the upper and the lower edge; the lower edge is 0 if no value is negative
    top: str
    bottom: str
    left_out: int

    @property
    def drawn(self) -> tuple[Line, ...]:
        """The lines that are drawn."""
        return tuple(line for line in self.lines if line.path)

    @property
    def label(self) -> str:
        """The description of the drawing for screen readers."""
        values = ", ".join(f"{line.name}: last {line.last}" for line in self.drawn)
        return f"{self.title}. {values}"


def chart(title: str, unit: str, source: str, series: Iterable[Series]) -> Chart:
    """Return a chart of at most `SERIES` series: those with the largest values, sorted by name."""
    filled = [line for line in series if line.values]
    largest = sorted(filled, key=lambda line: -max(value for _, value in line.values))
    visible_series = sorted(largest[:SERIES], key=lambda line: (line.name, line.service))
    return Chart(
        title=title,
        unit=unit,
        source=source,
        series=tuple(visible_series),
        left_out=max(len(filled) - SERIES, 0),
    )


def drawing(chart: Chart, since: float, until: float) -> Drawing:
    """Return a chart as a page shows it, in the time range from `since` to `until` (Unix seconds)."""
    values = [value for line in chart.series for _, value in line.values]
    top, bottom = _rounded(max(values, default=0.0)), min(0.0, *values) if values else 0.0
    ranked = sorted(chart.series, key=lambda line: -max(value for _, value in line.values))
    is_drawn = {id(line) for line in ranked[:DRAWN]}
    gap = max(3 * (until - since) / POINTS, GAP)
    lines, number = [], 0
    for line in chart.series:
        path = ""
        if id(line) in is_drawn:
            path, number = _path(line.values, since, until, bottom, top, gap), number + 1
        numbers = [value for _, value in line.values]
        lines.append(
            Line(
                name=line.name,
                style=f"line-{(number - 1) % DRAWN}",
                path=path,
                least=text(min(numbers), chart.unit),
                largest=text(max(numbers), chart.unit),
                last=text(numbers[-1], chart.unit),
            )
        )
    identity = "".join(character if character.isalnum() else "-" for character in chart.title.lower())
    return Drawing(
        id=f"chart-{chart.source}-{identity}",
        title=chart.title,
        source=chart.source,
        lines=tuple(lines),
        top=text(top, chart.unit),
        bottom=text(bottom, chart.unit),
        left_out=chart.left_out,
    )


def _path(
    values: Sequence[tuple[float, float]], since: float, until: float, bottom: float, top: float, gap: float
) -> str:
    """Return the SVG path of a line, which is interrupted where more than `gap` seconds have no value."""
    width, height = max(until - since, 1e-9), max(top - bottom, 1e-9)
    positions = [
        (time, f"{(time - since) / width * WIDTH:.1f} {HEIGHT - (value - bottom) / height * HEIGHT:.1f}")
        for time, value in values
    ]
    commands = [f"M{positions[0][1]}"]
    for (previous_time, _), (time, position) in pairwise(positions):
        commands.append(f"{'M' if time - previous_time > gap else 'L'}{position}")
    # A single point gets a short line, because browsers do not draw a path without a length.
    return "".join(commands) + ("h0.1" if len(positions) == 1 else "")


def _rounded(value: float) -> float:
    """Return the smallest round number that is not less than `value`, such as 2.5 or 300 (0 or less: 1)."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(
        (step * power for step in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8) if value <= step * power), 10 * power
    )


def text(value: float, unit: str) -> str:
    """Return a value with its unit as a short text."""
    if unit == "s":
        return milliseconds(value)
    if unit in {"B", "B/s"}:
        return size(round(value)) + unit.removeprefix("B")
    number = f"{value:.0f}" if value == round(value) and abs(value) < 1e15 else f"{value:.3g}"
    if abs(value) >= 1000:
        number = f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    return f"{number} {unit}".strip()


def to_json(charts: Iterable[Chart]) -> list[dict[str, object]]:
    """Return charts as JSON data."""
    return [
        {
            "title": chart.title,
            "unit": chart.unit,
            "source": chart.source,
            "left_out": chart.left_out,
            "series": [
                {
                    "name": series.name,
                    "service": series.service,
                    "values": [{"time": time, "value": value} for time, value in series.values],
                }
                for series in chart.series
            ],
        }
        for chart in charts
    ]


def to_csv(charts: Iterable[Chart]) -> str:
    """Return charts as CSV, one row for each value. Source: RFC 4180."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(("time", "source", "chart", "service", "series", "unit", "value"))
    for chart in charts:
        for series in chart.series:
            names = [_inert(name) for name in (chart.source, chart.title, series.service, series.name)]
            for time, value in series.values:
                moment = dt.datetime.fromtimestamp(time, tz=dt.UTC).isoformat(timespec="milliseconds")
                writer.writerow((moment, *names, chart.unit, f"{value:.6g}"))
    return file.getvalue()


def _inert(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
