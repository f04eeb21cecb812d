"""`@frozen` classes behave like frozen, keyword-only dataclasses."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Mapping
from dataclasses import FrozenInstanceError, asdict, field, fields, is_dataclass, replace

import pytest

from infra_runtime.value import frozen


@frozen
class Port:
    """A port, for the tests."""

    number: int
    name: str = "http"
    labels: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.number < 1:
            raise ValueError(f"{self.number} is not a port")


@frozen
class Pair:
    """Two numbers, for the tests."""

    first: int
    second: int


@frozen
class Task:
    """A function that another value identifies, for the tests."""

    key: str
    run: Callable[[], int] = field(compare=False)


def test_fields_have_their_values_and_defaults() -> None:
    port = Port(number=80)

    assert (port.number, port.name, port.labels) == (80, "http", {})
    assert Port(number=80).labels is not port.labels


def test_a_missing_and_an_unknown_field_are_errors() -> None:
    with pytest.raises(TypeError, match="Port: the field 'number' is missing"):
        Port()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"Port: unknown fields \['host'\]"):
        Port(number=80, host="x")  # type: ignore[call-arg]


def test_fields_take_no_positional_arguments() -> None:
    with pytest.raises(TypeError):
        Port(80)  # type: ignore[misc]


def test_the_check_after_the_construction_runs() -> None:
    with pytest.raises(ValueError, match="0 is not a port"):
        Port(number=0)


def test_a_field_cannot_be_set_or_deleted() -> None:
    port = Port(number=80)

    with pytest.raises(FrozenInstanceError):
        port.number = 81  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del port.name
    assert port == Port(number=80)


def test_equality_depends_on_the_class_and_on_all_fields() -> None:
    assert Pair(first=1, second=2) == Pair(second=2, first=1)
    assert Pair(first=1, second=2) != Pair(first=1, second=3)
    assert Pair(first=1, second=2) != (1, 2)
    assert {Pair(first=1, second=2), Pair(first=1, second=2)} == {Pair(first=1, second=2)}


def test_equality_and_hash_leave_out_fields_without_comparison() -> None:
    first, second = Task(key="one", run=lambda: 1), Task(key="one", run=lambda: 2)

    assert first == second
    assert hash(first) == hash(second)
    assert first != Task(key="two", run=first.run)


def test_the_functions_of_dataclasses_accept_a_value() -> None:
    port = Port(number=80)

    assert is_dataclass(port)
    assert [item.name for item in fields(port)] == ["number", "name", "labels"]
    assert replace(port, number=81) == Port(number=81)
    assert asdict(port) == {"number": 80, "name": "http", "labels": {}}
    assert repr(port) == "Port(number=80, name='http', labels={})"


def test_a_value_survives_a_copy_and_a_pickle() -> None:
    port = Port(number=80, labels={"a": "b"})

    assert copy.deepcopy(port) == port
    assert pickle.loads(pickle.dumps(port)) == port
