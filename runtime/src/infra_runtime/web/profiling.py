"""Profiles of the running process: the time of functions on the event loop, and allocated memory.

One profile is recorded at a time, because the interpreter has one profiler.
"""

from __future__ import annotations

import asyncio
import cProfile
import io
import pstats
import tracemalloc

from infra_runtime.web.problems import ProblemError

#: the largest number of functions, or of lines of code, in a profile
LINES = 40
#: the longest duration of a profile in seconds
LONGEST = 20.0

_recording = asyncio.Lock()


async def cpu_profile(seconds: float) -> str:
    """Profile the thread of the event loop for `seconds`; return the functions that took the most time."""
    _require_idle(seconds)
    async with _recording:
        profiler = cProfile.Profile()
        try:
            profiler.enable()
        # Python 3.12 and later permit only one profiler; a debugger can be another profiler.
        except ValueError:
            raise ProblemError(409, "another profiler is active") from None
        try:
            await asyncio.sleep(seconds)
        finally:
            profiler.disable()
    text = io.StringIO()
    pstats.Stats(profiler, stream=text).sort_stats("cumulative").print_stats(LINES)
    return text.getvalue()


async def memory_profile(seconds: float) -> str:
    """Record for `seconds` seconds; return the lines of code whose allocated memory changed the most."""
    _require_idle(seconds)
    async with _recording:
        was_tracing = tracemalloc.is_tracing()
        if not was_tracing:
            tracemalloc.start()
        try:
            first_snapshot = tracemalloc.take_snapshot()
            await asyncio.sleep(seconds)
            second_snapshot = tracemalloc.take_snapshot()
        finally:
            if not was_tracing:
                tracemalloc.stop()
    return "".join(f"{line}\n" for line in second_snapshot.compare_to(first_snapshot, "lineno")[:LINES])


def _require_idle(seconds: float) -> None:
    if not 0 < seconds <= LONGEST:
        raise ProblemError(422, f"`seconds` must be above 0 and at most {LONGEST:g}")
    if _recording.locked():
        raise ProblemError(409, "another profile is being recorded")
