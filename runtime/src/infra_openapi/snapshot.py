"""Write an OpenAPI document as a snapshot file, in a canonical text.

Equal documents have equal texts, so `git diff` shows only real changes.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

import yaml

from infra_openapi.document import Document
from infra_openapi.errors import CompareError

#: The keys at the beginning of the text; all further keys are sorted by name.
_HEAD = ("openapi", "swagger", "info")
_WIDTH = 100


def canonical(document: Document, *, as_yaml: bool = False) -> str:
    """Return an OpenAPI document as JSON or YAML text with sorted keys and a newline at the end.

    The order of the members of a list does not change.

    Raises:
        CompareError: the document refers to other files, or is nested too deeply.
    """
    if not document.is_single_file:
        hint = (
            "Compare with a git revision instead, such as main:openapi.yaml, because a git revision contains "
            "all files."
        )
        raise CompareError(
            document.name, "the document refers to other files, but a snapshot is one file", hint=hint
        )
    document_data = document.original
    ordered = {key: document_data[key] for key in _HEAD if key in document_data}
    ordered |= {key: document_data[key] for key in sorted(document_data) if key not in _HEAD}
    try:
        ordered = {key: _sorted(value) for key, value in ordered.items()}
        if not as_yaml:
            return json.dumps(ordered, indent=2, ensure_ascii=False) + "\n"
        return str(yaml.dump(ordered, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH))
    except RecursionError as error:
        raise CompareError(document.name, "the document is nested too deeply to be written") from error


def write(path: Path, document: Document) -> bool:
    """Write a document to a snapshot file, and return whether the content of the file has changed.

    The snapshot is YAML if the name ends with `.yaml` or `.yml`, otherwise JSON.

    Raises:
        CompareError: the document refers to other files, or the snapshot cannot be written.
    """
    try:
        content = canonical(document, as_yaml=path.suffix.lower() in {".yaml", ".yml"}).encode()
        if path.is_file() and path.read_bytes() == content:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, content)
    except UnicodeEncodeError as error:
        raise CompareError(
            document.name, "the document contains an unpaired surrogate, which cannot be written as UTF-8"
        ) from error
    except OSError as error:
        raise CompareError(str(path), f"the file cannot be written: {error.strerror or error}") from error
    return True


def _replace(path: Path, content: bytes) -> None:
    """Replace the content of a file atomically.

    A program that reads the file gets either the complete old content or the complete new content.
    """
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        file.write(content)
    # Only the owner can read a temporary file. A new snapshot gets the default permissions of a file; an
    # existing snapshot keeps its permissions.
    mask = os.umask(0)
    os.umask(mask)
    Path(file.name).chmod(path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~mask)
    Path(file.name).replace(path)


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_sorted(member) for member in value]
    return value


class _Dumper(yaml.SafeDumper):
    """Writes data as YAML 1.2 (core schema).

    The text has no anchors and aliases: if a value occurs twice, the text contains the value twice.
    """

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:  # noqa: ARG002 - as above
        return super().increase_indent(flow, False)


# PyYAML follows YAML 1.1, where `1e3` and `0o17` are strings and need no quotes.
_LINE_ENDS = re.compile("[\r\x85\u2028\u2029]")
_NUMBER_LIKE = re.compile(r"[-+.]?[0-9]|[-+]?\.(?:inf|nan)", re.IGNORECASE)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else "'" if _NUMBER_LIKE.match(value) else None
    if _LINE_ENDS.search(value):
        # In other styles, these characters would end the line.
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)
