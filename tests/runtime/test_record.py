"""Named tuples that are defined without compilation behave like `typing.NamedTuple`."""

from __future__ import annotations

import copy
import pickle

import pytest

from infra_runtime.record import Record


class Point(Record):
    """A point with a name."""

    x: int
    y: int = 2
    name: str = ""

    @property
    def total(self) -> int:
        """The sum of the coordinates."""
        return self.x + self.y


def test_fields_are_given_by_position_or_by_name_and_have_defaults() -> None:
    assert Point(1) == Point(x=1, y=2) == Point(1, 2, name="") == (1, 2, "")
    assert (Point(1, name="a").name, Point(1, 5).total) == ("a", 6)
    assert Point._fields == ("x", "y", "name")


def test_a_record_can_be_unpacked_matched_and_changed() -> None:
    x, *rest = Point(1, 3, "a")
    match Point(1, 3, "a"):
        case Point(1, name="a"):
            matched = True
        case _:
            matched = False

    assert (x, rest, matched) == (1, [3, "a"], True)
    assert Point(1)._replace(y=7) == (1, 7, "")
    assert Point(1)._asdict() == {"x": 1, "y": 2, "name": ""}
    assert repr(Point(1)) == "Point(x=1, y=2, name='')"


def test_a_record_can_be_copied_and_pickled() -> None:
    point = Point(1, 3, "a")

    for other in (copy.copy(point), copy.deepcopy(point), pickle.loads(pickle.dumps(point))):
        assert (type(other), other) == (Point, point)


@pytest.mark.parametrize(
    ("values", "named"), [((), {}), ((1, 2, "", 4), {}), ((1,), {"z": 1}), ((1,), {"x": 1})]
)
def test_missing_and_additional_values_are_refused(
    values: tuple[object, ...], named: dict[str, object]
) -> None:
    with pytest.raises(TypeError, match="Point"):
        Point(*values, **named)  # type: ignore[arg-type]


def test_a_field_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Point(1).x = 2  # type: ignore[misc]
