"""The URL of an endpoint as a certain driver takes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias
from urllib.parse import quote

from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.errors import ConfigurationError
from pytest_infra.kit import ServiceKit

#: what `infra_url` is: endpoint, driver → URL
UrlFor: TypeAlias = Callable[[Endpoint, str], str]


def driver_url(endpoint: Endpoint, driver: str, kit: ServiceKit) -> str:
    """Return the driver's URL of a service or a unit. Raises `ConfigurationError` for an unknown driver.

    Exports go into it percent-encoded, except those that are URLs themselves.
    """
    if driver not in kit.urls:
        known = ", ".join(kit.urls) or "none"
        raise ConfigurationError(f"{endpoint.name} has no URL for the driver {driver!r}; it has: {known}")
    exports = {
        name: value if name == "url" or name.endswith("_url") else quote(value, safe="")
        for name, value in endpoint.items()
    }
    try:
        return kit.urls[driver].format_map(exports)
    except KeyError as error:
        raise ConfigurationError(
            f"{endpoint.name} has no export {error}, which the URL for {driver!r} needs",
            hint="Ask for a unit: the whole service may have no login of its own.",
        ) from error
