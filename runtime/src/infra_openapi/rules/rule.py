"""The type of the rules of the API check, and the table rows from which the rules are created."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from infra_openapi.facts import FactKind
from infra_openapi.finding import Direction, Level
from infra_openapi.rules.peer import PEER_IDS


class Effect(enum.StrEnum):
    """The effect of a change on the set of requests or responses that a document allows."""

    NARROWED = "narrowed"
    WIDENED = "widened"
    CHANGED = "changed"
    UNDECIDED = "undecided"
    NEUTRAL = "neutral"


def law(effect: Effect, direction: Direction) -> Level:
    """Return the level that the general rule gives to a change with this effect and this direction.

    The general rule: the level is breaking if a client that follows the old document can fail.

    Every request that is valid for the old document must be valid for the new document. Every response that
    is possible in the new document must be possible in the old document.
    """
    if effect is Effect.UNDECIDED:
        return Level.WARNING
    if effect is Effect.NEUTRAL:
        return Level.INFO
    if effect is Effect.CHANGED:
        return Level.BREAKING
    # A change without a direction concerns operations, servers or credentials: clients fail when one is
    # removed.
    breaking = Effect.WIDENED if direction is Direction.RESPONSE else Effect.NARROWED
    return Level.BREAKING if effect is breaking else Level.INFO


_UNDECIDED = (
    "The API check cannot decide whether this change affects clients: compare the old and the new document "
    "yourself."
)
_CALL_FAILS = "A request of an existing client can fail, although the request worked before the change."
_NEW_RESPONSE = (
    "A client can receive a value that was not possible before the change, and can fail because of this "
    "value."
)
#: Effect and direction → a sentence about the consequence for clients.
_CONSEQUENCES: dict[tuple[Effect, Direction], str] = {
    (Effect.NARROWED, Direction.REQUEST): (
        "The server can reject a message that it accepted before the change."
    ),
    (Effect.WIDENED, Direction.REQUEST): (
        "The server still accepts every message that it accepted before the change."
    ),
    (Effect.CHANGED, Direction.REQUEST): (
        "The server can reject a message that it accepted before the change."
    ),
    (Effect.NARROWED, Direction.RESPONSE): (
        "Every value that a client can receive after the change was possible before the change."
    ),
    (Effect.WIDENED, Direction.RESPONSE): _NEW_RESPONSE,
    (Effect.CHANGED, Direction.RESPONSE): _NEW_RESPONSE,
    (Effect.NARROWED, Direction.NONE): _CALL_FAILS,
    (Effect.WIDENED, Direction.NONE): "Every request that worked before the change still works.",
    (Effect.CHANGED, Direction.NONE): _CALL_FAILS,
    **{(Effect.UNDECIDED, direction): _UNDECIDED for direction in Direction},
    **{(Effect.NEUTRAL, direction): "Existing clients keep working." for direction in Direction},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule for one kind of change in one direction: its level, its message and its explanation.

    `message` is a format string with the placeholders of `PLACEHOLDERS`. `explain` contains full sentences
    about the change and its consequence for clients. `aliases` are the ids of oasdiff's checks for the same
    change. `mirror` is the rule for the opposite change; if no such rule exists, `waiver` is the reason.
    `deviation` is the reason why `level` differs from the result of the function `law`. Both reasons are
    clauses without a full stop.
    """

    id: str
    level: Level
    direction: Direction
    effect: Effect
    area: str
    message: str
    explain: str
    aliases: tuple[str, ...] = ()
    mirror: str = ""
    waiver: str = ""
    deviation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A table row for one kind of fact; each direction of the fact becomes one rule.

    `mirror` is the fact of the opposite change. `deviations` maps a direction to a level that differs from
    the result of the function `law`, and to the reason for the difference. `consequence` replaces the
    sentence in `_CONSEQUENCES`. `peer` contains ids of oasdiff's checks, or the ends of such ids:
    `max-length-decreased` means every id for a body, property, parameter or header that ends with
    `max-length-decreased`.
    """

    fact: FactKind
    effect: Effect
    message: str
    explain: str
    consequence: str = ""
    mirror: FactKind | None = None
    waiver: str = ""
    peer: tuple[str, ...] = ()
    deviations: Mapping[Direction, tuple[Level, str]] = field(default_factory=dict)


#: The placeholders of a message. The module `evaluation` replaces them by these values:
#: element: the changed part, `the property 'name' of the schema 'Pet' in responses`; for a removed part, its
#:     container
#: old_element: the changed part in the old document; for an added part, its container
#: object: the object whose undeclared properties or property names have changed, or the array whose number of
#:     items has changed
#: container: the part that contains the changed part, `the schema 'Pet' in responses`
#: in_container: ` in ` and the container; empty for a header or link that several responses share
#: name, subject: the name of the changed part; `subject` has quotes
#: parameter: `query parameter 'limit'`
#: other: the first name in quotes if the subject consists of two names (`a → b`)
#: before, after: the old value and the new value; strings have quotes
#: transition: ` from ` the old value ` to ` the new value; empty if the fact contains no values
#: values: the removed or added values of an enumeration, `value 'a'` or `values 'a' and 'b'`
#: sunset: `with the sunset date 2030-12-31`, or `without a sunset date`
#: url: the changed URL of an OAuth flow, ``the `tokenUrl` of the flow 'password'``
PLACEHOLDERS = frozenset(
    {
        *("element", "old_element", "object", "container", "in_container"),
        *("name", "subject", "parameter", "other", "before", "after", "transition", "sunset", "values"),
        "url",
    }
)
_PREFIXES = {
    Direction.REQUEST: (
        "request-body-",
        "request-property-",
        "request-parameter-",
        "request-parameter-property-",
    ),
    Direction.RESPONSE: ("response-body-", "response-property-", "response-header-"),
}


def directed(area: str, rows: Iterable[Row]) -> Iterator[Rule]:
    """Return the rules for facts about requests and responses: one or two rules for each row."""
    for row in rows:
        for direction in (Direction.REQUEST, Direction.RESPONSE):
            if not row.fact.rule(direction):
                continue
            level, deviation = row.deviations.get(direction, (law(row.effect, direction), ""))
            yield Rule(
                id=row.fact.rule(direction),
                level=level,
                direction=direction,
                effect=row.effect,
                area=area,
                message=row.message,
                explain=_explanation(row, direction, deviation),
                aliases=tuple(_aliases(row, direction)),
                mirror=row.mirror.rule(direction) if row.mirror else "",
                waiver=row.waiver,
                deviation=deviation,
            )


def undirected(area: str, rows: Iterable[Row]) -> Iterator[Rule]:
    """Return the rules for facts that are not about requests or responses.

    Such facts are about operations, servers or security.
    """
    for row in rows:
        level, deviation = row.deviations.get(Direction.NONE, (law(row.effect, Direction.NONE), ""))
        yield Rule(
            id=row.fact.undirected,
            level=level,
            direction=Direction.NONE,
            effect=row.effect,
            area=area,
            message=row.message,
            explain=_explanation(row, Direction.NONE, deviation),
            aliases=row.peer,
            mirror=row.mirror.undirected if row.mirror else "",
            waiver=row.waiver,
            deviation=deviation,
        )


def _explanation(row: Row, direction: Direction, deviation: str) -> str:
    # The general sentence about undecided effects would contradict a deviation, so it is omitted.
    is_decided = row.effect is Effect.UNDECIDED and deviation
    consequence = row.consequence or ("" if is_decided else _CONSEQUENCES[row.effect, direction])
    return f"{row.explain} {consequence}".rstrip()


def _aliases(row: Row, direction: Direction) -> Iterator[str]:
    for suffix in row.peer:
        if suffix in PEER_IDS:
            if direction.value in suffix.removeprefix("new-"):
                yield suffix
        else:
            yield from (prefix + suffix for prefix in _PREFIXES[direction] if prefix + suffix in PEER_IDS)
