"""Pairs of pydantic types: the second type of each pair accepts every value of the first one, and more."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, TypeAdapter, create_model


class Cat(BaseModel):
    """An alternative with a tag."""

    kind: Literal["cat"]
    age: int


class Dog(BaseModel):
    """Another alternative."""

    kind: Literal["dog"]
    name: str
    friend: Cat | None = None


class Bird(BaseModel):
    """An alternative that is added."""

    kind: Literal["bird"]
    wings: list[int]


class _Sizes(enum.StrEnum):
    SMALL = "small"
    LARGE = "large"


class _MoreSizes(enum.StrEnum):
    SMALL = "small"
    LARGE = "large"
    HUGE = "huge"


_Order = create_model("Order", name=(str, ...), count=(int, ...))
_WithDefault = create_model("Order", name=(str, ...), count=(int, 1))
_Nullable = create_model("Order", name=(str, ...), count=(int | None, ...))
_Noted = create_model("Order", name=(str, ...), count=(int, ...), note=(str | None, None))

_SizesOfOneName = enum.StrEnum("Size", {size.name: size.value for size in _Sizes})
_MoreSizesOfOneName = enum.StrEnum("Size", {size.name: size.value for size in _MoreSizes})

#: Name, narrow type, wide type.
PAIRS: list[tuple[str, Any, Any]] = [
    ("literal", Literal["a", "b"], Literal["a", "b", "c"]),
    ("number literal", Literal[1, 2], Literal[1, 2, 3]),
    ("enum", _SizesOfOneName, _MoreSizesOfOneName),
    ("union of scalars", int | str, int | str | bool),
    ("bound", Annotated[int, Field(ge=1, le=5)], Annotated[int, Field(ge=1)]),
    ("default", _Order, _WithDefault),
    ("nullable", _Order, _Nullable),
    (
        "discriminated",
        *(Annotated[union, Field(discriminator="kind")] for union in (Cat | Dog, Cat | Dog | Bird)),
    ),
    ("union of models", Cat | Dog, Cat | Dog | Bird),
    ("optional field", _Order, _Noted),
]
#: The pairs whose wide type is harmless in responses, too.
TOLERATED = {"optional field"}


#: Types that contain a type.
CONTEXTS: dict[str, Callable[[Any], Any]] = {
    "alone": lambda kind: kind,
    "optional": lambda kind: kind | None,
    "list": lambda kind: list[kind],
    "dictionary": lambda kind: dict[str, kind],
    "list in union": lambda kind: list[kind] | int,
    "field": lambda kind: create_model("Outer", inner=(kind, ...)),
    "optional field": lambda kind: create_model("Outer", inner=(kind | None, None)),
    "nested": lambda kind: create_model("Outer", inner=(create_model("Inner", deep=(list[kind], ...)), ...)),
}


def schema(kind: Any, mode: Literal["validation", "serialization"]) -> tuple[Any, dict[str, Any]]:
    """Return the schema of a type, and the shared schemas to which it refers."""
    document = TypeAdapter(kind).json_schema(mode=mode, ref_template="#/components/schemas/{model}")
    return document, document.pop("$defs", {})
