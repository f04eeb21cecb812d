"""The steps that prepare a service before it starts: files, secrets, commands, and seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TypeAlias

from infra_runtime.value import frozen


@frozen
class WriteFile:
    """Write a file from a text with references; every start of the service writes it again.

    With `json` the references are inside JSON strings, and their values are escaped for that.
    """

    path: str
    text: str
    mode: int = 0o600
    json: bool = False


@frozen
class RequireFile:
    """Fail the start with `problem` when the file at `path` exists and does not begin with `text`.

    `{found}` in `problem` becomes the first line of the file.
    """

    path: str
    text: str
    problem: str


@frozen
class Remove:
    """Remove a file that a killed process may have left; no process of the service runs at that time."""

    path: str


@frozen
class Secret:
    """Create a file with a random text (mode 0600) if it does not exist; the text is never printed."""

    path: str


@frozen
class Run:
    """Run a command to its end; any exit status except 0 fails the start."""

    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)


@frozen
class Seed:
    """Fill the folder `into` once with a copy of the files that the steps create in `${out}`.

    The folder with these files is stored in the user's cache. Its key is a hash of the steps' texts and of
    the executables' sizes and modification times. Each stack copies the stored folder, with reflinks if the
    file system supports them. If `into` is not empty, it is not changed, because it contains a user's data. A
    seed must not contain a secret: all stacks would have the same one.
    """

    into: str
    steps: tuple[WriteFile | RequireFile | Remove | Run, ...]


Step: TypeAlias = WriteFile | RequireFile | Remove | Secret | Run | Seed
