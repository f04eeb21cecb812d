"""The steps that prepare a service before it starts: files, secrets, commands, and seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TypeAlias

from infra_runtime.value import frozen


@frozen
class WriteFile:
    """The step that writes a file at every start of the service; references in the text are replaced.

    If `json` is true, the references are inside JSON strings, and the values are escaped as in JSON.
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
    """The step that removes a file which an earlier process of the service may have left when it was killed.

    The step runs before a process of the service starts.
    """

    path: str


@frozen
class Secret:
    """The step that creates a file with a secret if the file is missing; the file has the mode 0600.

    The secret is a random string, which is never printed.
    """

    path: str


@frozen
class Run:
    """The step that runs a command until it exits. If its status is not 0, the start of the service fails."""

    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)


@frozen
class Seed:
    """The step that fills the folder `into` with a copy of a seed: the files that `steps` create in `${out}`.

    The seed is a folder in the user's cache. Its key is a hash of the strings in `steps` and of the sizes and
    modification times of the executables. Each stack copies this folder, with reflinks if the file system
    supports them. If `into` is not empty, the step does not change it, because it contains a user's data. A
    seed must not contain a secret, because all stacks of the user would have the same secret.
    """

    into: str
    steps: tuple[WriteFile | RequireFile | Remove | Run, ...]


Step: TypeAlias = WriteFile | RequireFile | Remove | Secret | Run | Seed
