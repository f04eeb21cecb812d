"""Find the service kit of a kind: the plugin's code for isolation, clients and dumps.

The kits of pytest-infra are found by the name of their module, the kits of other distributions by entry
point.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from infra_runtime.manifest import KINDS
from pytest_infra.kit import ServiceKit

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "infra.kits"
#: The kit of the user's own services and of kinds without a kit. The hook `pytest_infra_isolate` isolates
#: these services.
WITHOUT_KIND = ServiceKit(
    kind="",
    variants=(),
    units="pytest_infra.hook_units:units",
    unkeepable="the context manager of pytest_infra_isolate removes the unit after the test",
)


class KitError(Exception):
    """The error that the service kit of another distribution cannot be loaded."""


def find(kind: str) -> ServiceKit | None:
    """Return the service kit of a kind; None if the kind has no kit.

    Other distributions are searched only if the kind is not part of pytest-infra.

    Raises:
        KitError: the entry point cannot be loaded, or is not a `ServiceKit`.
    """
    if kind_row := KINDS.get(kind):
        kit: ServiceKit = importlib.import_module(f"pytest_infra.services.{kind_row.identifier}").KIT
        return kit
    entry_point = _entry_points().get(kind)
    return _loaded(entry_point) if entry_point else None


@functools.cache
def _entry_points() -> Mapping[str, EntryPoint]:
    # The search reads the metadata of every distribution, which takes milliseconds, and is not needed in most
    # runs.
    from importlib.metadata import entry_points

    return {entry_point.name: entry_point for entry_point in entry_points(group=GROUP)}


def _loaded(entry_point: EntryPoint) -> ServiceKit:
    distribution = entry_point.dist.name if entry_point.dist else "an unknown distribution"
    origin = f"the kit {entry_point.name!r} ({entry_point.value} of {distribution})"
    try:
        kit = entry_point.load()
    except Exception as error:
        raise KitError(
            f"{origin} cannot be loaded: {error!r}; update or uninstall the distribution"
        ) from error
    if not isinstance(kit, ServiceKit):
        raise KitError(
            f"{origin} has the type {type(kit).__name__}, but must be a pytest_infra.ServiceKit; correct the "
            "entry point"
        )
    return kit
