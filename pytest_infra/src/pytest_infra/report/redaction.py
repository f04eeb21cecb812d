"""Replace the secrets of services by `***` in texts that the plugin prints or writes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from infra_runtime.messages import MASK
from pytest_infra.instances import Instances

if TYPE_CHECKING:
    from pytest_infra.isolation.unit import Unit

#: The length of the shortest secret that is masked. A shorter value can occur in other text by chance.
SHORTEST = 6


def secrets_of(units: Iterable[Unit], instances: Instances) -> set[str]:
    """Return the values of those exports of units that the service kits declare as secret."""
    values = {unit[name] for unit in units for name in instances[unit.name].kit.secrets if name in unit}
    return {value for value in values if len(value) >= SHORTEST}


def redacted(text: str, secrets: Iterable[str]) -> str:
    """Return a text with every secret masked."""
    for secret in secrets:
        text = text.replace(secret, MASK)
    return text
