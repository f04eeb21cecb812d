"""What a rule is: a row of a table, never code."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from infra_openapi.facts import FactKind
from infra_openapi.finding import Direction, Level
from infra_openapi.rules.peer import PEER_IDS


class Effect(enum.StrEnum):
    """What a change does to the set of messages that the contract allows."""

    NARROWED = "narrowed"
    WIDENED = "widened"
    CHANGED = "changed"
    UNDECIDED = "undecided"
    NEUTRAL = "neutral"


def law(effect: Effect, direction: Direction) -> Level:
    """The one law: a client sends what was allowed before, and is ready for what was possible before."""
    if effect is Effect.UNDECIDED:
        return Level.WARNING
    if effect is Effect.NEUTRAL:
        return Level.INFO
    if effect is Effect.CHANGED:
        return Level.BREAKING
    # What has no direction is something to call or to present: less of it harms whoever calls.
    harmful = Effect.WIDENED if direction is Direction.RESPONSE else Effect.NARROWED
    return Level.BREAKING if effect is harmful else Level.INFO


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A kind of change, and what it means.

    `message` is a format string over `place`, `subject`, `before` and `after`. `aliases` are the peer's ids
    (oasdiff) for the same fact. `mirror` is the rule that fires when the two documents change places; where
    there is none, `waiver` says why. `deviation` says why `level` is not what the law gives.
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
    """A kind of fact, and what its rules have in common: there is one for each direction.

    `mirror` is the kind that is stated when the documents change places. `deviations` gives a direction
    another level than the law, with the reason. `peer` holds whole ids of the peer, or their ends
    (`max-length-decreased`), which it spells out for some of bodies, properties, parameters and headers.
    """

    fact: FactKind
    effect: Effect
    message: str
    explain: str
    mirror: FactKind | None = None
    waiver: str = ""
    peer: tuple[str, ...] = ()
    deviations: Mapping[Direction, tuple[Level, str]] = field(default_factory=dict)


_PLACES = {
    Direction.REQUEST: (
        "request-body-",
        "request-property-",
        "request-parameter-",
        "request-parameter-property-",
    ),
    Direction.RESPONSE: ("response-body-", "response-property-", "response-header-"),
}


def directed(area: str, rows: Iterable[Row]) -> Iterator[Rule]:
    """Return the rules of facts that have a direction."""
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
                explain=row.explain,
                aliases=tuple(_aliases(row, direction)),
                mirror=row.mirror.rule(direction) if row.mirror else "",
                waiver=row.waiver,
                deviation=deviation,
            )


def undirected(area: str, rows: Iterable[Row]) -> Iterator[Rule]:
    """Return the rules of facts without a direction: about what can be called, where less is harmful."""
    for row in rows:
        level, deviation = row.deviations.get(Direction.NONE, (law(row.effect, Direction.NONE), ""))
        yield Rule(
            id=row.fact.undirected,
            level=level,
            direction=Direction.NONE,
            effect=row.effect,
            area=area,
            message=row.message,
            explain=row.explain,
            aliases=row.peer,
            mirror=row.mirror.undirected if row.mirror else "",
            waiver=row.waiver,
            deviation=deviation,
        )


def _aliases(row: Row, direction: Direction) -> Iterator[str]:
    for end in row.peer:
        if end in PEER_IDS:
            if direction.value in end.removeprefix("new-"):
                yield end
        else:
            yield from (place + end for place in _PLACES[direction] if place + end in PEER_IDS)
