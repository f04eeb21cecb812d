"""The folders of seeds in the user's cache: the name of a folder contains a hash of the seed's steps."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping

from infra_runtime.spec import Seed, ServiceSpec, encode, references_in


def seed_key(seed: Seed, binaries: Mapping[str, str]) -> str:
    """Return the key of a seed in the cache: a hash of its steps and of their executables."""
    executables = {}
    for reference in sorted({*references_in(seed)}):
        prefix, _, name = reference.partition(".")
        if prefix == "bin" and name in binaries:
            status = os.stat(binaries[name])
            executables[name] = (binaries[name], status.st_size, status.st_mtime_ns)
    text = json.dumps([encode(seed.steps), executables], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def seed_folder(cache: str, spec: ServiceSpec, seed: Seed, binaries: Mapping[str, str]) -> str:
    """Return the path of a seed's folder in the cache; equal seeds of one kind have the same path."""
    return f"{cache}/{spec.kind or spec.name}-{seed_key(seed, binaries)}"
