"""The answers of `/health` and `/ready`: status, version and checks of the dependencies."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

import structlog

from infra_runtime.redaction import masked_text
from infra_runtime.value import frozen

log = structlog.get_logger("infra.web")

#: the check of a dependency, such as `pool.check`: a function that raises an exception if the dependency does
#: not work
Check: TypeAlias = Callable[[], Awaitable[object]]


@frozen
class CheckResult:
    """The result of one check; `reason` is empty if the dependency works."""

    reason: str
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether the dependency works."""
        return not self.reason


class Health:
    """Runs the checks of the dependencies, each with a deadline in seconds.

    The result is kept for `keep` seconds, and requests that arrive during the checks wait for their result,
    so that many requests do not cause many checks. A check that ignores its cancellation is not started
    again until it has ended.
    """

    def __init__(
        self,
        checks: Mapping[str, Check],
        *,
        version: str,
        deadline: float = 2.0,
        keep: float = 1.0,
        reasons: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._checks, self._version = checks, version
        self._deadline, self._keep, self._reasons, self._clock = deadline, keep, reasons, clock
        self._running: dict[str, asyncio.Task[object]] = {}
        self._results: dict[str, CheckResult] = {}
        self._valid_until = float("-inf")
        self._lock = asyncio.Lock()

    def live(self) -> tuple[int, dict[str, object]]:
        """Return the status and the document of `/health`, which do not depend on the checks.

        A restart of the process does not repair a dependency, so a failed check must not cause a restart.
        """
        return 200, {"status": "pass", "version": self._version, "checks": {}}

    async def ready(self) -> tuple[int, dict[str, object]]:
        """Return the status and the document of `/ready`; the status is 503 if a check has failed."""
        async with self._lock:
            if self._clock() >= self._valid_until:
                self._results = await self._run()
                self._valid_until = self._clock() + self._keep
            results = self._results
        passed = all(result.passed for result in results.values())
        document: dict[str, object] = {
            "status": "pass" if passed else "fail",
            "version": self._version,
            "checks": {name: self._document(result) for name, result in results.items()},
        }
        return (200 if passed else 503), document

    def _document(self, result: CheckResult) -> dict[str, object]:
        reason = {"reason": result.reason} if self._reasons and result.reason else {}
        return {"status": "pass" if result.passed else "fail", "seconds": round(result.seconds, 4), **reason}

    async def _run(self) -> dict[str, CheckResult]:
        names = list(self._checks)
        results = await asyncio.gather(*(self._run_check(name) for name in names))
        for name, result in zip(names, results, strict=True):
            if not result.passed:
                log.warning("check_failed", check=name, reason=result.reason, seconds=result.seconds)
        return dict(zip(names, results, strict=True))

    async def _run_check(self, name: str) -> CheckResult:
        if name in self._running:
            return CheckResult(reason="the previous check is still running", seconds=0.0)
        start = self._clock()
        task = asyncio.ensure_future(_called(self._checks[name]))
        self._running[name] = task
        task.add_done_callback(lambda _: self._running.pop(name))
        reason = ""
        try:
            # `asyncio.wait` returns at the deadline, even if the check ignores its cancellation.
            await asyncio.wait({task}, timeout=self._deadline)
        finally:
            task.cancel()
        if not task.done():
            task.add_done_callback(_retrieve)
            reason = f"no result within {self._deadline:g} s"
        elif task.cancelled():
            reason = "cancelled"
        elif error := task.exception():
            reason = masked_text(f"{type(error).__name__}: {error}")
        return CheckResult(reason=reason, seconds=self._clock() - start)


async def _called(check: Check) -> object:
    return await check()


def _retrieve(task: asyncio.Task[object]) -> None:
    """Read the exception of an abandoned check, so that asyncio does not print it as never retrieved."""
    if not task.cancelled():
        task.exception()
