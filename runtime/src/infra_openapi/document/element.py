"""OpenAPI documents and their elements (parts).

A document includes all files to which its references lead.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from infra_openapi.document.discriminator import with_subtypes
from infra_openapi.document.file import File
from infra_openapi.document.pointer import escaped, tokens
from infra_openapi.document.swagger import converted
from infra_openapi.errors import CompareError
from infra_openapi.finding import Location, Note

#: A function that returns the bytes of a file. The argument is a path or a URL; a relative reference has
#: already been joined with the path or URL of the file that contains it.
Reader: TypeAlias = Callable[[str], bytes]

#: The maximum number of notes of a document; one more note states that further notes are omitted.
_MAX_NOTES = 1000
_SUPPORTED = re.compile(r"3\.[0-2](?:[.-].*)?\Z")


@dataclass(frozen=True, slots=True, eq=False)
class Element:
    """A part of a document: its value (`raw`) and its location (file and JSON pointer)."""

    document: Document
    file: str
    pointer: str
    raw: Any

    @property
    def identity(self) -> tuple[str, str, int]:
        """Return a unique key for the element: file, JSON pointer, and the identity of the document."""
        return self.file, self.pointer, id(self.document)

    def child(self, key: str | int) -> Element | None:
        """Return the member of this object or array under `key`; None if the member does not exist.

        If the member is a reference, the result is the reference and not its target.
        """
        raw = self.raw
        if isinstance(raw, dict) and key not in raw:
            return None  # the most frequent case; this check is faster than an exception
        try:
            inner = raw[key]
        except (KeyError, IndexError, TypeError):
            return None
        return Element(self.document, self.file, f"{self.pointer}/{escaped(str(key))}", inner)

    def mapping(self, key: str) -> dict[str, Element]:
        """Return the members of the object that this element contains under `key`.

        If the value is missing or null, the result is empty. If the value is not an object, the result is
        empty, and a note about the error is added to the document.
        """
        inner = self.child(key) if isinstance(self.raw, dict) and key in self.raw else None
        if inner is None or inner.raw is None:
            return {}
        return inner.members()

    def members(self) -> dict[str, Element]:
        """Return the members of this element, which should be an object.

        If this element is not an object, the result is empty, and a note about the error is added to the
        document.
        """
        if not isinstance(self.raw, dict):
            self.document.note(self, "the value is not an object, so the comparison ignores it")
            return {}
        pointer = self.pointer
        return {
            key: Element(self.document, self.file, f"{pointer}/{escaped(key)}", inner)
            for key, inner in self.raw.items()
        }

    def items(self, key: str) -> list[Element]:
        """Return the items of the array that this element contains under `key`.

        If the value is missing or null, the result is empty. If the value is not an array, the result is
        empty, and a note about the error is added to the document.
        """
        inner = self.child(key) if isinstance(self.raw, dict) and key in self.raw else None
        if inner is None or inner.raw is None:
            return []
        if not isinstance(inner.raw, list):
            self.document.note(inner, "the value is not an array, so the comparison ignores it")
            return []
        array_pointer = inner.pointer
        return [
            Element(self.document, self.file, f"{array_pointer}/{number}", raw)
            for number, raw in enumerate(inner.raw)
        ]

    def text(self, key: str, default: str = "") -> str:
        """Return the string under `key` in this element, or `default` if the value is not a string."""
        value = self.raw.get(key) if isinstance(self.raw, dict) else None
        return value if isinstance(value, str) else default

    def flag(self, key: str, default: bool = False) -> bool:
        """Return the boolean under `key` in this element, or `default` if the value is not a boolean."""
        value = self.raw.get(key) if isinstance(self.raw, dict) else None
        return value if isinstance(value, bool) else default

    def value(self, key: str) -> Any:
        """Return the value that this element contains under `key`; None if the key is missing."""
        return self.raw.get(key) if isinstance(self.raw, dict) else None

    def location(self) -> Location:
        """Return the location of this element, with line and column."""
        return self.document.location(self.file, self.pointer)


@dataclass(slots=True)
class References:
    """The resolved references (`$ref`) of one document. Only the module `reference` reads and changes them.

    A key of `targets` consists of a file, the pointer of the resource around the reference, and the
    reference. A resource is a schema with an `$id`.
    """

    targets: dict[tuple[str, str, str], Element] = field(default_factory=dict)
    #: The references that are being resolved. If a reference in this set occurs again, the reference is
    #: circular.
    unresolved: set[tuple[str, str, str]] = field(default_factory=set)
    #: File → the pointer of each schema with an `$id` → the full address of this `$id`.
    resources: dict[str, dict[str, str]] = field(default_factory=dict)
    #: File and name of an anchor → the pointers of the schemas with this anchor.
    anchors: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    #: Full address of an `$id` → the file and the pointer of its schema.
    identified: dict[str, tuple[str, str]] = field(default_factory=dict)


class Document:
    """An OpenAPI document of version 3; a document of version 2 is converted to version 3.0.

    `version` is the version before the conversion.
    """

    def __init__(self, file: File, read: Reader) -> None:
        self.name = file.name
        self._files = {file.name: file}
        self._read = read
        self._notes: dict[tuple[str, str, str], Note] = {}
        self.written: dict[str, str] = {}
        self.data = with_subtypes(self._as_version_3(file))
        self.references = References()
        self.root = Element(self, self.name, "", self.data)

    def _as_version_3(self, file: File) -> dict[str, Any]:
        content = file.data
        if not isinstance(content, dict):
            reason = f"the document is not OpenAPI: it is {_type_name(content)}, not an object"
            raise CompareError(file.name, reason, 1, hint=_file_type_hint(file.content))
        if "swagger" in content:
            if "openapi" in content:
                self._raise_at(
                    file, "/swagger", "the document has both `openapi` and `swagger`: remove one of them"
                )
            self.version = str(content["swagger"])
            if self.version not in {"2.0", "2"}:
                self._raise_at(
                    file,
                    "/swagger",
                    f"the document has the Swagger version {self.version!r}; only 2.0 is supported",
                )
            self._check_types(file, _TYPES_OF_2)
            try:
                content, self.written = converted(content)
            except RecursionError as error:
                raise CompareError(file.name, "the document is nested too deeply to be read") from error
            return content
        version = content.get("openapi")
        if version is None:
            raise CompareError(
                file.name, "the document is not OpenAPI: it has neither `openapi` nor `swagger`", 1
            )
        self.version = str(version)
        if not _SUPPORTED.match(self.version) or not isinstance(version, str | float):
            self._raise_at(
                file,
                "/openapi",
                f"the OpenAPI version {version!r} is not supported; "
                "the supported versions are 3.0, 3.1, 3.2 and Swagger 2.0",
            )
        self._check_types(file, _TYPES)
        return content

    def _check_types(self, file: File, types: Mapping[str, type]) -> None:
        """Raise `CompareError` if the value of a top-level key does not have its expected type in `types`.

        The error is also raised if all of the first three keys in `types` are missing.
        """
        for key, expected_type in types.items():
            value = file.data.get(key)
            if value is not None and not isinstance(value, expected_type):
                self._raise_at(
                    file, f"/{key}", f"`{key}` is {_type_name(value)}, not {_TYPE_NAMES[expected_type]}"
                )
        first_key, second_key, third_key = list(types)[:3]
        if not any(isinstance(file.data.get(key), dict) for key in (first_key, second_key, third_key)):
            raise CompareError(
                file.name,
                f"the document is not OpenAPI: it has neither {first_key} nor {second_key} nor {third_key}",
                1,
            )

    def _raise_at(self, file: File, pointer: str, reason: str) -> None:
        raise CompareError(file.name, reason, *file.line_index.find(pointer))

    @property
    def text(self) -> str:
        """Return the text of the main file of the document."""
        return self._files[self.name].content.decode()

    @property
    def original(self) -> Any:
        """Return the data of the main file, before the conversion from Swagger 2.0."""
        return self._files[self.name].data

    @property
    def digest(self) -> bytes:
        """Return a hash of the content of the document's main file."""
        return self._files[self.name].digest

    @property
    def is_single_file(self) -> bool:
        """Return whether the document consists of one file and has no references to other files."""
        return len(self._files) == 1

    @property
    def modern(self) -> bool:
        """Return whether the schemas of the document are JSON Schema, as in OpenAPI 3.1 and later versions.

        In JSON Schema, keywords in the same object as a `$ref` have an effect.
        """
        return not self.version.startswith(("3.0", "2"))

    @property
    def notes(self) -> tuple[Note, ...]:
        """Return the notes of the document.

        A note describes an invalid part of the document, and how the comparison interpreted this part.
        """
        return tuple(self._notes[key] for key in sorted(self._notes))

    def note(self, element: Element, message: str) -> None:
        """Add a note to the document: which element is invalid, and how the comparison interprets it."""
        key = (element.file, element.pointer, message)
        if key not in self._notes and len(self._notes) <= _MAX_NOTES:
            line = self.location(element.file, element.pointer).line
            if len(self._notes) == _MAX_NOTES:
                message = f"the document has more than {_MAX_NOTES} invalid parts; the others are not listed"
            self._notes[key] = Note(file=element.file, pointer=element.pointer, message=message, line=line)

    def file(self, name: str, referrer: Element) -> Any:
        """Return the data of a file; a reference of the document leads to this file.

        Each file is read once.

        Raises:
            CompareError: the file cannot be read, or the reader does not allow the file.
        """
        if name not in self._files:
            try:
                content = self._read(name)
            except (OSError, ValueError) as error:
                location = referrer.location()
                reason = f"the document refers to {name!r}, which cannot be read: {why_unreadable(error)}"
                raise CompareError(location.file, reason, location.line, location.column) from error
            except CompareError as error:
                location = referrer.location()
                raise CompareError(
                    location.file,
                    f"the document refers to {error}",
                    location.line,
                    location.column,
                    error.hint,
                ) from error
            self._files[name] = File(name, content)
        return self.data if name == self.name else self._files[name].data

    def written_at(self, location: Location) -> Any:
        """Return the value at a location in the original file; None if the location does not exist."""
        loaded = self._files.get(location.file)
        value: Any = loaded.data if loaded else None
        for token in tokens(location.pointer):
            try:
                value = value[int(token)] if isinstance(value, list) else value[token]
            except (LookupError, TypeError, ValueError):
                return None
        return value

    def location(self, file: str, pointer: str) -> Location:
        """Return a location with its line and column.

        For a part that was converted from Swagger 2.0, this is the location in the original file.
        """
        written = pointer
        if self.written and file == self.name:
            written = _written(pointer, self.written)
        loaded = self._files.get(file)
        line, column = loaded.line_index.find(written) if loaded else (0, 0)
        return Location(file=file, pointer=written, line=line, column=column)


#: The checked top-level keys of a document, with the types of their values: for OpenAPI 3 and for Swagger
#: 2.0.
_TYPES: dict[str, type] = {
    "paths": dict,
    "webhooks": dict,
    "components": dict,
    "servers": list,
    "info": dict,
}
_TYPES_OF_2: dict[str, type] = {
    "paths": dict,
    "x-ms-paths": dict,
    "definitions": dict,
    "parameters": dict,
    "responses": dict,
    "securityDefinitions": dict,
    "info": dict,
}
_TYPE_NAMES: dict[type, str] = {
    dict: "an object",
    list: "an array",
    str: "a string",
    bool: "a boolean",
    type(None): "null",
}


def _type_name(value: Any) -> str:
    return _TYPE_NAMES.get(type(value), "a number")


def _file_type_hint(content: bytes) -> str:
    """Return a hint for an error message if a file is a Git LFS pointer or an HTML page.

    For other files, the result is an empty string.
    """
    start = content[:200].lstrip().lower()
    if start.startswith(b"version https://git-lfs"):
        return "It is a Git LFS pointer: download the file with `git lfs pull`."
    if start.startswith((b"<!doctype", b"<html")):
        return "It is an HTML page, perhaps a login page or an error page: check the URL or the path."
    return ""


def _written(pointer: str, moved: Mapping[str, str]) -> str:
    """Return the JSON pointer that a part had in the Swagger 2.0 document before the conversion.

    `moved` maps new pointers to original pointers. The longest new pointer in `moved` that is a prefix of
    `pointer` is replaced.
    """
    prefix = pointer
    while prefix:
        if prefix in moved:
            return moved[prefix] + pointer[len(prefix) :]
        prefix = prefix.rpartition("/")[0]
    return pointer


def why_unreadable(error: OSError | ValueError) -> str:
    """Return the reason why a file cannot be read, as text for an error message."""
    # A ValueError is raised if the name contains a null character.
    return getattr(error, "strerror", None) or str(error)
