"""The processor time and memory of services, from a folder like /proc."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fakes.clock import Clock
from infra_runtime.dashboard.usage import UsageMeter


def process(proc: Path, pid: int, parent: int, ticks: int, pages: int) -> None:
    folder = proc / str(pid)
    folder.mkdir(exist_ok=True)
    numbers = ["0"] * 40
    numbers[1], numbers[11], numbers[12], numbers[21] = str(parent), str(ticks), "0", str(pages)
    numbers[0] = "S"
    (folder / "stat").write_text(f"{pid} (a) b) c) {' '.join(numbers)}", encoding="ascii")


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    process(tmp_path, 10, 1, 100, 5)
    process(tmp_path, 11, 10, 50, 1)
    process(tmp_path, 12, 11, 50, 1)
    process(tmp_path, 20, 1, 900, 90)
    return tmp_path


def test_a_service_has_its_process_and_all_descendants(proc: Path) -> None:
    measured = UsageMeter(str(proc), clock=Clock()).measure({"db": 10, "idle": 0, "gone": 99})

    assert measured.keys() == {"db"}
    assert measured["db"].memory == 7 * os.sysconf("SC_PAGE_SIZE")


def test_the_share_is_that_since_the_previous_measurement(proc: Path) -> None:
    clock = Clock()
    meter = UsageMeter(str(proc), clock=clock)
    first = meter.measure({"db": 10})
    process(proc, 11, 10, 50 + os.sysconf("SC_CLK_TCK"), 1)
    clock.now += 2

    second = meter.measure({"db": 10})

    assert first["db"].cpu is None
    assert second["db"].cpu == pytest.approx(0.5)


def test_a_new_process_of_the_service_is_measured_from_its_beginning(proc: Path) -> None:
    clock = Clock()
    meter = UsageMeter(str(proc), clock=clock)
    meter.measure({"db": 10})
    clock.now += 1

    assert meter.measure({"db": 20})["db"].cpu is None


def test_the_transfers_of_all_processes_are_counted_per_second(proc: Path) -> None:
    clock = Clock()
    meter = UsageMeter(str(proc), clock=clock)

    def transfer(pid: int, read: int, written: int) -> None:
        text = f"rchar: 9\nread_bytes: {read}\nwrite_bytes: {written}\n"
        (proc / str(pid) / "io").write_text(text, encoding="ascii")

    transfer(10, 0, 1000)
    first = meter.measure({"db": 10})["db"]
    transfer(10, 0, 3000)
    transfer(11, 4000, 0)
    clock.now += 2

    second = meter.measure({"db": 10})["db"]

    assert (first.read, first.written) == (None, None)
    assert (second.read, second.written) == (2000, 1000)
