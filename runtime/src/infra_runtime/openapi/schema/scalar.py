"""Types, enumerated values, formats, patterns and bounds: what changed in what one value may be."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

from infra_runtime.openapi.document import Site
from infra_runtime.openapi.schema import pattern as expression
from infra_runtime.openapi.schema.change import Change
from infra_runtime.openapi.schema.meet import narrower_end
from infra_runtime.openapi.schema.node import ALL_TYPES, Bound, Facet, Node, canonical
from infra_runtime.openapi.schema.normal import COUNTS

#: Each format with those that allow everything that it allows.
WIDER: dict[str, frozenset[str]] = {
    "int8": frozenset({"int16", "int32", "int64", "float", "double"}),
    "int16": frozenset({"int32", "int64", "float", "double"}),
    "int32": frozenset({"int64", "float", "double"}),
    "int64": frozenset({"double"}),
    "uint8": frozenset({"int16", "int32", "int64", "uint16", "uint32", "uint64", "float", "double"}),
    "uint16": frozenset({"int32", "int64", "uint32", "uint64", "float", "double"}),
    "uint32": frozenset({"int64", "uint64", "double"}),
    "uint64": frozenset({"double"}),
    "float": frozenset({"double"}),
    "double": frozenset(),
    "email": frozenset({"idn-email"}),
    "hostname": frozenset({"idn-hostname"}),
    "uri": frozenset({"uri-reference", "iri", "iri-reference"}),
    "iri": frozenset({"iri-reference"}),
    "uri-reference": frozenset({"iri-reference"}),
    "uuid": frozenset(),
    "date": frozenset(),
    "date-time": frozenset(),
    "time": frozenset(),
    "duration": frozenset(),
    "ipv4": frozenset(),
    "ipv6": frozenset(),
    "byte": frozenset({"base64"}),
    "binary": frozenset(),
    "regex": frozenset(),
    "json-pointer": frozenset(),
    "idn-email": frozenset(),
    "idn-hostname": frozenset(),
    "iri-reference": frozenset(),
}
_NUMERIC = frozenset(name for name in WIDER if "int" in name and name != "json-pointer") | {
    "float",
    "double",
    "decimal",
}
#: Hints to whoever draws a form; they allow and forbid nothing.
_HINTS = frozenset({"password", "textarea", "markdown", "html", "multiline"})
_RANGES = {
    "int8": (-(2**7), 2**7 - 1),
    "int16": (-(2**15), 2**15 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint8": (0, 2**8 - 1),
    "uint16": (0, 2**16 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
}


def types(old: Node, new: Node, change: Change) -> frozenset[str]:
    """Tell how the types changed; what is left is the types of both, which are compared further."""
    before, after = _types(old, change), _types(new, change)
    null = {"null"}
    if change.mode.nullless or ALL_TYPES in (old.types, new.types):
        pass
    elif "null" in before - after and before - after != before:
        change.fact("became-not-nullable", _of_type(old), _of_type(new), old.type_names, new.type_names)
    elif "null" in after - before and after & before:
        change.fact("became-nullable", _of_type(old), _of_type(new), old.type_names, new.type_names)
    if ALL_TYPES not in (old.types, new.types) or change.mode.nullless:
        before, after = before - null, after - null
    shared = before & after
    narrowed, widened = bool(before - after), bool(after - before)
    whole, becomes_whole = _integral(old, change), _integral(new, change)
    listed = "number" in old.values and "number" in new.values  # then the values say it all
    if "number" in shared and whole != becomes_whole and not listed:
        narrowed, widened = narrowed or becomes_whole, widened or whole
    if narrowed or widened:
        _tell_types(old, new, change, narrowed, widened)
    return shared


def _tell_types(old: Node, new: Node, change: Change, narrowed: bool, widened: bool) -> None:
    if old.type_names == new.type_names:
        return  # text that was restrained and is free now, or the other way round: that is told by itself
    enumerated = old.type_site is None and new.type_site is None and (old.values or new.values)
    if enumerated and narrowed != widened:
        return  # the values say it all
    name = "type-changed" if narrowed and widened else "type-narrowed" if narrowed else "type-widened"
    change.fact(name, _of_type(old), _of_type(new), old.type_names, new.type_names)


def _of_type(node: Node) -> Site | None:
    return node.type_site or node.site


def _types(node: Node, change: Change) -> frozenset[str]:
    """The types; as text, a string that nothing restrains may look like a number or a truth."""
    if change.mode.text and _any_text(node):
        return node.types | {"number", "boolean"}
    return node.types


def _integral(node: Node, change: Change) -> bool:
    return node.integral and not (change.mode.text and _any_text(node))


def _any_text(node: Node) -> bool:
    restrained = {"minLength", "maxLength"} & set(node.facets)
    return "string" in node.types and not (
        restrained or node.patterns or node.formats or "string" in node.values
    )


def texts(old: Node, new: Node, change: Change) -> bool:
    """Compare what both sides enumerate as text, where 1 and "1" are one; false where that is not all."""
    if not change.mode.text or old.types == new.types:
        return False
    before, after = _as_text(old), _as_text(new)
    if not before or not after:
        return False
    one, other = _enum_site(old), _enum_site(new)
    for text in sorted(before.keys() - after.keys()):
        change.fact("enum-value-removed", one, other, before[text], None, text)
    for text in sorted(after.keys() - before.keys()):
        change.fact("enum-value-added", one, other, None, after[text], text)
    return True


def _as_text(node: Node) -> dict[str, Any]:
    if node.types - node.values.keys():
        return {}
    found = [value for listed in node.values.values() for value in listed.values()]
    return {value if isinstance(value, str) else canonical(value): value for value in found}


def values(old: Node, new: Node, shared: frozenset[str], change: Change) -> frozenset[str]:
    """Tell how the enumerated values changed; what is left is the types that neither side enumerates."""
    left = set(shared)
    for name in sorted(shared):
        before, after = _possible(old, name), _possible(new, name)
        if before is None and after is None:
            continue
        if old.values.get(name, {}).keys() == new.values.get(name, {}).keys() and before != after:
            continue  # other keywords make the difference, and tell it
        left.discard(name)
        one, other = _enum_site(old), _enum_site(new)
        if before is None:
            change.fact("enum-added", old.site, other, None, list((after or {}).values()))
            lost, won = [], [value for value in (after or {}).values() if not accepts(old, value)]
        elif after is None:
            change.fact("enum-removed", one, new.site, list(before.values()), None)
            lost, won = [value for value in before.values() if not accepts(new, value)], []
        else:
            lost = [value for text, value in before.items() if text not in after]
            won = [value for text, value in after.items() if text not in before]
            if len(before) == len(after) == len(lost) == 1:
                change.fact("const-changed", one, other, lost[0], won[0])
                continue
        for value in lost:
            change.fact("enum-value-removed", one, other or new.site, value, None, canonical(value))
        for value in won:
            change.fact("enum-value-added", one or old.site, other, None, value, canonical(value))
    return frozenset(left)


def _possible(node: Node, name: str) -> dict[str, Any] | None:
    """The enumerated values that the other keywords leave."""
    listed = node.values.get(name)
    return None if listed is None else {text: value for text, value in listed.items() if accepts(node, value)}


def _enum_site(node: Node) -> Site | None:
    facet = node.facets.get("enum")
    return facet.site if facet else node.site


def facets(old: Node, new: Node, shared: frozenset[str], change: Change) -> None:
    """Tell how bounds, steps, patterns and formats changed, as far as they bear on the types of both."""
    either = old.types | new.types
    for name in sorted({*old.facets, *new.facets} - {"enum"}):
        # A keyword of a type that is not there says nothing; but whoever wrote it meant something by it.
        if _type_of(name) in shared or _type_of(name) not in either:
            _facet(name, old, new, change)
    if "string" in shared or "string" not in either:
        _patterns(old, new, change)
    _formats(old, new, shared, change)


def _type_of(name: str) -> str:
    if name in COUNTS:
        return COUNTS[name][0]
    return "array" if name == "uniqueItems" else "number"


def dashed(name: str) -> str:
    """A keyword as it stands in a rule's id: `maxLength` is `max-length`."""
    return re.sub("([A-Z])", r"-\1", name).lower()


def _facet(name: str, old: Node, new: Node, change: Change) -> None:
    before, after = old.facets.get(name), new.facets.get(name)
    one, other = before.site if before else old.site, after.site if after else new.site
    first, second = _shown(before), _shown(after)
    key = dashed(name)
    if before is None or after is None:
        change.fact(f"{key}-{'added' if before is None else 'removed'}", one, other, first, second)
    elif before.value == after.value:
        return
    elif name == "multipleOf":
        change.fact(f"{key}-{_step(before.value, after.value)}", one, other, first, second)
    else:
        if isinstance(before.value, Bound):
            narrower = narrower_end(name, after.value, before.value)
            rises = narrower if name == "minimum" else not narrower
        else:
            rises = after.value > before.value
        change.fact(f"{key}-{'increased' if rises else 'decreased'}", one, other, first, second)


def _shown(facet: Facet | None) -> Any:
    if facet is None:
        return None
    return facet.value.to_json() if isinstance(facet.value, Bound) else facet.value


def _step(before: float, after: float) -> str:
    first, second = Fraction(str(before)), Fraction(str(after))
    if (first / second).denominator == 1:
        return "widened"
    return "narrowed" if (second / first).denominator == 1 else "changed"


def _patterns(old: Node, new: Node, change: Change) -> None:
    lost = [pattern for pattern in old.patterns if pattern not in new.patterns]
    won = [pattern for pattern in new.patterns if pattern not in old.patterns]
    if lost and won:
        change.fact("pattern-changed", old.patterns[lost[0]], new.patterns[won[0]], lost[0], won[0])
        lost, won = lost[1:], won[1:]
    for pattern in lost:
        change.fact("pattern-removed", old.patterns[pattern], new.site, pattern, None)
    for pattern in won:
        change.fact("pattern-added", old.site, new.patterns[pattern], None, pattern)


def _formats(old: Node, new: Node, shared: frozenset[str], change: Change) -> None:
    either = old.types | new.types
    before, after = _relevant(old, shared, either), _relevant(new, shared, either)
    lost = [name for name in before if name not in after and not _implied(name, old, after)]
    won = [name for name in after if name not in before and not _implied(name, new, before)]
    if lost and won:
        one, other = lost.pop(0), won.pop(0)
        change.fact(_format_change(one, other), before[one], after[other], one, other)
    for name in lost:
        if not _within(new, name):
            change.fact("format-removed", before[name], new.site, name, None)
    for name in won:
        if not _within(old, name):
            known = name in WIDER or name in _NUMERIC
            change.fact(
                "format-added" if known else "unknown-format-added", old.site, after[name], None, name
            )


def _format_change(before: str, after: str) -> str:
    if after in WIDER.get(before, ()):
        return "format-widened"
    if before in WIDER.get(after, ()):
        return "format-narrowed"
    return "format-changed" if before in WIDER or after in WIDER else "unknown-format-changed"


def _implied(name: str, node: Node, others: dict[str, Site]) -> bool:
    """Whether a wider format of the same schema says it as well."""
    return any(other in node.formats and other in others for other in WIDER if name in WIDER[other])


def _relevant(node: Node, shared: frozenset[str], either: frozenset[str]) -> dict[str, Site]:
    found = {}
    for name, site in node.formats.items():
        kind = {"number"} if name in _NUMERIC else {"string"} if name in WIDER else {"number", "string"}
        if name not in _HINTS and (kind & shared or not kind & either):
            found[name] = site
    return found


def _within(node: Node, name: str) -> bool:
    """Whether the schema's own bounds keep it inside an integer format's range."""
    low, high = node.facets.get("minimum"), node.facets.get("maximum")
    if name not in _RANGES or not node.integral or low is None or high is None:
        return False
    least, most = _RANGES[name]
    return bool(least <= low.value.value and high.value.value <= most)


def accepts(node: Node, value: Any) -> bool:
    """Whether a scalar is allowed; what cannot be decided counts as allowed."""
    found = node.facets
    if isinstance(value, str):
        least, most = found.get("minLength"), found.get("maxLength")
        if (least and len(value) < least.value) or (most and len(value) > most.value):
            return False
        return all(expression.matches(pattern, value) is not False for pattern in node.patterns)
    if isinstance(value, int | float) and not isinstance(value, bool):
        low, high, step = found.get("minimum"), found.get("maximum"), found.get("multipleOf")
        point = Bound(value=value)
        if node.integral and value != int(value):
            return False
        if (low and not narrower_end("minimum", point, low.value)) or (
            high and not narrower_end("maximum", point, high.value)
        ):
            return False
        return not (step and (Fraction(str(value)) / Fraction(str(step.value))).denominator != 1)
    return True
