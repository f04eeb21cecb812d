"""Run the steps of a service's preparation that need no other process: write, check or remove a file."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from typing import TypeAlias

from infra_runtime.spec import Remove, RequireFile, Secret, WriteFile, substitute

SECRET_BYTES = 24
#: a step that `run_step` carries out
FileStep: TypeAlias = WriteFile | RequireFile | Remove | Secret


class StepError(Exception):
    """The error that a step of the preparation failed, with the command or file and the reason."""


def run_step(step: FileStep, lookup: Callable[[str], str]) -> None:
    """Write, check or remove the file of a step; `lookup` returns the value of a reference in the step.

    Raises `StepError` if a check fails, `OSError` if a file cannot be read or written.
    """
    if isinstance(step, WriteFile):
        # `ensure_ascii=False`, because not every format whose strings are like JSON supports the escape
        # \uXXXX.
        escaped = (lambda name: json.dumps(lookup(name), ensure_ascii=False)[1:-1]) if step.json else lookup
        _write(substitute(step.path, lookup), substitute(step.text, escaped), step.mode)
    elif isinstance(step, RequireFile):
        line = _first_line(substitute(step.path, lookup))
        if line is not None and not line.startswith(step.text):
            raise StepError(step.problem.replace("{found}", line))
    elif isinstance(step, Remove):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(substitute(step.path, lookup))
    else:
        path = substitute(step.path, lookup)
        if not os.path.exists(path):
            _write(path, os.urandom(SECRET_BYTES).hex(), 0o600)


def _first_line(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.readline().strip()
    except FileNotFoundError:
        return None


def _write(path: str, text: str, mode: int) -> None:
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    descriptor = os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
    os.replace(f"{path}.new", path)
