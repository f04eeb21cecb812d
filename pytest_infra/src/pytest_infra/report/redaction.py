"""Mask the secrets of services as `***` in text that the plugin prints or writes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from infra_runtime.redaction import MASK
from pytest_infra.instances import Instances

if TYPE_CHECKING:
    from pytest_infra.isolation.unit import Unit

#: characters of the shortest secret that is masked; a shorter value may occur in other text by chance
SHORTEST = 6


def secrets_of(units: Iterable[Unit], instances: Instances) -> set[str]:
    """Return the values of the units' exports that their kits declare as secret."""
    values = {unit[name] for unit in units for name in instances[unit.name].kit.secrets if name in unit}
    return {value for value in values if len(value) >= SHORTEST}


def redacted(text: str, secrets: Iterable[str]) -> str:
    """Return a text with every secret masked."""
    for secret in secrets:
        text = text.replace(secret, MASK)
    return text
