"""The steps that prepare a service before it starts: files, secrets, commands, and seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TypeAlias

from infra_runtime.value import frozen


@frozen
class WriteFile:
    """The step that writes a file; references in the text are replaced.

    The file is written at every start of the service; in a `Seed`, when the seed is built. If `json` is true,
    the references are in JSON strings, and their values are escaped as JSON requires.
    """

    path: str
    text: str
    mode: int = 0o600
    json: bool = False


@frozen
class RequireFile:
    """The step that fails if the file at `path` exists and does not begin with `text`.

    The error message is `problem`, in which `{found}` is replaced by the first line of the file.
    """

    path: str
    text: str
    problem: str


@frozen
class Remove:
    """The step that removes a file if it exists, such as a file that remains after a process was killed."""

    path: str


@frozen
class Secret:
    """The step that creates a file with a secret if the file is missing; the file has the mode 0600.

    The secret is a random string of 48 hexadecimal digits.
    """

    path: str


@frozen
class Run:
    """The step that runs a command until it exits; if its status is not 0, the start of the service fails."""

    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)


@frozen
class Seed:
    """The step that fills the folder `into` with a copy of a seed: the files that `steps` create in `${out}`.

    The seed is a folder in the user's cache. The name of this folder contains a hash of `steps` and of the
    paths, sizes and modification times of the executables. Each stack copies the seed, with reflinks if the
    file system supports them. If `into` is not empty, the step changes nothing, because `into` contains data;
    it fails if a secret of the service in `into` is missing. A seed must not contain a secret, because all
    stacks of the user would have the same secret.
    """

    into: str
    steps: tuple[WriteFile | RequireFile | Remove | Run, ...]


Step: TypeAlias = WriteFile | RequireFile | Remove | Secret | Run | Seed
