"""The rules of the API check, in several modules; `RULES` maps ids to rules, in a fixed order."""

from __future__ import annotations

from itertools import chain

from infra_openapi.rules import (
    annotation,
    lexical,
    message,
    operation,
    properties,
    response,
    structure,
    values,
)
from infra_openapi.rules.rule import Effect, Rule, law

RULES: dict[str, Rule] = {
    rule.id: rule
    for rule in chain(
        operation.RULES,
        message.RULES,
        response.RULES,
        properties.RULES,
        structure.RULES,
        annotation.RULES,
        values.RULES,
        lexical.RULES,
    )
}

__all__ = ["RULES", "Effect", "Rule", "law"]
