"""Add implicit subtypes to the mappings of discriminators.

A schema is a subtype if its `allOf` refers, directly or indirectly, to a base schema. A base schema is a
schema with a discriminator and without `oneOf` and `anyOf`.

Source: OpenAPI 3.1.1, "Discriminator Object" (models that use `allOf`), and Swagger 2.0, "Schema Object".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from infra_openapi.document.pointer import escaped

_HOME = "#/components/schemas/"


def with_subtypes(data: dict[str, Any]) -> dict[str, Any]:
    """Return the document with all subtypes in the discriminator mapping of their base schemas.

    The key of an added subtype in the mapping is the name of its schema.
    """
    components = data.get("components")
    schemas = components.get("schemas") if isinstance(components, dict) else None
    if not isinstance(components, dict) or not isinstance(schemas, dict):
        return data
    bases = {name: schema for name, schema in schemas.items() if _is_base(schema)}
    parents = {name: set(_parents(schema)) for name, schema in schemas.items()} if bases else {}
    extended_bases = {}
    for name, schema in bases.items():
        discriminator = schema["discriminator"]
        written_mapping = discriminator.get("mapping")
        mapping = dict(written_mapping) if isinstance(written_mapping, dict) else {}
        mapped = {str(target).removeprefix(_HOME) for target in mapping.values()}
        subtypes = _subtypes(name, parents) - mapped - mapping.keys()
        if subtypes:
            mapping |= {subtype: _HOME + escaped(subtype) for subtype in sorted(subtypes)}
            extended_bases[name] = {**schema, "discriminator": {**discriminator, "mapping": mapping}}
    return (
        {**data, "components": {**components, "schemas": {**schemas, **extended_bases}}}
        if extended_bases
        else data
    )


def _is_base(schema: Any) -> bool:
    return (
        isinstance(schema, dict)
        and isinstance(schema.get("discriminator"), dict)
        and not schema.keys() & {"oneOf", "anyOf"}
    )


def _parents(schema: Any) -> Iterator[str]:
    members = schema.get("allOf") if isinstance(schema, dict) else None
    for member in members if isinstance(members, list) else ():
        ref = member.get("$ref") if isinstance(member, dict) else None
        if isinstance(ref, str) and ref.startswith(_HOME):
            yield ref.removeprefix(_HOME).replace("~1", "/").replace("~0", "~")


def _subtypes(base: str, parents: dict[str, set[str]]) -> set[str]:
    """Return the names of the schemas whose `allOf` refers to the schema `base`, directly or indirectly."""
    subtypes: set[str] = set()
    new_subtypes = {base}
    while new_subtypes:
        new_subtypes = (
            {name for name, schema_parents in parents.items() if schema_parents & new_subtypes}
            - subtypes
            - {base}
        )
        subtypes |= new_subtypes
    return subtypes
