"""Requests of MongoDB's protocol, as steps of a probe.

Sources: MongoDB documentation, "Wire Protocol" (OP_MSG), "createIndexes"; BSON specification 1.1.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

from infra_runtime.spec import Expect, LengthPrefix, Send
from infra_runtime.spec.probes import escape

_OP_MSG = 2013
#: the offset of the document's first element in an answer, after the header (16 bytes), the flags (4), the
#: kind (1) and the length of the document (4)
_FIRST_ELEMENT = 25
_ACCEPTED, _REFUSED = (b"\x01ok\0" + struct.pack("<d", number) for number in (1, 0))
#: the names of the first element in an error message: in MongoDB, and in the emulation
_ERRORS = (_REFUSED, b"\x02$err\0")


def request(command: Mapping[str, Any], purpose: str) -> tuple[Send, Expect]:
    """Return the steps that send a command and expect `ok: 1`.

    If the server refuses the command, the reason begins with `purpose`.
    """
    body = struct.pack("<iii", 1, 0, _OP_MSG) + struct.pack("<i", 0) + b"\0" + document(command)
    return (
        Send(text=escape(struct.pack("<i", len(body) + 4) + body)),
        Expect(
            until=LengthPrefix(order="little"),
            at=_FIRST_ELEMENT,
            not_yet=dict.fromkeys(map(escape, _ERRORS), f"{purpose}: {{answer}}"),
            contains=escape(_ACCEPTED),
        ),
    )


def document(values: Mapping[str, Any]) -> bytes:
    """Return a document in BSON; values can be strings, 32-bit integers, booleans, documents and lists."""
    content = b"".join(_element(name, value) for name, value in values.items()) + b"\0"
    return struct.pack("<i", len(content) + 4) + content


def _element(name: str, value: Any) -> bytes:
    key = name.encode() + b"\0"
    if isinstance(value, bool):
        return b"\x08" + key + bytes([value])
    if isinstance(value, int):
        return b"\x10" + key + struct.pack("<i", value)
    if isinstance(value, str):
        text = value.encode() + b"\0"
        return b"\x02" + key + struct.pack("<i", len(text)) + text
    if isinstance(value, Mapping):
        return b"\x03" + key + document(value)
    if isinstance(value, Sequence):
        return b"\x04" + key + document({str(index): item for index, item in enumerate(value)})
    raise TypeError(f"{name}: a value of the type {type(value).__name__} is not supported in BSON documents")
