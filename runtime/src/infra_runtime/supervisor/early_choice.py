"""Which services of a test's stack start early, and the seeds with which their preparation begins.

The client uses this choice, too: it copies these seeds while the supervisor imports its modules.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator, Mapping

from infra_runtime.messages import Up
from infra_runtime.spec import Run, Seed, ServiceSpec, optional_exports
from infra_runtime.supervisor.seed_folders import seed_folder

#: the most services that start early: each is a fork of the supervisor, which needs its own copy of a part of
#: the supervisor's memory until it executes the command of the service
MOST = 8
#: the target of a seed that is the whole data folder of the service
DATA = "${data}"


def chosen(request: Up, cache: str) -> Iterator[tuple[ServiceSpec, list[str]]]:
    """Yield each service that starts early with the folders of its seeds.

    The service with the longest preparation is first, and then the one with the largest executable, because
    large programs usually need the longest time to start. `cache` is the folder of the seeds.
    """
    wanted = [spec for spec in request.services if spec.name in (request.wanted or (spec.name,))]

    def key(spec: ServiceSpec) -> tuple[bool, bool, int]:
        return *preparation(spec), -_executable_size(spec, request.binaries)

    specs = sorted(filter(_is_independent, wanted), key=key)
    yield from itertools.islice(_with_seeds(specs, request, cache), MOST)


def _executable_size(spec: ServiceSpec, binaries: Mapping[str, str]) -> int:
    """Return the bytes of the executable if the command begins with `${bin.NAME}`, or else 0."""
    name = spec.command[0].removeprefix("${bin.").removesuffix("}") if spec.command else ""
    try:
        return os.stat(binaries[name]).st_size
    except (KeyError, OSError):
        return 0


def _with_seeds(specs: list[ServiceSpec], request: Up, cache: str) -> Iterator[tuple[ServiceSpec, list[str]]]:
    for spec in specs:
        with contextlib.suppress(OSError):  # an executable is missing
            seeds = [seed_folder(cache, spec, seed, request.binaries) for seed in _seeds(spec)]
            if all(map(os.path.isdir, seeds)):
                yield spec, seeds


def _is_independent(spec: ServiceSpec) -> bool:
    """Return whether a service can be prepared and started without the other services."""
    needs_others = spec.all_needs() or optional_exports(spec.references)
    is_program = not (spec.image or spec.task or spec.starts_on_connection)
    is_data = all(seed.into == DATA for seed in _seeds(spec))
    return is_program and is_data and not needs_others


def _seeds(spec: ServiceSpec) -> list[Seed]:
    return [step for step in spec.prepare if isinstance(step, Seed)]


def preparation(spec: ServiceSpec) -> tuple[bool, bool]:
    """Return the key by which services are sorted for their start: the longest preparation comes first."""
    return not any(isinstance(step, Run) for step in spec.prepare), not _seeds(spec)
