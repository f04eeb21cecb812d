"""Read the OpenAPI document of a Python app in a separate Python interpreter.

The separate interpreter isolates the output and the failures of the app.
"""

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
#: The maximum number of output lines of the app in an error message.
_MAX_OUTPUT_LINES = 3


def schema(target: str, directory: Path, timeout: float) -> str:
    """Return the OpenAPI document of a Python app as JSON or YAML text.

    The app is written as `module:attribute`, or `module:make()` for a factory, and imported from `directory`.

    Raises:
        CompareError: the app cannot be imported, has no OpenAPI document, or does not return the document
            within `timeout` seconds.
    """
    with tempfile.TemporaryDirectory(prefix="infra-api-") as folder:
        answer, output = Path(folder) / "answer.json", Path(folder) / "output"
        code = _run(target, directory, answer, output, timeout)
        last_lines = (
            output.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-_MAX_OUTPUT_LINES:]
        )
        try:
            content = json.loads(answer.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            reason = ": ".join([f"the app terminated its interpreter (exit code {code})", *last_lines])
            raise CompareError(target, reason) from None
    if "failure" in content:
        raise _error(target, content["failure"])
    return str(content["document"])


def _run(target: str, directory: Path, answer: Path, output: Path, timeout: float) -> int:
    # The text of the script is passed instead of its path. With the path, Python would add the directory of
    # the script, which contains modules of this package, to `sys.path`.
    command = [interpreter(), "-c", _SCRIPT.read_text(encoding="utf-8"), target, str(answer)]
    # Without a fixed hash seed, sets of strings have a different order in each run.
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    with output.open("wb") as output_file:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output_file,
            stderr=output_file,
            start_new_session=True,
        )
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise CompareError(
                target,
                f"the app returned no document within {timeout:g} s",
                hint="Increase the value of `--timeout`.",
            ) from None
        finally:
            # The processes that the app has started are killed, too, unless they are in another process
            # group.
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def interpreter() -> str:
    """Return the Python interpreter of the active virtual environment; without one, that of this process.

    This interpreter can differ from the one that runs `infra`, for example if pipx has installed
    pytest-infra.
    """
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
