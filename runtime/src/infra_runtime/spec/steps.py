"""Steps that prepare a service before it starts: files, secrets, commands, and cached trees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteFile:
    """Write a file from a text with references; every start of the service writes it again.

    With `json` the references stand inside JSON strings: their values are escaped.
    """

    path: str
    text: str
    mode: int = 0o600
    json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RequireFile:
    """Fail the start with `problem` when the file at `path` exists and does not begin with `text`.

    `{found}` in `problem` becomes the first line of the file.
    """

    path: str
    text: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove:
    """Remove a file that a killed process left; no process of the service runs while it is prepared."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """Create a file with a random text (mode 0600) unless it exists; the text is never printed."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Run a command to its end; any exit status except 0 fails the start."""

    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """Fill the folder `into` once with a tree that `steps` made in `${out}`.

    The user's cache keeps the tree under a key made of the steps' text and the executables' identity, so
    that every further stack only copies it (a reflink, where the file system supports that).
    An `into` that exists already stays unchanged: it contains a user's data.
    """

    into: str
    steps: tuple[WriteFile | RequireFile | Remove | Secret | Run, ...]


Step: TypeAlias = WriteFile | RequireFile | Remove | Secret | Run | Seed
