"""Prove that one schema includes another schema: no difference between the schemas breaks clients.

The proof covers the schemas of properties and items at any depth.

The function `compare` (in the module `comparison`) compares a pair of schemas and returns the facts about
this pair. The arguments of `compare` are the two schemas, a mode and a `Context`. Some facts depend on the
inclusion of other pairs. Schemas can refer to themselves, so a proof is coinductive: while a pair is being
compared, the inclusion of this pair is assumed.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from infra_openapi import facts
from infra_openapi.finding import Level
from infra_openapi.rules import RULES
from infra_openapi.schema.change import Change, Fact, Mode, Pair
from infra_openapi.schema.limits import PROOF_DEPTH, Answer
from infra_openapi.schema.node import Node
from infra_openapi.schema.question import composed
from infra_openapi.schema.schemas import Schemas, requires_composed

#: The type of the function that compares two nodes.
Compare: TypeAlias = "Callable[[Node, Node, Mode, Context], Change]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """The stored results of comparisons of pairs of schemas.

    During a proof, the facts about composed schemas are not stored, because they can depend on assumptions.
    """

    changes: dict[Hashable, Change] = field(default_factory=dict)
    #: Pair → whether it is proved that no difference between its schemas breaks clients. If the pair is in
    #: `assumed`, the answer True can depend on an assumption that is not proved yet.
    answers: dict[Hashable, Answer] = field(default_factory=dict)
    #: The pairs with the answer True that can depend on an assumption, in the order of the answers.
    assumed: list[Hashable] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The arguments of the comparison of a pair of schemas, apart from the pair itself.

    `depth` is 0 if the facts become findings. Otherwise the facts are part of a proof of inclusion, and
    `depth` is the number of pairs around this pair. A proof only needs to know whether a fact is harmful.
    """

    schemas: Schemas
    compare: Compare
    results: Results = field(default_factory=Results)
    depth: int = 0

    @property
    def proving(self) -> bool:
        """Return whether the comparison is part of a proof of inclusion."""
        return self.depth > 0


def change(pair: Pair, context: Context) -> Change:
    """Return the facts about a pair of schemas, without the differences of properties and items."""
    old, new = context.schemas.normal(pair.old), context.schemas.normal(pair.new)
    # Only the comparison of composed schemas uses assumptions and examples.
    independent = not any(map(_depends_on_proofs, (old, new)))
    if context.proving and not independent:
        return context.compare(old, new, pair.mode, context)
    key = (old.key, new.key, pair.mode)
    result = context.results.changes.get(key)
    if result is None:
        result = context.results.changes[key] = context.compare(old, new, pair.mode, context)
    return result


def _depends_on_proofs(node: Node) -> bool:
    return bool(composed(node) or node.contains or requires_composed(node))


def covers(pair: Pair, context: Context) -> Answer:
    """Return whether it is proved that no difference between two schemas breaks clients.

    If the proof ends at a limit, the result is this limit. The proof includes the schemas of properties and
    items at any depth.
    """
    schemas, results = context.schemas, context.results
    if schemas.same(pair):
        return True
    key = (schemas.normal(pair.old).key, schemas.normal(pair.new).key, pair.mode)
    answer = results.answers.get(key)
    if answer is not None:
        return answer
    if context.depth > PROOF_DEPTH.number:
        return PROOF_DEPTH
    assumed_count = len(results.assumed)
    results.answers[key] = True
    results.assumed.append(key)
    answer = _proof(pair, replace(context, depth=context.depth + 1))
    if answer is not True:
        # The answers that were found while the answer for this pair was assumed to be True can depend on this
        # assumption.
        for assumed in results.assumed[assumed_count:]:
            del results.answers[assumed]
        del results.assumed[assumed_count:]
        results.answers[key] = answer
    return answer


def _proof(pair: Pair, context: Context) -> Answer:
    result = change(pair, context)
    if any(map(harms, result.facts)):
        return min(result.limits, default=False)
    for inner_pair in result.pairs:
        answer = covers(inner_pair, context)
        if answer is not True:
            return answer
    return True


def harms(fact: Fact) -> bool:
    """Return whether a fact disproves inclusion: its level is warning or breaking, or a property was removed.

    A removed property disproves inclusion whatever the level of its rule is: an object with fewer properties
    can belong to another alternative of a union.
    """
    if fact.kind is facts.PROPERTY_REMOVED:
        return True
    return RULES[fact.kind.rule(fact.direction)].level is not Level.INFO
