"""Search for import packages in the environment of this interpreter."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def is_importable(package: str) -> bool:
    """Return whether this environment contains an import package, without an import.

    For `nats.aio`, `importlib.util.find_spec` would import `nats`, which takes longer than reading a cached
    plan.
    """
    outer, *inner = package.split(".")
    spec = importlib.util.find_spec(outer)
    if spec is None or not inner:
        return spec is not None
    paths = [Path(folder, *inner) for folder in spec.submodule_search_locations or ()]
    return any(path.is_dir() or path.with_suffix(".py").is_file() for path in paths)
