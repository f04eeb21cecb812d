"""A finding: one change with its rule, its level, where it is written, and the operations that it reaches."""

from __future__ import annotations

import enum
import hashlib
import json
from dataclasses import dataclass
from typing import Any


class Level(enum.StrEnum):
    """What a change means for those who use the API."""

    BREAKING = "breaking"
    WARNING = "warning"
    INFO = "info"

    @property
    def severity(self) -> int:
        """0 for information, 2 for breaking: the larger one is the worse."""
        return {"breaking": 2, "warning": 1, "info": 0}[self.value]


class Direction(enum.StrEnum):
    """Who is on the other end of the change: what a client sends, what it receives, or neither."""

    REQUEST = "request"
    RESPONSE = "response"
    NONE = "none"

    @property
    def inverse(self) -> Direction:
        """The same thing seen from a callback or a webhook, where the API is the client."""
        return {"request": Direction.RESPONSE, "response": Direction.REQUEST, "none": Direction.NONE}[
            self.value
        ]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Operation:
    """A method with its path template; the path of callbacks and webhooks has a prefix (`webhook:newPet`)."""

    path: str
    method: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Location:
    """Where something is written: a JSON pointer in a file, with its line and column (from 1)."""

    file: str
    pointer: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else f"{self.file}#{self.pointer}"

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {"file": self.file, "pointer": self.pointer, "line": self.line, "column": self.column}


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """An example that the finding turns on; jsonschema has checked both halves of the sentence.

    In a request it is valid before and refused now; in a response it is possible now and was not before.
    """

    kind: Direction
    value: Any

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {"kind": self.kind.value, "value": self.value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One change, where it is written, with every operation that it reaches.

    `before` and `after` are the values that changed, as JSON; None where there is none.
    `subject` is the thing within its operation or schema, for people: `query parameter limit`, `/owner/name`.
    `copies` are further locations of the same content (a schema that was written out instead of referred to).
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
    #: Where to show it in a file of the working tree: for a removed part, the nearest part that is left.
    shown_at: Location | None = None

    @property
    def method(self) -> str:
        """The first reached operation's method; empty where the change reaches none."""
        return self.operations[0].method if self.operations else ""

    @property
    def path(self) -> str:
        """The first reached operation's path; empty where the change reaches none."""
        return self.operations[0].path if self.operations else ""

    @property
    def location(self) -> Location | None:
        """Where it is written: in the revision, or in the base where the part was removed."""
        return self.revision or self.base

    @property
    def fingerprint(self) -> str:
        """What an accepting file names: rule, pointer and values, never a message's text or a line."""
        location = self.base or self.revision
        content = [self.rule, self.subject, location.pointer if location else "", self.before, self.after]
        text = json.dumps(content, sort_keys=True, ensure_ascii=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        """As plain data, in the documented shape."""
        return {
            "rule": self.rule,
            "level": self.level.value,
            "direction": self.direction.value,
            "method": self.method,
            "path": self.path,
            "operations": [{"method": one.method, "path": one.path} for one in self.operations],
            "subject": self.subject,
            "pointer": {
                "base": self.base.to_json() if self.base else None,
                "revision": self.revision.to_json() if self.revision else None,
            },
            "before": self.before,
            "after": self.after,
            "message": self.message,
            "witness": self.witness.to_json() if self.witness else None,
            "copies": [copy.to_json() for copy in self.copies],
            "fingerprint": self.fingerprint,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A remark about a part of a document that is not valid, and how it was read."""

    file: str
    pointer: str
    message: str
    line: int = 0

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {"file": self.file, "pointer": self.pointer, "line": self.line, "message": self.message}
