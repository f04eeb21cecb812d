"""Binding: the replacement of each reference `${…}` in a spec by its value on this machine.

Each export is bound twice: once with the values of secrets, and once with masked secrets, for users.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from infra_runtime.data_directory.paths import Paths
from infra_runtime.host.ports import LOOPBACK
from infra_runtime.messages import Up
from infra_runtime.record import Record
from infra_runtime.redaction import (
    MASK,
    is_secret_name,
    masked_assignments,
    masked_text,
    passwords_in,
    redacted,
)
from infra_runtime.spec import Probe, Quiesce, ServiceSpec, bound_copy, merged, optional_export, substitute


class BindingError(Exception):
    """The error that a reference `${…}` has no value. The planner detects most such errors in the plan."""


class MissingSecretError(BindingError):
    """The error that a secret cannot be read, usually because its service is not prepared yet."""

    def __init__(self, service: str, secret: str, reason: str) -> None:
        super().__init__(service, secret, reason)
        self.service, self.secret, self.reason = service, secret, reason

    def __str__(self) -> str:
        return f"the secret {self.secret} of {self.service} does not exist: {self.reason}"


class Scope(Record):
    """The values that the services of one request `up` share for their references, such as `root`."""

    #: the folder of the stack file
    root: str
    environment: str
    binaries: Mapping[str, str]
    variables: Mapping[str, str]
    #: the identifier of this run of the supervisor
    token: str = ""
    #: the folder with the logs of all services
    logs: str = ""
    #: the data directory of the stack
    data: str = ""
    #: the environment of the supervisor, which its services inherit
    inherited: Mapping[str, str] = MappingProxyType({})


def make_scope(request: Up, paths: Paths, environment: str, token: str) -> Scope:
    """Return the scope for the services of a request `up` to this supervisor."""
    return Scope(
        request.root,
        environment,
        request.binaries,
        request.variables,
        token,
        paths.logs,
        paths.data,
        os.environ,
    )


class Bound:
    """A service, its folders and ports on this machine, and the texts in which `bind` replaced references."""

    def __init__(self, spec: ServiceSpec, data: str, run: str, ports: Mapping[str, int]) -> None:
        self.spec, self.data, self.run = spec, data, run
        self.ports = dict(ports)
        self.command: tuple[str, ...] = ()
        self.env: dict[str, str] = {}
        self.cwd = ""
        self.ready: Probe | None = None
        self.quiesce: Quiesce | None = None
        self.exports: dict[str, str] = {}
        #: the exports for users: secrets are replaced by `***`
        self.masked_exports: dict[str, str] = {}
        #: the values of the secrets in command, environment, probe and exports
        self.secrets: set[str] = set()
        #: whether the service may be prepared again with other secrets, so that its present secrets must not
        #: be read
        self.is_preliminary = False

    @property
    def engine(self) -> str:
        """The path of the container engine that runs the service; empty for a program of this machine."""
        return self.command[0] if self.spec.image and self.command else ""

    def details(self) -> dict[str, object]:
        """Return `ports` for the journal's event `spawned`, with `copy_of` and `engine` if they are set."""
        details = {"copy_of": self.spec.copy_of, "engine": self.engine}
        return {"ports": self.ports, **{name: value for name, value in details.items() if value}}

    def is_secret(self, name: str) -> bool:
        """Return whether the value of a variable, an option or an export with this name is a secret."""
        return name in self.spec.sensitive or is_secret_name(name)


def bind_process(bound: Bound, scope: Scope, others: Mapping[str, Bound]) -> None:
    """Replace the references in the command, the variables and the working folder of a prepared service.

    The results are attributes of `bound`. Raises `BindingError` if a reference has no value.
    """
    lookup = resolver(bound, scope, others)
    spec = bound.spec
    bound.command = tuple(substitute(text, lookup) for text in spec.command)
    defaults = [replace(default, value=substitute(default.value, lookup)) for default in spec.env_defaults]
    explicit_names = spec.env.keys() - {default.name for default in defaults}
    env = {name: substitute(text, lookup) for name, text in spec.env.items() if name in explicit_names}
    bound.env = merged(env, defaults, scope.inherited)
    bound.cwd = substitute(spec.cwd, lookup)


def bind(bound: Bound, scope: Scope, others: Mapping[str, Bound]) -> None:
    """Replace all references in a prepared service: those of `bind_process`, and those in probes and exports.

    The results are attributes of `bound`. Raises `BindingError` if a reference has no value.
    """
    bind_process(bound, scope, others)
    lookup = resolver(bound, scope, others)
    spec = bound.spec
    bound.ready = bound_copy(spec.ready, lookup)
    bound.quiesce = bound_copy(spec.quiesce, lookup)
    bound.exports = {name: substitute(text, lookup) for name, text in spec.exports.items()}
    named_values = {**bound.env, **bound.exports}
    bound.secrets |= {value for name, value in named_values.items() if value and bound.is_secret(name)}
    for text in (*bound.command, *named_values.values()):
        bound.secrets.update(passwords_in(text))
    masked = resolver(bound, scope, others, masked=True)
    bound.masked_exports = {
        name: _masked_export(bound, name, substitute(text, masked)) for name, text in spec.exports.items()
    }


def _masked_export(bound: Bound, name: str, text: str) -> str:
    if bound.is_secret(name):
        return MASK if text else ""
    return redacted(masked_assignments(masked_text(text)), bound.secrets)


def resolver(
    bound: Bound,
    scope: Scope,
    others: Mapping[str, Bound],
    *,
    out: str | None = None,
    masked: bool = False,
) -> Callable[[str], str]:
    """Return a function that takes a reference of this service, such as `port.http`, and returns its value.

    `out` is the folder that the steps of a `Seed` fill. An optional reference to another service has a value
    before that service starts, because its ports and secrets are already known; if `others` does not contain
    the service, the value is empty.
    """
    own_values = {
        "host": LOOPBACK,
        "data": bound.data,
        "run": bound.run,
        "root": scope.root,
        "out": out,
        "stack.environment": scope.environment,
        "stack.project": _percent_encoded(scope.root.rpartition("/")[2]),
        "stack.run": scope.token,
        "stack.service": bound.spec.name,
        "stack.token": scope.token,
        "stack.logs": scope.logs,
        "stack.data": scope.data,
    }

    def lookup(reference: str) -> str:
        if (value := own_values.get(reference)) is not None:
            return value
        if (optional := optional_export(reference)) is not None:
            return _exported(*optional, scope, others, masked=masked) if optional[0] in others else ""
        prefix, _, name = reference.partition(".")
        if prefix == "bin" and name in scope.binaries:
            return scope.binaries[name]
        if prefix == "port" and name in bound.ports:
            return str(bound.ports[name])
        if prefix == "secret":
            return MASK if masked else _secret(bound, name)
        if prefix == "env":
            variable, _, default = name.partition(":-")
            if variable in scope.variables or ":-" in name:
                value = scope.variables.get(variable, default)
                if value and bound.is_secret(variable):
                    bound.secrets.add(value)
                    return MASK if masked else value
                return masked_text(value) if masked else value
        elif prefix in others and name in others[prefix].spec.exports:
            return _exported(prefix, name, scope, others, masked=masked)
        raise BindingError(f"{bound.spec.name}: the reference ${{{reference}}} has no value")

    return lookup


def _exported(service: str, export: str, scope: Scope, others: Mapping[str, Bound], *, masked: bool) -> str:
    """Return the value of an export of another service, also before `bind` is called for that service."""
    provider = others[service]
    exports = provider.masked_exports if masked else provider.exports
    if export in exports:
        return exports[export]
    return substitute(provider.spec.exports[export], resolver(provider, scope, others, masked=masked))


def _percent_encoded(text: str) -> str:
    """Return a string with all characters percent-encoded, except unreserved ones (RFC 3986, section 2.3)."""
    return "".join(
        chr(byte) if byte < 0x80 and (chr(byte).isalnum() or chr(byte) in "-._~") else f"%{byte:02X}"
        for byte in text.encode("utf-8", "surrogateescape")
    )


def _secret(bound: Bound, name: str) -> str:
    if bound.is_preliminary:
        raise MissingSecretError(bound.spec.name, name, "the service is not prepared yet")
    try:
        with open(f"{bound.data}/{name}.secret", encoding="ascii") as file:
            secret = file.read().strip()
    except OSError as error:
        raise MissingSecretError(bound.spec.name, name, str(error)) from error
    bound.secrets.add(secret)
    return secret
