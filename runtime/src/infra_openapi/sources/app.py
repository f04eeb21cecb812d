"""Read the document of a Python app in a separate interpreter, which isolates its output and its failures."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from infra_openapi.errors import CompareError

_SCRIPT = Path(__file__).with_name("app_schema.py")
_TAIL = 3


def schema(target: str, directory: Path, timeout: float) -> str:
    """Return the document of `module:attribute`, imported from `directory`; `module:make()` calls a factory.

    Raises:
        CompareError: the app cannot be imported, has no OpenAPI document, or takes too long.
    """
    with tempfile.TemporaryDirectory(prefix="infra-api-") as folder:
        answer, output = Path(folder) / "answer.json", Path(folder) / "output"
        code = _run(target, directory, answer, output, timeout)
        last_lines = output.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-_TAIL:]
        try:
            content = json.loads(answer.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            reason = ": ".join([f"the app terminated its interpreter (exit code {code})", *last_lines])
            raise CompareError(target, reason) from None
    if "failure" in content:
        raise _error(target, content["failure"])
    return str(content["document"])


def _run(target: str, directory: Path, answer: Path, output: Path, timeout: float) -> int:
    # The text, not the file: with the file, its directory with our modules would be first on `sys.path`.
    command = [interpreter(), "-c", _SCRIPT.read_text(encoding="utf-8"), target, str(answer)]
    # Without a fixed seed, sets of strings have another order in each run.
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    with output.open("wb") as sink:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
        )
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise CompareError(
                target, f"the app returned no document within {timeout:g} s", hint="Raise `--timeout`."
            ) from None
        finally:
            # Processes that the app started are killed too.
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def interpreter() -> str:
    """Return the Python of the active virtual environment, which may differ from this one (pipx)."""
    active = os.environ.get("VIRTUAL_ENV")
    python = Path(active or sys.prefix) / "bin" / "python"
    return str(python) if active and python.exists() else sys.executable


def _error(target: str, failure: dict[str, Any]) -> CompareError:
    module, _, attribute = target.partition(":")
    hint = ""
    if failure["kind"] == "ModuleNotFoundError" and failure["missing"] == module.partition(".")[0]:
        hint = f"If {module} is a git branch, write refs/heads/{module}:{attribute}."
    if failure["kind"] == "ImproperlyConfigured":
        hint = "Set the environment variable DJANGO_SETTINGS_MODULE."
    reason = failure["reason"]
    if failure["kind"] == "SystemExit":
        reason = f"the app terminated the interpreter ({reason})"
    if failure["file"]:
        return CompareError(failure["file"], f"{target}: {reason}", failure["line"], hint=hint)
    return CompareError(target, reason, hint=hint)
