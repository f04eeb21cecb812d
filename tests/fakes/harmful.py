"""Random changes of composed schemas, each with a value that proves that the change is harmful."""

from __future__ import annotations

import copy
import json
from random import Random
from typing import Any

from jsonschema import Draft202012Validator

from fakes.composed import NAMES, NUMBERS, WORDS, Case, Schema, document, positions, typed


def value(random: Random, depth: int = 3) -> Any:
    """Return a random value whose properties all schemas describe."""
    kind = random.random()
    if kind < 0.6 or depth <= 0:
        return random.choice([*WORDS, *NUMBERS, True, False, None])
    if kind < 0.75:
        return [value(random, depth - 2) for _ in range(random.randint(0, 3))]
    return {name: value(random, depth - 1) for name in NAMES if random.random() < 0.75}


def instance(schema: Schema, random: Random, depth: int = 4) -> Any:
    """Return a random value that is probably valid."""
    if not isinstance(schema, dict) or depth <= 0:
        return value(random, 1)
    for kind in ("anyOf", "oneOf", "allOf"):
        if kind in schema:
            return instance(random.choice(schema[kind]), random, depth)
    if "enum" in schema or "const" in schema:
        return random.choice(schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "object":
        names = [name for name in NAMES if name in schema.get("required", ()) or random.random() < 0.5]
        return {name: instance(schema["properties"].get(name, {}), random, depth - 1) for name in names}
    if schema.get("type") == "array":
        return [instance(schema["items"], random, depth - 1) for _ in range(random.randint(0, 3))]
    return value(random, 1)


def harmful(random: Random) -> Case | None:
    """Return a random change with a value that is no longer valid; None if no value was found."""
    before = typed(random, random.randint(1, 3))
    holder = {"root": copy.deepcopy(before)}
    for _ in range(random.randint(1, 2)):
        inner, key = random.choice(
            [position for position in positions(holder, "root") if position[1] != "not"]
        )
        inner[key] = _changed(inner[key], random)
    after = holder["root"]
    old, new = Draft202012Validator(before), Draft202012Validator(after)
    for _ in range(60):
        candidate = (
            instance(random.choice([before, after]), random) if random.random() < 0.8 else value(random)
        )
        if old.is_valid(candidate) and not new.is_valid(candidate):
            return Case(
                before=document({"Root": before}),
                after=document({"Root": after}),
                value=candidate,
                name=json.dumps(candidate),
            )
    return None


def _changed(schema: Schema, random: Random) -> Schema:
    """Return a schema with a small change, or another schema."""
    changed = copy.deepcopy(schema)
    for keyword in ("anyOf", "oneOf"):
        if isinstance(changed, dict) and keyword in changed and random.random() < 0.7:
            if len(changed[keyword]) > 1 and random.random() < 0.5:
                changed[keyword].pop(random.randrange(len(changed[keyword])))
            else:
                changed[keyword].append(typed(random, 1))
            return changed
    if isinstance(changed, dict) and changed.get("type") == "object" and random.random() < 0.5:
        changed["required"] = random.sample(NAMES, random.randint(1, 2))
        return changed
    return typed(random, 1)
