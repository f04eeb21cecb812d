"""The literals of a question (see the module `question`): schemas, each with its role."""

from __future__ import annotations

import enum
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from infra_openapi.finding import Direction
from infra_openapi.schema.node import Node, Term

#: The result of a search without a value; for a question, it is then proved that no value exists. The object
#: is not equal to any JSON value.
NOTHING: Final = object()


class Role(enum.IntEnum):
    """Whether a schema must allow or must reject the value that is searched."""

    #: The schema allows the value. The schema also describes each property of the value that another schema
    #: describes.
    SENT = 0
    #: The schema allows the value.
    HELD = 1
    #: The schema does not allow the value, or does not describe a property of the value that another schema
    #: describes.
    REFUSED = 2
    #: The schema does not allow the value.
    DENIED = 3

    @property
    def positive(self) -> bool:
        """Return whether the schema must allow the value."""
        return self <= Role.HELD


class Literal(NamedTuple):
    """A schema, and its role in the search for a value.

    A value fits a literal if the schema allows or rejects the value, as the role requires.
    """

    node: Node
    role: Role


Literals: TypeAlias = tuple[Literal, ...]


class Search(Protocol):
    """The search that finds values for the items of an array and the properties of an object."""

    direction: Direction

    def node_of(self, term: Term, /) -> Node:
        """Return the normal form of a term."""
        ...

    def part(self, literals: Literals) -> Any:
        """Return a value for an item or a property that fits all `literals`, or `NOTHING`."""
        ...

    def step(self, count: int = 1, /) -> None:
        """Count `count` steps of the search. Raises an error if the search needs too many steps."""
        ...


def limit(node: Node, name: str, default: float) -> float:
    """Return the value of the keyword `name`, such as `maxItems`; `default` if the keyword is missing."""
    facet = node.facets.get(name)
    return default if facet is None else float(facet.value)
