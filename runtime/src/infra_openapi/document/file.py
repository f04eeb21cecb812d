"""A file of a description: its text as data, and the line of each part of it."""

from __future__ import annotations

import hashlib
from weakref import WeakValueDictionary

from infra_openapi.document import text as source
from infra_openapi.document.line_index import LineIndex


class File:
    """One text as data, with its places."""

    def __init__(self, name: str, raw: bytes) -> None:
        self.name = name
        self.digest = hashlib.blake2b(raw, digest_size=16).digest()
        twin = _read_before.get(self.digest)
        if twin is None:
            # The bytes are kept and not the text, which one face of an emoji makes four times as long.
            self.content = source.encoded(raw, name)
            self.data, marks = source.data(source.decoded(self.content, name), name)
            self.line_index = LineIndex(self.content, self.data, marks)
            _read_before[self.digest] = self
        else:
            self.content, self.data, self.line_index = twin.content, twin.data, twin.line_index


# A snapshot is mostly what the API still is, and reading a large file is most of the work then.
_read_before: WeakValueDictionary[bytes, File] = WeakValueDictionary()
