"""The steps that prepare a service before it starts: files, secrets, commands, and seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TypeAlias

from infra_runtime.value import frozen


@frozen
class WriteFile:
    """The step that writes a file from a text with references, at every start of the service.

    If `json` is true, the references are inside JSON strings, and their values get JSON's escapes.
    """

    path: str
    text: str
    mode: int = 0o600
    json: bool = False


@frozen
class RequireFile:
    """The step that fails the start if the file at `path` exists and does not begin with `text`.

    `problem` is the error message; in it, `{found}` is replaced by the first line of the file.
    """

    path: str
    text: str
    problem: str


@frozen
class Remove:
    """The step that removes a file which a killed process of the service may have left.

    No process of the service runs at that time.
    """

    path: str


@frozen
class Secret:
    """The step that creates a file with a random text (mode 0600), a secret, if the file is missing.

    The text is never printed.
    """

    path: str


@frozen
class Run:
    """The step that runs a command to its end; an exit status other than 0 fails the start."""

    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)


@frozen
class Seed:
    """The step that fills the folder `into` with a copy of a seed: files that `steps` create in `${out}`.

    The folder with these files is stored in the user's cache. The folder's key is a hash of the steps' texts
    and of the executables' sizes and modification times. Each stack copies the stored folder, with reflinks
    if the file system supports them. If `into` is not empty, it is not changed, because it contains a user's
    data. A seed must not contain a secret: all stacks would have the same secret.
    """

    into: str
    steps: tuple[WriteFile | RequireFile | Remove | Run, ...]


Step: TypeAlias = WriteFile | RequireFile | Remove | Secret | Run | Seed
