"""List every setting of a resolved stack with its value and its source, for `infra config show`."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from infra_runtime.config.declaration import Declaration
from infra_runtime.config.layers import Origin, leaves, value_text
from infra_runtime.config.service_settings import ServiceConfiguration
from infra_runtime.config.stack_file import Key


def provenance(declaration: Declaration, services: Iterable[ServiceConfiguration]) -> dict[str, Origin]:
    """Return a mapping from dotted key to the value and the source of each setting, sorted by key.

    Secrets are masked.
    """
    request = declaration.request
    origins = {
        "environment": Origin(value=request.environment, source=request.environment_source),
        "data": Origin(value=str(request.data), source=request.data_source),
    }
    for key, value in leaves(declaration.stack.model_dump(exclude={"services"})):
        origins[".".join(key)] = _origin(key, value, declaration.merged.exact_location(key))
    for service in services:
        prefix = ("services", service.name)
        sensitive = getattr(service.settings, "sensitive", ())
        for key, value in leaves(service.settings.model_dump()):
            full_key = (*prefix, *key)
            origins[".".join(full_key)] = _origin(
                full_key, value, service.origins.exact_location(key), sensitive=sensitive
            )
        if "kind" in declaration.table(service.name):
            full_key = (*prefix, "kind")
            origins[".".join(full_key)] = _origin(
                full_key, service.kind, declaration.merged.exact_location(full_key)
            )
    return dict(sorted(origins.items()))


def _origin(key: Key, value: object, source: str, *, sensitive: Collection[str] = ()) -> Origin:
    return Origin(value=value_text(key, value, sensitive), source=source or "default")
