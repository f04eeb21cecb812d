"""A Python app's document, read in a separate interpreter, which keeps its output and its failures."""

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
    """The document of `module:attribute`, looked for from `directory`; `module:make()` calls a factory.

    Raises:
        CompareError: the app cannot be imported, does not describe itself, or takes too long.
    """
    with tempfile.TemporaryDirectory(prefix="infra-api-") as folder:
        answer, output = Path(folder) / "answer.json", Path(folder) / "output"
        code = _run(target, directory, answer, output, timeout)
        last_lines = output.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-_TAIL:]
        try:
            content = json.loads(answer.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            reason = ": ".join([f"the app ended its interpreter (exit code {code})", *last_lines])
            raise CompareError(target, reason) from None
    if "failure" in content:
        raise _error(target, content["failure"])
    return str(content["document"])


def _run(target: str, directory: Path, answer: Path, output: Path, timeout: float) -> int:
    # The text and not the file: its folder would come first on the path, with our modules in it.
    command = [interpreter(), "-c", _SCRIPT.read_text(encoding="utf-8"), target, str(answer)]
    # Sets of texts come in another order each time, unless the seed is fixed.
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
                target, f"the app gave no document in {timeout:g} s", hint="`--timeout` gives it more time."
            ) from None
        finally:
            # Whatever the app started goes with it.
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def interpreter() -> str:
    """The user's: that of the active virtual environment, which may be another than ours (pipx)."""
    active = os.environ.get("VIRTUAL_ENV")
    python = Path(active or sys.prefix) / "bin" / "python"
    return str(python) if active and python.exists() else sys.executable


def _error(target: str, failure: dict[str, Any]) -> CompareError:
    module, _, attribute = target.partition(":")
    hint = ""
    if failure["kind"] == "ModuleNotFoundError" and failure["missing"] == module.partition(".")[0]:
        hint = f"A file of that name in git is refs/heads/{module}:{attribute}."
    if failure["kind"] == "ImproperlyConfigured":
        hint = "Set DJANGO_SETTINGS_MODULE."
    reason = failure["reason"]
    if failure["kind"] == "SystemExit":
        reason = f"the app ended the interpreter ({reason})"
    if failure["file"]:
        return CompareError(failure["file"], f"{target}: {reason}", failure["line"], hint=hint)
    return CompareError(target, reason, hint=hint)
