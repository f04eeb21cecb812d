"""Distinguish findings that have the same rule, subject, location in the old document, and values."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import PurePosixPath
from typing import Any

from infra_openapi import facts
from infra_openapi.document import Element
from infra_openapi.schema.change import Fact

#: The kind of a fact about a part without a name → the keywords of the schema that form this part. If no
#: keywords are listed, the part is the whole element of the fact. Facts about removed parts are not in this
#: table, because the location in the old document distinguishes these facts.
_UNNAMED: dict[facts.FactKind, tuple[str, ...]] = {
    **dict.fromkeys((facts.UNION_BRANCH_ADDED, facts.UNION_BRANCH_REPLACED, facts.NEW_ALTERNATIVE), ()),
    **dict.fromkeys((facts.NOT_ADDED, facts.NOT_NARROWED, facts.NOT_WIDENED, facts.NOT_CHANGED), ()),
    **dict.fromkeys((facts.PROPERTY_NAMES_ADDED, facts.DEPENDENT_SCHEMA_ADDED), ()),
    facts.CONTAINS_ADDED: ("contains", "minContains", "maxContains"),
    **dict.fromkeys(
        (
            facts.CONDITION_ADDED,
            facts.CONDITION_NARROWED,
            facts.CONDITION_WIDENED,
            facts.CONDITION_CHANGED,
        ),
        ("if", "then", "else"),
    ),
}
#: Matches a position in a list. `identity` ignores positions, because they change when another member is
#: inserted into the list.
_POSITION = re.compile(r"(?<=/)(oneOf|anyOf|allOf|prefixItems|parameters|servers|security|tags)/\d+(?=/|\Z)")
_ANNOTATIONS = frozenset(
    {"title", "description", "summary", "example", "examples", "$comment", "externalDocs"}
)
#: The keywords whose value maps names to schemas; a name can be equal to a keyword.
_NAMED = frozenset({"properties", "patternProperties", "dependentSchemas", "$defs", "definitions"})


def unnamed(fact: Fact) -> bool:
    """Return whether the changed part has no name; the content of such a part identifies the part."""
    element = fact.revision or fact.base
    if fact.kind not in _UNNAMED or element is None or not isinstance(element.raw, dict):
        return False
    return "$ref" not in element.raw


def identity(fact: Fact) -> str:
    """Return a string that distinguishes facts whose rule, subject, reported location and values are equal.

    The string contains the location in the new document if this location is not in the main file, or if
    neither the old location is inside the new location nor the new location inside the old location. If the
    changed element has no name, the string also contains a hash of the element's content. If no condition
    applies, the string is empty.
    """
    element = fact.revision or fact.base
    before, after = (
        _file_and_pointer(changed) if changed is not None else ("", "") for changed in (fact.base, element)
    )
    # If a part was added or removed, one of the two locations is its container. The subject then names the
    # part.
    contained = after[1].startswith(before[1]) or before[1].startswith(after[1])
    location = [] if contained and not after[0] else [after]
    content = [] if element is None or not unnamed(fact) else [_digest(element.raw, _UNNAMED[fact.kind])]
    return json.dumps([*location, *content]) if location or content else ""


def _file_and_pointer(element: Element) -> tuple[str, str]:
    """Return the file and the JSON pointer of an element; positions in lists are replaced by `*`.

    The file is an empty string for an element in the main file of the document.
    """
    file = "" if element.file == element.document.name else PurePosixPath(element.file).name
    return file, _POSITION.sub(r"\1/*", element.pointer)


def _digest(raw: dict[str, Any], keys: tuple[str, ...]) -> str:
    hashed = {key: raw[key] for key in keys if key in raw} if keys else raw
    text = json.dumps(_without_annotations(hashed), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _without_annotations(raw: Any) -> Any:
    if isinstance(raw, list):
        return [_without_annotations(member) for member in raw]
    if not isinstance(raw, dict):
        return raw
    remaining = {}
    for key, value in raw.items():
        if key in _NAMED and isinstance(value, dict):
            remaining[key] = {name: _without_annotations(schema) for name, schema in value.items()}
        elif key in {"enum", "const", "default"}:
            remaining[key] = value
        elif key not in _ANNOTATIONS:
            remaining[key] = _without_annotations(value)
    return remaining
