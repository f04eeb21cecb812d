"""Carrying out a spec's steps: files, secrets, commands, and trees made once and copied ever after."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TypeAlias

from infra_runtime.data_directory.paths import refusal
from infra_runtime.host import file_lock
from infra_runtime.host.file_copy import COPY, settle, stage
from infra_runtime.host.privileges import hand_over
from infra_runtime.spec import (
    Remove,
    RequireFile,
    Run,
    Secret,
    Seed,
    WriteFile,
    encode,
    references,
    substitute,
    texts,
)
from infra_runtime.supervisor.binding import Bound, Scope, resolver

SECRET_BYTES = 24

#: runs argv with extra environment and returns the exit status
Runner: TypeAlias = Callable[[tuple[str, ...], Mapping[str, str]], Awaitable[int]]


class StepError(Exception):
    """A step did not succeed; the message says which and how."""


async def prepare(bound: Bound, scope: Scope, others: Mapping[str, Bound], cache: str, run: Runner) -> None:
    """Make the service's folders and take its steps in their order.

    Raises `StepError`, `BindingError`, and `OSError` for what the disk refuses.
    """
    for folder in (bound.data, bound.run):
        os.makedirs(folder, mode=0o700, exist_ok=True)
    for step in bound.spec.prepare:
        if isinstance(step, Seed):
            await _seed(step, bound, scope, others, cache, run)
        else:
            await _take(step, resolver(bound, scope, others), run)
    if bound.spec.refuses_root:
        hand_over([bound.data, bound.run])


async def _take(
    step: WriteFile | RequireFile | Remove | Secret | Run, lookup: Callable[[str], str], run: Runner
) -> None:
    if isinstance(step, WriteFile):
        # Other languages take JSON's escapes for quotes and backslashes, but not those for letters.
        inside = (lambda name: json.dumps(lookup(name), ensure_ascii=False)[1:-1]) if step.json else lookup
        _write(substitute(step.path, lookup), substitute(step.text, inside), step.mode)
    elif isinstance(step, RequireFile):
        found = _first_line(substitute(step.path, lookup))
        if found is not None and not found.startswith(step.text):
            raise StepError(step.problem.replace("{found}", found))
    elif isinstance(step, Remove):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(substitute(step.path, lookup))
    elif isinstance(step, Secret):
        path = substitute(step.path, lookup)
        if not os.path.exists(path):
            _write(path, os.urandom(SECRET_BYTES).hex(), 0o600)
    else:
        command = tuple(substitute(text, lookup) for text in step.command)
        env = {name: substitute(text, lookup) for name, text in step.env.items()}
        if (status := await run(command, env)) != 0:
            raise StepError(f"{os.path.basename(command[0])} exited with status {status} while preparing")


async def _seed(
    seed: Seed, bound: Bound, scope: Scope, others: Mapping[str, Bound], cache: str, run: Runner
) -> None:
    into = substitute(seed.into, resolver(bound, scope, others))
    if os.path.isdir(into) and os.listdir(into):
        return
    # All instances of a kind share it.
    tree = f"{cache}/{bound.spec.kind or bound.spec.name}-{seed_key(seed, scope)}"
    if not os.path.isdir(tree):
        os.makedirs(cache, mode=0o700, exist_ok=True)
        async with _locked(f"{tree}.lock"):
            if not os.path.isdir(tree):
                await _grow(seed, bound, scope, others, tree, run)
    # A copy that was cut short must never look like data: it gets its name when it is whole.
    await _cleared(run, f"{into}.new")
    copy = stage(into)
    if bound.spec.refuses_root:
        hand_over([os.path.dirname(copy)])
    async with _growing(os.path.dirname(copy), run):
        await _checked(run, *COPY, tree, copy)
    settle(copy, into)


async def _grow(
    seed: Seed, bound: Bound, scope: Scope, others: Mapping[str, Bound], tree: str, run: Runner
) -> None:
    out = f"{tree}.new"
    await _cleared(run, out)
    os.makedirs(out, mode=0o700)
    lookup = resolver(bound, scope, others, out=out)
    async with _growing(out, run):
        for step in seed.steps:
            if bound.spec.refuses_root:
                hand_over([out])
            await _take(step, lookup, run)
    os.rename(out, tree)


@contextlib.asynccontextmanager
async def _growing(tree: str, run: Runner) -> AsyncIterator[None]:
    """When it fails, tell whether the disk is to blame, and give back what was taken of it."""
    try:
        yield
    except StepError as error:
        folder = os.path.dirname(tree)
        reason = refusal(folder)
        await run(("rm", "-rf", tree), {})
        if reason:
            raise StepError(f"{error}; {folder}: {reason}") from error
        raise


async def _cleared(run: Runner, folder: str) -> None:
    if os.path.lexists(folder):  # a process is milliseconds, and there hardly ever is something to remove
        await _checked(run, "rm", "-rf", folder)


async def _checked(run: Runner, *command: str) -> None:
    if (status := await run(command, {})) != 0:
        raise StepError(f"{' '.join(command)} exited with status {status}")


def seed_key(seed: Seed, scope: Scope) -> str:
    """What a cached tree depends on: the steps' text, and which executables they run."""
    binaries = {}
    for reference in sorted({name for text in texts(seed) for name in references(text)}):
        kind, _, name = reference.partition(".")
        if kind == "bin" and name in scope.binaries:
            found = os.stat(scope.binaries[name])
            binaries[name] = (scope.binaries[name], found.st_size, found.st_mtime_ns)
    text = json.dumps([encode(seed.steps), binaries], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@contextlib.asynccontextmanager
async def _locked(path: str) -> AsyncIterator[None]:
    """Hold a lock without blocking the loop; other stacks of the user make the same tree."""
    while (descriptor := file_lock.acquire(path)) is None:  # noqa: ASYNC110 - a lock has no event
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        os.close(descriptor)


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
