"""Choose the services of a test's stack that start early, with the seeds from which they are prepared.

The client calls these functions, too: it copies the seeds while the supervisor imports its modules.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator, Mapping

from infra_runtime.messages import Up
from infra_runtime.spec import Run, Seed, ServiceSpec, optional_exports
from infra_runtime.supervisor.seed_folders import seed_folder

#: the greatest number of services that start early. The process of a service with a seed or a command is a
#: fork of the supervisor, which needs memory for its own copy of some of the supervisor's pages until it
#: executes the command of the service
EARLY_LIMIT = 8
#: the value of `Seed.into` for a seed that fills the whole data folder of the service
DATA = "${data}"


def chosen(request: Up, cache: str) -> Iterator[tuple[ServiceSpec, list[str]]]:
    """Yield the spec of each service that starts early, with the paths of its seeds.

    The services are sorted by the duration of their preparation, the longest first, and then by the size of
    their executables, the largest first, because large programs usually start slowest. `cache` is the folder
    of the seeds.
    """
    requested_specs = [spec for spec in request.services if spec.name in (request.wanted or (spec.name,))]

    def start_order(spec: ServiceSpec) -> tuple[bool, bool, int]:
        return *preparation(spec), -_executable_size(spec, request.binaries)

    specs = sorted(filter(_is_independent, requested_specs), key=start_order)
    yield from itertools.islice(_with_seeds(specs, request, cache), EARLY_LIMIT)


def _executable_size(spec: ServiceSpec, binaries: Mapping[str, str]) -> int:
    """Return the size of the executable in bytes if the command begins with `${bin.NAME}`, otherwise 0."""
    name = spec.command[0].removeprefix("${bin.").removesuffix("}") if spec.command else ""
    try:
        return os.stat(binaries[name]).st_size
    except (KeyError, OSError):
        return 0


def _with_seeds(specs: list[ServiceSpec], request: Up, cache: str) -> Iterator[tuple[ServiceSpec, list[str]]]:
    for spec in specs:
        # Raised if an executable is missing: the service does not start early.
        with contextlib.suppress(OSError):
            seeds = [seed_folder(cache, spec, seed, request.binaries) for seed in _seeds(spec)]
            if all(map(os.path.isdir, seeds)):
                yield spec, seeds


def _is_independent(spec: ServiceSpec) -> bool:
    """Return whether a service can be prepared and started before the other services."""
    needs_others = spec.all_needs() or optional_exports(spec.references)
    is_program = not (spec.image or spec.task or spec.starts_on_connection)
    is_data = all(seed.into == DATA for seed in _seeds(spec))
    return is_program and is_data and not needs_others


def _seeds(spec: ServiceSpec) -> list[Seed]:
    return [step for step in spec.prepare if isinstance(step, Seed)]


def preparation(spec: ServiceSpec) -> tuple[bool, bool]:
    """Return a key for sorting services, so that services with the longest preparation come first."""
    return not any(isinstance(step, Run) for step in spec.prepare), not _seeds(spec)
