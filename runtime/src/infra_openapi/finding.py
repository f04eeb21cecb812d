"""A finding: one change with its rule, level, message and location, and the operations that it affects."""

from __future__ import annotations

import enum
import hashlib
import json
from dataclasses import dataclass
from typing import Any


class Level(enum.StrEnum):
    """The severity of a change for clients of the API: breaking, warning or info."""

    BREAKING = "breaking"
    WARNING = "warning"
    INFO = "info"

    @property
    def severity(self) -> int:
        """Return the level as a number: 0 for info, 1 for warning, 2 for breaking."""
        return {"breaking": 2, "warning": 1, "info": 0}[self.value]


class Direction(enum.StrEnum):
    """Whether the changed part is sent by clients (request), received by clients (response), or neither."""

    REQUEST = "request"
    RESPONSE = "response"
    NONE = "none"

    @property
    def inverse(self) -> Direction:
        """Return the opposite direction, for callbacks and webhooks: there, the API sends the request."""
        return {"request": Direction.RESPONSE, "response": Direction.REQUEST, "none": Direction.NONE}[
            self.value
        ]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Operation:
    """An HTTP method with its path template; the path of a webhook has a prefix (`webhook:newPet`)."""

    path: str
    method: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Location:
    """A JSON pointer in a file, with line and column (numbers from 1; 0 if unknown)."""

    file: str
    pointer: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else f"{self.file}#{self.pointer}"

    def to_json(self) -> dict[str, Any]:
        """Return the location as a dictionary that can be written as JSON."""
        return {"file": self.file, "pointer": self.pointer, "line": self.line, "column": self.column}


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """An example value that shows why a change is breaking; jsonschema has checked the value.

    In a request, the value is valid for the old schema and invalid for the new schema. In a response, the
    value is invalid for the old schema and valid for the new schema.
    """

    kind: Direction
    value: Any

    def to_json(self) -> dict[str, Any]:
        """Return the example value and its kind as a dictionary that can be written as JSON."""
        return {"kind": self.kind.value, "value": self.value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One change between two documents, with its locations and every operation that it affects.

    `before` and `after` are the old and the new value as JSON, or None. `subject` is a short text for the
    changed part: `query parameter limit`, `Pet.name`. `copies` are the other locations with the same content:
    a schema can be written several times in a document instead of being referred to.
    """

    rule: str
    level: Level
    direction: Direction
    message: str
    subject: str = ""
    base: Location | None = None
    revision: Location | None = None
    operations: tuple[Operation, ...] = ()
    before: Any = None
    after: Any = None
    witness: Witness | None = None
    copies: tuple[Location, ...] = ()
    #: A text that distinguishes this finding from other findings with equal rule, subject, location and
    #: values.
    identity: str = ""
    #: Whether the changed part has no name, such as an alternative of a union without a reference.
    unnamed: bool = False
    #: A sentence that states what to do about the finding.
    advice: str = ""
    #: The location that the output shows, in a file of the working tree; for a removed part, the location of
    #: the nearest parent that was not removed.
    shown_at: Location | None = None

    @property
    def method(self) -> str:
        """Return the HTTP method of the first affected operation; empty if no operation is affected."""
        return self.operations[0].method if self.operations else ""

    @property
    def path(self) -> str:
        """Return the path of the first affected operation; empty if no operation is affected."""
        return self.operations[0].path if self.operations else ""

    @property
    def location(self) -> Location | None:
        """Return the location of the change in the new document; for a removed part, that of its container.

        Without a location in the new document, the result is the location in the old document.
        """
        return self.revision or self.base

    @property
    def fingerprint(self) -> str:
        """Return a hash of rule, subject, JSON pointer, values and identity, but not of message and line.

        The JSON pointer is that in the old document, or in the new document if the old document has none.
        """
        return self._hash(self.subject, self.before, self.after, *([self.identity] if self.identity else []))

    @property
    def former_fingerprints(self) -> tuple[str, ...]:
        """Return the fingerprints that earlier versions of pytest-infra computed, except `fingerprint`.

        The result is empty for a part without a name, because earlier versions gave several such parts the
        same fingerprint.
        """
        if self.unnamed:
            return ()
        removed = self.after is None
        values = self.before if removed else self.after
        if isinstance(values, list) and "enum-value" in self.rule:
            # In earlier versions, each enumerated value was a separate finding.
            return tuple(
                self._hash(json.dumps(value, sort_keys=True), *((value, None) if removed else (None, value)))
                for value in values
            )
        former = self._hash(self.subject, self.before, self.after)
        return () if former == self.fingerprint else (former,)

    def _hash(self, *values: Any) -> str:
        location = self.base or self.revision
        subject, *other_values = values
        content = [self.rule, subject, location.pointer if location else "", *other_values]
        text = json.dumps(content, sort_keys=True, ensure_ascii=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        """Return the finding as a dictionary for JSON; `report.schema.json` describes the dictionary."""
        exact = self.shown_at or self.location
        return {
            "rule": self.rule,
            "level": self.level.value,
            "direction": self.direction.value,
            "method": self.method,
            "path": self.path,
            "operations": [
                {"method": operation.method, "path": operation.path} for operation in self.operations
            ],
            "subject": self.subject,
            "location": exact.to_json() if exact else None,
            "pointer": {
                "base": self.base.to_json() if self.base else None,
                "revision": self.revision.to_json() if self.revision else None,
            },
            "before": self.before,
            "after": self.after,
            "message": self.message,
            "advice": self.advice,
            "witness": self.witness.to_json() if self.witness else None,
            "copies": [copy.to_json() for copy in self.copies],
            "fingerprint": self.fingerprint,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A note: an invalid part of a document, and how the comparison interpreted this part."""

    file: str
    pointer: str
    message: str
    line: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the note as a dictionary that can be written as JSON."""
        return {"file": self.file, "pointer": self.pointer, "line": self.line, "message": self.message}
