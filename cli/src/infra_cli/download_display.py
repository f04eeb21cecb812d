"""A line in the terminal with the number of downloaded bytes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

_REFRESH_SECONDS = 0.1


@contextmanager
def progress_line() -> Iterator[Callable[[int, int], None] | None]:
    """Yield a function that prints the line; yield None if standard error is not a terminal.

    The arguments of the function are two numbers of bytes: downloaded so far, and in total (0 if unknown).
    """
    if not sys.stderr.isatty():
        yield None
        return
    last_time = 0.0

    def draw(number: int, total: int) -> None:
        nonlocal last_time
        current_time = time.monotonic()
        if number >= total or current_time - last_time >= _REFRESH_SECONDS:
            last_time = current_time
            share, of_total = (
                (f"{100 * number // total:3d} %", f" of {total / 1e6:.1f}") if total else ("     ", "")
            )
            click.echo(f"\r  downloading {share}  {number / 1e6:.1f}{of_total} MB ", nl=False, err=True)

    try:
        yield draw
    finally:
        if last_time:
            click.echo(err=True)
