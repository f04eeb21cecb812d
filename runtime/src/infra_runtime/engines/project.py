"""Read the metadata of a project, and check that an export would contain no secrets in plain text."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from infra_runtime.config.masking import masked_copy
from infra_runtime.config.resolve import Resolved
from infra_runtime.errors import ConfigurationError
from infra_runtime.manifest import DEPLOYED
from infra_runtime.redaction import MASK
from infra_runtime.spec import ServiceSpec


def project_name(root: Path) -> str:
    """Return the name of a project in `pyproject.toml`; if it is missing, the name of the project's folder.

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


def check_secrets(stacks: Sequence[Resolved], result: str = "an exported file") -> None:
    """Raise `ConfigurationError` if the files of an engine would contain a secret in plain text.

    A secret is a value that `infra config show` masks and that the exported part of its service contains. In
    development and test, secrets in the stack file are accepted. `result` is the name of the engine's result
    in the error message. The error contains the location of the setting.
    """
    for resolved in stacks:
        services_with_secrets = {spec.name for spec in resolved.plan.services if _contains_secret(spec)}
        for key, origin in resolved.provenance.items():
            scope, _, service_key = key.partition(".")
            service, _, setting = service_key.partition(".")
            if scope != "services" or MASK not in origin.value or service not in services_with_secrets:
                continue
            if resolved.environment in DEPLOYED or not _is_file(origin.source):
                name = setting.removeprefix("env.") if setting.startswith("env.") else "NAME"
                raise ConfigurationError(
                    f"{key} contains a secret in plain text, which would be written to {result}",
                    where=origin.source,
                    hint=f"Refer to a variable, which is read when the stack starts: ${{env.{name}}}.",
                )


def _contains_secret(spec: ServiceSpec) -> bool:
    """Return whether the exported part of a spec contains a secret in plain text."""
    exported_part = spec.container or (spec.command, spec.env, spec.prepare)
    return bool(masked_copy(exported_part) != exported_part)


def located(error: ConfigurationError, stacks: Sequence[Resolved]) -> ConfigurationError:
    """Return an error whose location is the file and line of its setting; unchanged if they are unknown."""
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
