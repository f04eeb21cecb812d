"""The folders of seeds, and the copies of seeds that a client requests for the start of the supervisor."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Mapping

from infra_runtime.data_directory.paths import Paths
from infra_runtime.record import Record
from infra_runtime.spec import Seed, ServiceSpec, encode, references_in

#: the target of a seed that is copied early: the whole data folder of the service
DATA = "${data}"


class PlannedCopy(Record):
    """A copy of a seed that a client requests."""

    service: str
    #: the folder of the seed in the cache
    tree: str
    refuses_root: bool


def seed_key(seed: Seed, binaries: Mapping[str, str]) -> str:
    """Return the key of a seed in the cache: a hash of its steps and of their executables."""
    used = {}
    for reference in sorted({*references_in(seed)}):
        prefix, _, name = reference.partition(".")
        if prefix == "bin" and name in binaries:
            status = os.stat(binaries[name])
            used[name] = (binaries[name], status.st_size, status.st_mtime_ns)
    text = json.dumps([encode(seed.steps), used], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def seed_folder(cache: str, spec: ServiceSpec, seed: Seed, binaries: Mapping[str, str]) -> str:
    """Return the folder of a seed; instances of a kind with the same settings share the folder."""
    return f"{cache}/{spec.kind or spec.name}-{seed_key(seed, binaries)}"


def planned(services: Iterable[ServiceSpec], binaries: Mapping[str, str], paths: Paths) -> str:
    """Return the copies that are requested, as JSON for the command line of the supervisor."""
    copies, cache = [], paths.seeds()
    for spec in services:
        for seed in spec.prepare:
            if isinstance(seed, Seed) and seed.into == DATA:
                with contextlib.suppress(OSError):  # the error is reported when the service is prepared
                    tree = seed_folder(cache, spec, seed, binaries)
                    if os.path.isdir(tree):
                        copies.append(PlannedCopy(spec.name, tree, spec.refuses_root))
    return json.dumps(copies)
