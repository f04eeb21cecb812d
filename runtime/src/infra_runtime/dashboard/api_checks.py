"""The checks of the APIs that the stack file declares, with the findings of `infra dev api-check` as JSON.

The checks run in a separate process, because a document can need much memory, and an app can exit the
interpreter. `python -m infra_runtime.dashboard.api_checks ROOT` reads from standard input a JSON
object that maps each service to its URL, and prints the checks as JSON.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from infra_runtime.errors import InfraError

if TYPE_CHECKING:
    from infra_openapi.report import Report
    from infra_openapi.sources import Access, Opened
    from infra_runtime.config.declared_apis import Api

#: the largest number of findings of an API in an answer; further findings are only counted
FINDINGS = 500
#: the time limits in seconds: for reading one document, and for all checks together
DOCUMENT_SECONDS, CHECK_SECONDS = 30.0, 120.0
#: the seconds for which a result is used for later requests
FRESH = 5.0
LEVELS = ("breaking", "warning", "info")


class CheckError(InfraError):
    """The APIs cannot be checked."""


class ApiChecks:
    """The newest result of the checks, which all requests share."""

    def __init__(self, root: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._root, self._clock = root, clock
        self._lock = asyncio.Lock()
        self._time = 0.0
        #: the newest result; None before the first check has ended
        self.last: list[dict[str, Any]] | None = None

    async def read(self, urls: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return the checks of all declared APIs; `urls` maps service to URL.

        Raises `CheckError` if the process of the checks fails.
        """
        async with self._lock:
            if self.last is None or self._clock() - self._time > FRESH:
                self.last = await asyncio.to_thread(_run, self._root, urls)
                self._time = self._clock()
            return self.last


def selected(checks: Iterable[Mapping[str, Any]], level: str, text: str) -> list[dict[str, Any]]:
    """Return the checks, with only those findings that have `level` and contain `text` (in lower case)."""
    return [
        {**check, "findings": [finding for finding in check["findings"] if _matches(finding, level, text)]}
        for check in checks
    ]


def _matches(finding: Mapping[str, Any], level: str, text: str) -> bool:
    names = ("rule", "method", "path", "message")
    return level in {"", finding["level"]} and text in " ".join(finding[name] for name in names).lower()


def _run(root: Path, urls: Mapping[str, str]) -> list[dict[str, Any]]:
    # The working directory is the project. With -P, its modules do not replace the modules of this program.
    command = [sys.executable, "-P", "-m", "infra_runtime.dashboard.api_checks", str(root)]
    try:
        process = subprocess.run(
            command,
            input=json.dumps(dict(urls)),
            cwd=root,
            text=True,
            capture_output=True,
            timeout=CHECK_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise CheckError(f"the API checks were stopped after {CHECK_SECONDS:g} s") from None
    except OSError as error:
        raise CheckError(f"the checks cannot start: {error}") from error
    if process.returncode:
        last_line = process.stderr.strip().splitlines()[-1:] or [f"exit status {process.returncode}"]
        raise CheckError(last_line[0])
    checks: list[dict[str, Any]] = json.loads(process.stdout)
    return checks


def checked(root: Path, urls: Mapping[str, str]) -> list[dict[str, Any]]:
    """Check the APIs that the stack file in `root` declares, and return an object for each API.

    Raises `InfraError` if the stack file is not valid.
    """
    from infra_runtime.config import declared_apis, stack_file

    file = stack_file.find(root)
    if file is None or not file.values.get("api"):
        return []
    return [_checked(api, urls) for api in declared_apis.declared(root)]


def _checked(api: Api, urls: Mapping[str, str]) -> dict[str, Any]:
    from infra_openapi.errors import OpenApiError
    from infra_openapi.sources import Access

    document: dict[str, Any] = {
        "name": api.name,
        "base": api.settings.snapshot,
        "revision": api.settings.source,
        "verdict": "",
        "problem": "",
        "hint": "",
        "accepted": 0,
        "left_out": 0,
        "findings": [],
    }
    try:
        report = _report(api, urls, Access(timeout=DOCUMENT_SECONDS))
    except (OpenApiError, InfraError) as error:
        return {**document, "problem": str(error), "hint": error.hint}
    return {
        **document,
        "verdict": report.verdict,
        "accepted": len(report.review.accepted),
        "left_out": max(len(report.findings) - FINDINGS, 0),
        "findings": [_finding(finding.to_json()) for finding in report.findings[:FINDINGS]],
    }


def _report(api: Api, urls: Mapping[str, str], access: Access) -> Report:
    from infra_openapi.check import check

    def opened(source: str) -> Opened:
        from infra_openapi.sources import Kind, kind_of, open_source

        if kind_of(source, api.directory) is not Kind.SERVICE:
            return open_source(source, directory=api.directory, access=access)
        name, _, path = source.removeprefix("service:").partition("/")
        if name not in urls:
            raise CheckError(f"{source}: the service {name!r} is not running, or it has no HTTP URL")
        address = urljoin(urls[name].rstrip("/") + "/", path or "openapi.json")
        return replace(open_source(address, access=access), name=source)

    return check(opened(api.settings.snapshot), opened(api.settings.source), api.policy())


def _finding(finding: Mapping[str, Any]) -> dict[str, Any]:
    location = finding["location"] or {"file": "", "pointer": "", "line": 0}
    names = ("rule", "level", "method", "path", "subject", "message", "advice", "fingerprint")
    return {name: finding[name] for name in names} | {
        name: location[name] for name in ("file", "pointer", "line")
    }


def main() -> int:
    """Check the APIs of the stack file in the folder of the first argument, and return the exit status."""
    try:
        checks = checked(Path(sys.argv[1]), json.load(sys.stdin))
    except ImportError as error:
        print(
            f"{error.name} is not installed; `python -m pip install 'pytest-infra[openapi]'` installs it",
            file=sys.stderr,
        )
        return 1
    except InfraError as error:
        print(str(error).replace("\n", " "), file=sys.stderr)
        return 1
    json.dump(checks, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
