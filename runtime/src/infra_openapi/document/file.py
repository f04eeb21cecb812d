"""A file of an OpenAPI document: its text, the parsed data, and the line number of each value."""

from __future__ import annotations

import hashlib
from weakref import WeakValueDictionary

from infra_openapi.document import text as source
from infra_openapi.document.line_index import LineIndex


class File:
    """A file of an OpenAPI document, with its content, its data and an index of its lines."""

    def __init__(self, name: str, raw: bytes) -> None:
        self.name = name
        self.digest = hashlib.blake2b(raw, digest_size=16).digest()
        equal_file = _files_by_digest.get(self.digest)
        if equal_file is None:
            # Bytes use less memory than a string: in a string with one emoji, each character has four bytes.
            self.content = source.encoded(raw, name)
            self.data, marks = source.data(source.decoded(self.content, name), name)
            self.line_index = LineIndex(self.content, self.data, marks)
            _files_by_digest[self.digest] = self
        else:
            self.content, self.data, self.line_index = (
                equal_file.content,
                equal_file.data,
                equal_file.line_index,
            )


# The old and the new document often contain equal files. As long as a file with this content is in use, the
# content is not parsed again, because parsing a large file is slow.
_files_by_digest: WeakValueDictionary[bytes, File] = WeakValueDictionary()
