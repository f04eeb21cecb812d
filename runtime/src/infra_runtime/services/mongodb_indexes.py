"""The setting `indexes` of MongoDB: the indexes of each collection in `database` and in tests.

Source: MongoDB documentation, "createIndexes", "Limits and Thresholds" (names of collections), "TTL Indexes".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from infra_runtime.catalogue import Words

#: the file with the indexes in the data folder; the pytest plugin reads this file
FILE = "indexes.json"
#: the maximum of `expire_after`, about 68 years in seconds. Source: MongoDB documentation, "TTL Indexes"
_LONGEST = 2**31 - 1


def _checked_name(name: str) -> str:
    if name.startswith("system."):
        raise ValueError("the name of a collection must not begin with `system.`")
    return name


CollectionName: TypeAlias = Annotated[
    str, StringConstraints(pattern=r"^[^$\x00]+$", max_length=200), AfterValidator(_checked_name)
]


class IndexSettings(BaseModel):
    """The settings of one index."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: the fields of the index, in this order; a `-` before the name of a field means descending order
    keys: Annotated[Words, Field(min_length=1, max_length=32)]
    #: whether MongoDB refuses a second document with the same values of the fields
    unique: bool = False
    #: whether the index omits documents that have none of the fields
    sparse: bool = False
    #: the server removes a document when this number of seconds has passed since the time in the field
    expire_after: int | None = Field(None, ge=0, le=_LONGEST)
    #: the name of the index; by default, the fields and their directions, such as `name_1_tenant_-1`
    name: str = Field("", max_length=127, pattern=r"^[^$\x00]*$")

    @model_validator(mode="after")
    def _check(self) -> IndexSettings:
        fields = [key.removeprefix("-") for key in self.keys]
        for field in fields:
            field_names = field.split(".")
            if not all(field_names) or any(character in field for character in "$\0"):
                raise ValueError(f"{field!r} in `keys` is not a valid name of a field")
        if len(set(fields)) < len(fields):
            raise ValueError(f"a field occurs twice in `keys`: {', '.join(self.keys)}")
        if self.expire_after is not None and (len(fields) > 1 or fields == ["_id"]):
            raise ValueError("`expire_after` needs an index of one field, which is not `_id`")
        return self

    def document(self) -> dict[str, Any]:
        """Return the index as an element of the command `createIndexes`."""
        keys = {key.removeprefix("-"): -1 if key.startswith("-") else 1 for key in self.keys}
        name = self.name or "_".join(f"{field}_{direction}" for field, direction in keys.items())
        options: dict[str, Any] = {}
        if self.unique:
            options["unique"] = True
        if self.sparse:
            options["sparse"] = True
        if self.expire_after is not None:
            options["expireAfterSeconds"] = self.expire_after
        return {"key": keys, "name": name, **options}


def _without_duplicates(indexes: tuple[IndexSettings, ...]) -> tuple[IndexSettings, ...]:
    names, keys = set[str](), set[tuple[str, ...]]()
    for index in indexes:
        name = index.document()["name"]
        if index.keys in keys:
            raise ValueError(f"two indexes have the keys {', '.join(index.keys)}")
        if name in names:
            raise ValueError(f"two indexes have the name {name}")
        names.add(name)
        keys.add(index.keys)
    return indexes


Indexes: TypeAlias = Mapping[
    CollectionName, Annotated[tuple[IndexSettings, ...], AfterValidator(_without_duplicates)]
]


def commands(indexes: Indexes) -> list[dict[str, Any]]:
    """Return a command `createIndexes` for each collection; the command does not change existing indexes."""
    return [
        {"createIndexes": collection, "indexes": [index.document() for index in declared]}
        for collection, declared in indexes.items()
        if declared
    ]


def script(indexes: Indexes, database: str) -> str:
    """Return the text of a script for mongosh that creates the indexes in a database."""
    # The function throws an error if the server refuses the command.
    lines = [f"db.runCommand({json.dumps(command)});\n" for command in commands(indexes)]
    return f"db = db.getSiblingDB({json.dumps(database)});\n{''.join(lines)}"
