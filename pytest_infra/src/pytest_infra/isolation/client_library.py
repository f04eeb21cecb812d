"""Import the client library that a service kit uses to create and remove units."""

from __future__ import annotations

import importlib
from typing import Any

from infra_runtime.errors import ConfigurationError


def required(module: str, *, service: str, library: str, extra: str, purpose: str) -> Any:
    """Import a module of a client library, and return the module.

    `library` is the name of the library, and `extra` is the extra of pytest-infra that installs the library.
    `purpose` is the beginning of the error message, such as `a database for each test needs`.

    Raises `ConfigurationError` if the library is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigurationError(
            f"{service}: {purpose} {library}",
            hint=f"Install {library} with `python -m pip install 'pytest-infra[{extra}]'`. The library is"
            f" not needed if all tests share the server: `infra_isolation = {service}: off`.",
        ) from error
