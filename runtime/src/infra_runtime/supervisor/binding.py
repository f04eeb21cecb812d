"""From the symbolic to the concrete: what each `${…}` of a spec is on this machine, now.

A text that a secret went into is remembered, so that it can be shown masked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from infra_runtime.host.ports import LOOPBACK
from infra_runtime.messages import MASK
from infra_runtime.spec import Probe, Quiesce, ServiceSpec, bound_copy, optional_export, substitute


class BindingError(Exception):
    """A reference means nothing here. The planner finds most before; this is for what only a run knows."""


class MissingSecretError(BindingError):
    """The secret of a service does not exist, because the service was not prepared yet."""

    def __init__(self, service: str, secret: str, reason: str) -> None:
        super().__init__(service, secret, reason)
        self.service, self.secret, self.reason = service, secret, reason

    def __str__(self) -> str:
        return f"the secret {self.secret} of {self.service} does not exist: {self.reason}"


class Scope(NamedTuple):
    """What the whole stack knows."""

    root: str
    environment: str
    binaries: Mapping[str, str]
    variables: Mapping[str, str]


class Bound:
    """One service with its places on this machine."""

    def __init__(self, spec: ServiceSpec, data: str, run: str, ports: Mapping[str, int]) -> None:
        self.spec, self.data, self.run = spec, data, run
        self.ports = dict(ports)
        self.command: tuple[str, ...] = ()
        self.env: dict[str, str] = {}
        self.cwd = ""
        self.ready: Probe | None = None
        self.quiesce: Quiesce | None = None
        self.exports: dict[str, str] = {}
        #: the exports as they may be shown: secrets are `***`
        self.shown: dict[str, str] = {}


def bind(bound: Bound, scope: Scope, others: Mapping[str, Bound]) -> None:
    """Fill in command, environment, working directory and exports; the steps have been run.

    Raises `BindingError`.
    """
    lookup = resolver(bound, scope, others)
    spec = bound.spec
    bound.command = tuple(substitute(text, lookup) for text in spec.command)
    bound.env = {name: substitute(text, lookup) for name, text in spec.env.items()}
    bound.cwd = substitute(spec.cwd, lookup)
    bound.ready = bound_copy(spec.ready, lookup)
    bound.quiesce = bound_copy(spec.quiesce, lookup)
    bound.exports = {name: substitute(text, lookup) for name, text in spec.exports.items()}
    masked = resolver(bound, scope, others, masked=True)
    bound.shown = {name: substitute(text, masked) for name, text in spec.exports.items()}


def resolver(
    bound: Bound,
    scope: Scope,
    others: Mapping[str, Bound],
    *,
    out: str | None = None,
    masked: bool = False,
) -> Callable[[str], str]:
    """Return a function that gives the value of each reference of this service.

    `out` is the folder of a `Seed` that is being made. An optional reference is bound from what is known of
    the other service before it starts; it is empty when `others` has no such service.
    """
    plain = {"host": LOOPBACK, "data": bound.data, "run": bound.run, "root": scope.root, "out": out}

    def lookup(reference: str) -> str:
        if (found := plain.get(reference)) is not None:
            return found
        if (other := optional_export(reference)) is not None:
            return _exported(*other, scope, others, masked=masked) if other[0] in others else ""
        kind, _, name = reference.partition(".")
        if kind == "bin" and name in scope.binaries:
            return scope.binaries[name]
        if kind == "port" and name in bound.ports:
            return str(bound.ports[name])
        if kind == "stack" and name == "environment":
            return scope.environment
        if kind == "secret":
            return MASK if masked else _secret(bound.spec.name, out or bound.data, name)
        if kind == "env":
            variable, _, default = name.partition(":-")
            if variable in scope.variables or ":-" in name:
                return scope.variables.get(variable, default)
        elif kind in others and name in others[kind].spec.exports:
            return _exported(kind, name, scope, others, masked=masked)
        raise BindingError(f"{bound.spec.name}: nothing is known of ${{{reference}}}")

    return lookup


def _exported(service: str, export: str, scope: Scope, others: Mapping[str, Bound], *, masked: bool) -> str:
    """An export of another service, which may not have been bound yet."""
    other = others[service]
    exports = other.shown if masked else other.exports
    if export in exports:
        return exports[export]
    return substitute(other.spec.exports[export], resolver(other, scope, others, masked=masked))


def _secret(service: str, folder: str, name: str) -> str:
    try:
        with open(f"{folder}/{name}.secret", encoding="ascii") as file:
            return file.read().strip()
    except OSError as error:
        raise MissingSecretError(service, name, str(error)) from error
