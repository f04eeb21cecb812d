"""Charts: series of values, their lines as paths of SVG, and their tables as JSON and CSV."""

from __future__ import annotations

import csv
import datetime as dt
import io
import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

from infra_runtime.dashboard.view import milliseconds, size
from infra_runtime.value import frozen

#: the size of the drawing, whose width and height the page scales
WIDTH, HEIGHT = 600, 120
#: points of a series for a time range
POINTS = 120
#: seconds without a value after which a line has a hole; in a long time range, the time of three points
GAP = 60.0
#: series of a chart, and those that are drawn; the tables contain all
SERIES, DRAWN = 50, 8
#: characters with which a spreadsheet begins a formula. Source: OWASP, "CSV Injection"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@frozen
class Series:
    """One line of a chart; each value has its time in Unix seconds."""

    name: str
    #: the service to which the values belong; empty if it is not known
    service: str
    values: tuple[tuple[float, float], ...]


@frozen
class Chart:
    """A title with series of one unit.

    `unit` is `s`, `B`, `%`, `/s`, `B/s`, another text that follows the number, or empty.
    """

    title: str
    unit: str
    #: `processes`, `collected` (by requests for the metrics of services), or `received` (from services)
    source: str
    series: tuple[Series, ...]
    #: series above the limit
    left_out: int = 0


@frozen
class Line:
    """A drawn series, and the texts of its smallest, largest and last value."""

    name: str
    #: the class of the style sheet
    style: str
    #: the path; empty if the series is only in the table
    path: str
    least: str
    largest: str
    last: str


@frozen
class Drawing:
    """A chart as the page shows it."""

    id: str
    title: str
    source: str
    lines: tuple[Line, ...]
    #: the text of the value at the upper edge; the lower edge is 0, or `bottom` if a value is negative
    top: str
    bottom: str
    left_out: int

    @property
    def drawn(self) -> tuple[Line, ...]:
        """The lines with a path."""
        return tuple(line for line in self.lines if line.path)

    @property
    def label(self) -> str:
        """The text for screen readers."""
        values = ", ".join(f"{line.name}: last {line.last}" for line in self.drawn)
        return f"{self.title}. {values}"


def chart(title: str, unit: str, source: str, series: Iterable[Series]) -> Chart:
    """Return a chart of the series with the largest values, which are at most `SERIES`, sorted by name."""
    filled = [line for line in series if line.values]
    largest = sorted(filled, key=lambda line: -max(value for _, value in line.values))
    kept = sorted(largest[:SERIES], key=lambda line: (line.name, line.service))
    return Chart(
        title=title, unit=unit, source=source, series=tuple(kept), left_out=max(len(filled) - SERIES, 0)
    )


def drawing(shown: Chart, since: float, until: float) -> Drawing:
    """Return the lines of a chart between two times."""
    values = [value for line in shown.series for _, value in line.values]
    top, bottom = _rounded(max(values, default=0.0)), min(0.0, *values) if values else 0.0
    ranked = sorted(shown.series, key=lambda line: -max(value for _, value in line.values))
    is_drawn = {id(line) for line in ranked[:DRAWN]}
    gap = max(3 * (until - since) / POINTS, GAP)
    lines, number = [], 0
    for line in shown.series:
        path = ""
        if id(line) in is_drawn:
            path, number = _path(line.values, since, until, bottom, top, gap), number + 1
        own = [value for _, value in line.values]
        lines.append(
            Line(
                name=line.name,
                style=f"line-{(number - 1) % DRAWN}",
                path=path,
                least=text(min(own), shown.unit),
                largest=text(max(own), shown.unit),
                last=text(own[-1], shown.unit),
            )
        )
    identity = "".join(character if character.isalnum() else "-" for character in shown.title.lower())
    return Drawing(
        id=f"chart-{shown.source}-{identity}",
        title=shown.title,
        source=shown.source,
        lines=tuple(lines),
        top=text(top, shown.unit),
        bottom=text(bottom, shown.unit),
        left_out=shown.left_out,
    )


def _path(
    values: Sequence[tuple[float, float]], since: float, until: float, bottom: float, top: float, gap: float
) -> str:
    """Return the path of a line, which has a hole where no value is for `gap` seconds."""
    width, height = max(until - since, 1e-9), max(top - bottom, 1e-9)
    places = [
        (time, f"{(time - since) / width * WIDTH:.1f} {HEIGHT - (value - bottom) / height * HEIGHT:.1f}")
        for time, value in values
    ]
    parts = [f"M{places[0][1]}"]
    for (before, _), (time, place) in pairwise(places):
        parts.append(f"{'M' if time - before > gap else 'L'}{place}")
    # A single point has no length, and a line with round ends shows it.
    return "".join(parts) + ("h0.1" if len(places) == 1 else "")


def _rounded(value: float) -> float:
    """Return the next larger number with one digit, or with 1.5 or 2.5, times a power of ten."""
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
            "title": item.title,
            "unit": item.unit,
            "source": item.source,
            "left_out": item.left_out,
            "series": [
                {
                    "name": series.name,
                    "service": series.service,
                    "values": [{"time": time, "value": value} for time, value in series.values],
                }
                for series in item.series
            ],
        }
        for item in charts
    ]


def to_csv(charts: Iterable[Chart]) -> str:
    """Return charts as CSV, one row for each value. Source: RFC 4180."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(("time", "source", "chart", "service", "series", "unit", "value"))
    for item in charts:
        for series in item.series:
            names = [_inert(name) for name in (item.source, item.title, series.service, series.name)]
            for time, value in series.values:
                moment = dt.datetime.fromtimestamp(time, tz=dt.UTC).isoformat(timespec="milliseconds")
                writer.writerow((moment, *names, item.unit, f"{value:.6g}"))
    return file.getvalue()


def _inert(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
