"""The names of events and effects of the state machine, and the methods that handle them."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from fakes.world import service
from infra_runtime.supervisor.machine import Machine
from infra_runtime.supervisor.state import EffectKind, Event, EventKind
from infra_runtime.supervisor.supervisor import Supervisor


def handled(owner: type, prefix: str) -> set[str]:
    """Return the names of events or effects for which a class has a method with this prefix."""
    return {name.removeprefix(prefix).replace("_", "-") for name in vars(owner) if name.startswith(prefix)}


def test_the_machine_handles_exactly_the_events_that_exist() -> None:
    assert handled(Machine, "_on_") == set(get_args(EventKind))


def test_the_supervisor_carries_out_exactly_the_effects_that_exist() -> None:
    assert handled(Supervisor, "_do_") == set(get_args(EffectKind))


def test_an_unknown_event_is_an_error() -> None:
    unknown: Any = "wnated"

    with pytest.raises(AttributeError, match="_on_wnated"):
        Machine([service("db")]).handle(Event(unknown, "db"), 0.0)
