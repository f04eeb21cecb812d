"""The secrets of services, which must not occur in texts that the plugin prints or writes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from infra_runtime.redaction import SHORTEST
from pytest_infra.instances import Instances

if TYPE_CHECKING:
    from pytest_infra.isolation.unit import Unit


def secrets_of(units: Iterable[Unit], instances: Instances, known: Iterable[str] = ()) -> set[str]:
    """Return the values of the units' exports that their kits declare as secret, and the `known` secrets.

    The result contains each secret of at least `SHORTEST` characters, unchanged and escaped as in JSON.
    """
    values = {unit[name] for unit in units for name in instances[unit.name].kit.secrets if name in unit}
    values |= {secret for unit in units for secret in unit.sensitive} | set(known)
    return {
        text
        for value in values
        if len(value) >= SHORTEST
        for text in (value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1])
    }
