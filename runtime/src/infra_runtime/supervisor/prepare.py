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

#: the number of attempts to build a seed; if all fail, the disk is probably faulty
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
    """Create the service's folders and run the steps of its spec that prepare its data, in their order.

    Raises `StepError`, `BindingError`, and `OSError` when a file cannot be written.
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
    into = substitute(seed.into, resolver(bound, scope, others))
    if os.path.isdir(into) and (existing := sorted(os.listdir(into))):
        _check_origin(bound.spec, into, existing[0], resolver(bound, scope, others, out=into))
        return
    tree = seed_folder(cache, bound.spec, seed, scope.binaries)
    problem = ""
    for _ in range(BUILDS):
        problem = await _copy_seed(tree, into, run, refuses_root=bound.spec.refuses_root)
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
    """Remove the seeds that the cache no longer needs (`seed_cache.victims`), in another process.

    The removal can take a second, and the event loop must not wait for it.
    """
    for path in seed_cache.victims(cache):
        with seed_cache.unused(path) as free:
            if free:
                seed_cache.remove_stamp(path)
                await run(("rm", "-rf", path), {})


async def _copy_seed(tree: str, into: str, run: Runner, *, refuses_root: bool) -> str:
    """Copy a seed; return an empty string, or the reason why the seed cannot be used.

    Another process compares the seed with its stamp (the size and time of each file) during the copy, so the
    check takes no additional time.
    """
    if not os.path.isdir(tree):
        return "the seed does not exist"
    async with _locked(f"{tree}.lock", shared=True):
        # An incomplete copy must not be used as data, so the copy gets its final name when it is complete.
        await _remove_folder(run, f"{into}.new")
        copy = stage(into)
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
        publish(copy, into)
        seed_cache.mark_used(tree)
        return ""


def _check_origin(spec: ServiceSpec, into: str, existing: str, lookup: Callable[[str], str]) -> None:
    """Raise `StepError` if the target folder of a seed has content but the service has no secrets yet.

    In that case, the service did not create the content of the folder, and cannot use it.
    """
    paths = [substitute(step.path, lookup) for step in spec.prepare if isinstance(step, Secret)]
    for path in paths:
        if os.path.dirname(path) == into and not os.path.exists(path):
            raise StepError(
                f"{into} contains {existing}, but not {os.path.basename(path)}: this service did not create "
                "it. Move the content elsewhere; the service fills an empty folder at its start"
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
    """Remove the folder in which this process builds seeds, unless it is in use for another service."""
    lock = f"{building}/{seed_cache.BUILDING_LOCK}"
    with contextlib.suppress(OSError):
        if (descriptor := file_lock.acquire(lock, create=False)) is not None:
            file_lock.remove(descriptor, lock)
            os.rmdir(building)


@contextlib.asynccontextmanager
async def _removed_on_failure(tree: str, run: Runner) -> AsyncIterator[None]:
    """Remove an incomplete seed if the block fails or is cancelled.

    If the disk has a problem (full or read-only), this reason is added to the error message.
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
    if os.path.lexists(folder):  # the folder rarely exists, and starting a process takes milliseconds
        await _run_checked(run, "rm", "-rf", folder)


async def _run_checked(run: Runner, *command: str) -> None:
    if (status := await run(command, {})) != 0:
        raise StepError(f"{' '.join(command)} exited with status {status}")


@contextlib.asynccontextmanager
async def _locked(path: str, *, shared: bool = False) -> AsyncIterator[None]:
    """Hold the lock file of a seed during the block, because another stack may build the same seed.

    The function waits for the lock without blocking the event loop. The folder of the file is created.
    """
    while True:
        # Another process may remove the file, and the folder of a build, until this process has the lock.
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
