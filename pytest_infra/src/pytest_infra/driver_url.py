"""The URL of an endpoint in the format that a client library (driver) requires."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias
from urllib.parse import quote

from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.errors import ConfigurationError
from pytest_infra.kit import ServiceKit

#: The type of the fixture `infra_url`, a function from endpoint and driver to URL.
UrlFor: TypeAlias = Callable[[Endpoint, str], str]


def driver_url(endpoint: Endpoint, driver: str, kit: ServiceKit) -> str:
    """Return the URL of a service or an isolation unit in the format of a driver (client library).

    The exports that become part of the URL are percent-encoded, except exports that are URLs. Raises
    `ConfigurationError` for an unknown driver.
    """
    if driver not in kit.urls:
        drivers = ", ".join(kit.urls) or "none"
        raise ConfigurationError(
            f"{endpoint.name} has no URL for the driver {driver!r}; its drivers are: {drivers}"
        )
    exports = {
        name: value if name == "url" or name.endswith("_url") else quote(value, safe="")
        for name, value in endpoint.items()
    }
    try:
        return kit.urls[driver].format_map(exports)
    except KeyError as error:
        raise ConfigurationError(
            f"{endpoint.name} has no export {error}, which the URL for the driver {driver!r} contains",
            hint="Use an isolation unit, because the shared server does not export a user and a password.",
        ) from error
