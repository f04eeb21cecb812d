"""The import packages of this interpreter."""

from __future__ import annotations

import importlib.util


def is_importable(package: str) -> bool:
    """Return whether this environment contains an import package, without importing it."""
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # a package that contains the package
        return False
