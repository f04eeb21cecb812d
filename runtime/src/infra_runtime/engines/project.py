"""The data of exports that is not in the plan: the project's name, and the settings with plain secrets."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from infra_runtime.config.resolve import Resolved
from infra_runtime.errors import ConfigurationError
from infra_runtime.manifest import DEPLOYED
from infra_runtime.redaction import MASK


def project_name(root: Path) -> str:
    """Return the name of a project: the name in `pyproject.toml`, or else the name of the project's folder.

    The name in `pyproject.toml` is preferred because the name of the folder may differ between machines.
    """
    return _project_value(root, "name") or root.name


def project_version(root: Path) -> str:
    """Return the version of a project in `pyproject.toml`; empty if it is missing."""
    return _project_value(root, "version")


def project_dependencies(root: Path) -> list[str]:
    """Return the dependencies of a project in `pyproject.toml`."""
    table = pyproject(root).get("project")
    value = table.get("dependencies") if isinstance(table, Mapping) else ()
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []


def _project_value(root: Path, key: str) -> str:
    table = pyproject(root).get("project")
    value = table.get(key) if isinstance(table, Mapping) else ""
    return value if isinstance(value, str) else ""


def pyproject(root: Path) -> Mapping[str, Any]:
    """Return the content of a project's `pyproject.toml`; empty if the file cannot be read."""
    try:
        return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def check_secrets(stacks: Sequence[Resolved]) -> None:
    """Raise `ConfigurationError` if an exported file would contain a secret in plain text.

    The error contains the location of the setting. The values that `infra config show` masks count as
    secrets. Secrets in the stack file are accepted in development and test.
    """
    for resolved in stacks:
        for key, origin in resolved.provenance.items():
            scope, _, rest = key.partition(".")
            name = rest.partition(".env.")[2]
            if scope != "services" or not name or origin.value != MASK:
                continue
            if resolved.environment in DEPLOYED or not _is_file(origin.source):
                raise ConfigurationError(
                    f"{key} contains a secret in plain text, which would be written to an exported file",
                    where=origin.source,
                    hint=f"Refer to a variable, which is read when the stack starts: ${{env.{name}}}.",
                )


def located(error: ConfigurationError, stacks: Sequence[Resolved]) -> ConfigurationError:
    """Return an error with the file and line of a setting as location, if known, instead of its key."""
    key = error.where
    while key.startswith("services."):
        for resolved in stacks:
            for setting, origin in resolved.provenance.items():
                if f"{setting}.".startswith(f"{key}.") and _is_file(origin.source):
                    return ConfigurationError(error.message, where=origin.source, hint=error.hint)
        key = key.rpartition(".")[0]
        if key.count(".") == 0:
            break
    return error


def _is_file(source: str) -> bool:
    """Return whether the source of a setting is the stack file or an overlay, such as `infra.toml:12`."""
    return source.rpartition(":")[0].endswith(".toml")
