"""Run the steps that prepare a service: files, secrets, commands, and seeds from the user's cache."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TypeAlias

from infra_runtime.data_directory import seed_cache
from infra_runtime.data_directory.paths import refusal
from infra_runtime.host import disk, file_lock
from infra_runtime.host.file_copy import COPY, publish, stage
from infra_runtime.host.privileges import give_to_other_user
from infra_runtime.spec import Run, Secret, Seed, ServiceSpec, substitute
from infra_runtime.supervisor.binding import Bound, Scope, resolver
from infra_runtime.supervisor.seed_folders import seed_folder
from infra_runtime.supervisor.steps import FileStep, StepError, run_step

#: the number of attempts to build a seed; if all attempts fail, the disk is probably faulty
BUILDS = 3

#: a function that runs a command with additional environment variables and returns the exit status
Runner: TypeAlias = Callable[[tuple[str, ...], Mapping[str, str]], Awaitable[int]]


async def prepare(
    bound: Bound,
    scope: Scope,
    others: Mapping[str, Bound],
    cache: str,
    run: Runner,
) -> None:
    """Create the folders of a service, and run the steps in `prepare` of its spec in their order.

    Raises `StepError` if a step fails, `BindingError` if a reference has no value, `OSError` if a file cannot
    be written.
    """
    for folder in (bound.data, bound.run):
        os.makedirs(folder, mode=0o700, exist_ok=True)
    for step in bound.spec.prepare:
        if isinstance(step, Seed):
            await _seed(step, bound, scope, others, cache, run)
        else:
            await _run_step(step, resolver(bound, scope, others), run)
    if bound.spec.refuses_root:
        give_to_other_user([bound.data, bound.run])


async def _run_step(step: FileStep | Run, lookup: Callable[[str], str], run: Runner) -> None:
    if not isinstance(step, Run):
        run_step(step, lookup)
        return
    command = tuple(substitute(text, lookup) for text in step.command)
    env = {name: substitute(text, lookup) for name, text in step.env.items()}
    if (status := await run(command, env)) != 0:
        raise StepError(
            f"{os.path.basename(command[0])} exited with status {status} in a step that prepares the service"
        )


async def _seed(
    seed: Seed, bound: Bound, scope: Scope, others: Mapping[str, Bound], cache: str, run: Runner
) -> None:
    target = substitute(seed.into, resolver(bound, scope, others))
    if os.path.isdir(target) and (existing := sorted(os.listdir(target))):
        _check_origin(bound.spec, target, existing[0], resolver(bound, scope, others, out=target))
        return
    tree = seed_folder(cache, bound.spec, seed, scope.binaries)
    problem = ""
    for _ in range(BUILDS):
        problem = await _copy_seed(tree, target, run, refuses_root=bound.spec.refuses_root)
        if not problem:
            return
        async with _locked(f"{tree}.lock"):
            if seed_cache.damage(tree):
                await _build_seed(seed, bound, scope, others, tree, run)
        await _evict(cache, run)
    raise StepError(
        f"the seed {tree} in the user's cache is still damaged after it was built again: {problem};"
        " check the disk, and remove the seed with `infra cache clean`"
    )


async def _evict(cache: str, run: Runner) -> None:
    """Remove the seeds that the cache no longer needs (`seed_cache.victims`).

    Another process removes the files: this can take a second, and the event loop must not wait.
    """
    for path in seed_cache.victims(cache):
        with seed_cache.unused(path) as free:
            if free:
                seed_cache.remove_stamp(path)
                await run(("rm", "-rf", path), {})


async def _copy_seed(tree: str, target: str, run: Runner, *, refuses_root: bool) -> str:
    """Copy a seed; return an empty text, or the reason why the seed cannot be used.

    Another process copies the files. During the copy, this process compares the seed with its stamp (the size
    and time of each file).
    """
    if not os.path.isdir(tree):
        return "the seed does not exist"
    async with _locked(f"{tree}.lock", shared=True):
        # The copy has another name until it is complete, so that an incomplete copy is never used as data.
        await _remove_folder(run, f"{target}.new")
        copy = stage(target)
        if refuses_root:
            give_to_other_user([os.path.dirname(copy), tree])
        async with _removed_on_failure(os.path.dirname(copy), run):
            copying = asyncio.ensure_future(run((*COPY, tree, copy), {}))
            try:
                await asyncio.sleep(0)  # the process of the copy starts before the check
                problem = seed_cache.damage(tree)
                status = await copying
            finally:
                copying.cancel()
            if status != 0 and not problem:
                raise StepError(f"{' '.join((*COPY, tree, copy))} exited with status {status}")
        if problem:
            await _remove_folder(run, os.path.dirname(copy))
            return problem
        publish(copy, target)
        seed_cache.mark_used(tree)
        return ""


def _check_origin(spec: ServiceSpec, target: str, existing: str, lookup: Callable[[str], str]) -> None:
    """Raise `StepError` if the target folder of a seed has content, but a secret in this folder is missing.

    In this case, another program has created the content, and the service cannot use it.
    """
    paths = [substitute(step.path, lookup) for step in spec.prepare if isinstance(step, Secret)]
    for path in paths:
        if os.path.dirname(path) == target and not os.path.exists(path):
            raise StepError(
                f"{target} contains {existing}, but not {os.path.basename(path)}: another program created "
                "this content. Move it to another folder; the service fills an empty folder at its start"
            )


async def _build_seed(
    seed: Seed, bound: Bound, scope: Scope, others: Mapping[str, Bound], tree: str, run: Runner
) -> None:
    building = seed_cache.building_folder(os.path.dirname(tree))
    out = f"{building}/{os.path.basename(tree)}"
    try:
        async with _locked(f"{building}/{seed_cache.BUILDING_LOCK}", shared=True):
            await _remove_folder(run, out)
            os.makedirs(out, mode=0o700)
            lookup = resolver(bound, scope, others, out=out)
            async with _removed_on_failure(out, run):
                for step in seed.steps:
                    if bound.spec.refuses_root:
                        give_to_other_user([out])
                    await _run_step(step, lookup, run)
            seed_cache.remove_stamp(tree)
            await _remove_folder(run, tree)
            os.rename(out, tree)
            seed_cache.stamp(tree)
    finally:
        _remove_unused(building)


def _remove_unused(building: str) -> None:
    """Remove the folder in which this process builds seeds, unless a build is running for another service."""
    lock = f"{building}/{seed_cache.BUILDING_LOCK}"
    with contextlib.suppress(OSError):
        if (descriptor := file_lock.acquire(lock, create=False)) is not None:
            file_lock.remove(descriptor, lock)
            os.rmdir(building)


@contextlib.asynccontextmanager
async def _removed_on_failure(tree: str, run: Runner) -> AsyncIterator[None]:
    """Remove the incomplete folder `tree` if the `with` block raises `StepError` or is cancelled.

    If the disk is full or read-only, this reason is added to the error message.
    """
    try:
        yield
    except StepError as error:
        folder = os.path.dirname(tree)
        reason = refusal(folder)
        await run(("rm", "-rf", tree), {})
        if reason:
            raise StepError(f"{error}; {folder}: {reason}") from error
        raise
    except asyncio.CancelledError:
        with contextlib.suppress(OSError):
            disk.remove(tree)
        raise


async def _remove_folder(run: Runner, folder: str) -> None:
    if os.path.lexists(folder):  # without the folder, no process is started, which would take milliseconds
        await _run_checked(run, "rm", "-rf", folder)


async def _run_checked(run: Runner, *command: str) -> None:
    if (status := await run(command, {})) != 0:
        raise StepError(f"{' '.join(command)} exited with status {status}")


@contextlib.asynccontextmanager
async def _locked(path: str, *, shared: bool = False) -> AsyncIterator[None]:
    """Hold the lock file of a seed during the `with` block, because another stack may build the same seed.

    The function creates the folder of the file, and waits for the lock without blocking the event loop.
    """
    while True:
        # Until this process has the lock, another process may remove the lock file and its folder.
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        descriptor = None
        with contextlib.suppress(FileNotFoundError):
            descriptor = file_lock.acquire(path, shared=shared)
        if descriptor is None:
            await asyncio.sleep(0.01)
        elif file_lock.is_current(descriptor, path):
            break
        else:
            os.close(descriptor)
    try:
        yield
    finally:
        os.close(descriptor)
