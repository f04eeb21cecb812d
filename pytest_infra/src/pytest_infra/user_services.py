"""A user's own services, and kinds without a kit: the hook `pytest_infra_isolate` isolates them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_infra.kit import ServiceKit

if TYPE_CHECKING:
    from pytest_infra.isolation.hook_units import HookUnits
    from pytest_infra.kit_context import KitContext

KIT = ServiceKit(
    kind="",
    variants=(),
    units="pytest_infra.user_services:units",
    unkeepable="the block of pytest_infra_isolate ends with the test",
)


def units(context: KitContext) -> HookUnits:
    """Return what the hook prepares, as units."""
    from pytest_infra.isolation.hook_units import HookUnits

    return HookUnits(context.endpoint, context.owner, context.config.hook)
