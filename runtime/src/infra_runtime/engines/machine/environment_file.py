"""The engine that writes the addresses of a stack to a file with environment variables.

The file has the syntax of the POSIX shell: in `NAME="value"`, `${OTHER}` refers to another variable.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import ClassVar

from infra_runtime.engines.output import first_line
from infra_runtime.engines.references import setting_key
from infra_runtime.engines.variables import variable_name, variables
from infra_runtime.errors import ConfigurationError
from infra_runtime.host.ports import LOOPBACK
from infra_runtime.plan import Plan
from infra_runtime.spec import ServiceSpec, substitute
from infra_runtime.value import frozen

#: the marks before and after a reference to a variable in values that are not quoted yet
_OPEN, _CLOSE = "\0{", "\0}"
_QUOTED = re.compile(r'[\\"$`]')


class _OnOneMachineError(Exception):
    """The error that the value of an export is a path, which is valid only on the machine of the stack."""


@frozen
class EnvironmentFile:
    """The engine that writes the exports of a plan as variables. The class implements `Engine`."""

    name: ClassVar[str] = "env"

    def render(self, plan: Plan) -> Mapping[str, str]:
        """Return a mapping from path to text, with the file `ENVIRONMENT.env`.

        The file contains no secrets: a value with a secret refers to a variable such as POSTGRES_PASSWORD,
        which the user sets. For exports that are paths on the machine of the stack, comments contain only the
        names.

        Raises:
            ConfigurationError: the environment has no fixed ports, or two exports with different values need
            the same variable.
        """
        if plan.ports == "leased":
            raise ConfigurationError(
                f"the environment {plan.environment!r} has no fixed ports",
                hint="`infra config env` prints the addresses of a running stack.",
            )
        specs = {spec.name: spec for spec in plan.services}
        exports: dict[str, dict[str, str]] = {}
        omitted_exports: list[str] = []
        for spec in plan.services:
            exports[spec.name] = {}
            for export in spec.exports:
                try:
                    exports[spec.name][export] = _value(spec, export, plan, specs)
                except _OnOneMachineError:
                    omitted_exports.append(f"{spec.name}.{export}")
        _check_names(exports)
        values = variables(exports, {spec.name: spec.kind for spec in plan.services})
        # The user sets the variables of secrets: a line `A="${A}"` could set A to an empty text.
        user_variables = {name for name, value in values.items() if value == f"{_OPEN}{name}{_CLOSE}"}
        lines = [f'{name}="{_quoted(value)}"' for name, value in values.items() if name not in user_variables]
        required_variables = sorted({name for value in values.values() for name in _required(value)})
        text = first_line(self.name)
        text += "".join(
            f"# Set this variable before you use the file: {name}\n" for name in required_variables
        )
        text += "".join(
            f"# Not exported, because the value is a path on one machine: {name}\n"
            for name in omitted_exports
        )
        return {f"{plan.environment}.env": text + "".join(f"{line}\n" for line in lines)}


def _check_names(exports: Mapping[str, Mapping[str, str]]) -> None:
    """Raise `ConfigurationError` if two exports with different values need the same variable."""
    values: dict[str, tuple[str, str]] = {}
    for service, exported in exports.items():
        for export, value in exported.items():
            name = variable_name(service, export)
            first_service, first_value = values.setdefault(name, (service, value))
            if value != first_value:
                raise ConfigurationError(
                    f"exports of {first_service} and {service} need the variable {name} for different values",
                    where=setting_key(service, "exports"),
                    hint=f"Rename one of these services, or export only {first_service} or only {service}.",
                )


def _value(spec: ServiceSpec, export: str, plan: Plan, specs: Mapping[str, ServiceSpec]) -> str:
    return substitute(spec.exports[export], _lookup(spec, plan, specs))


def _lookup(spec: ServiceSpec, plan: Plan, specs: Mapping[str, ServiceSpec]) -> Callable[[str], str]:
    """Return a function that takes a reference and returns its value, with marks around variable names."""
    values = {
        "host": LOOPBACK,
        "stack.environment": plan.environment,
        "stack.service": spec.name,
        **{f"port.{name}": str(number) for name, number in spec.ports.items()},
    }

    def lookup(reference: str) -> str:
        if reference in values:
            return values[reference]
        scope, _, name = reference.partition(".")
        if scope == "secret":
            return f"{_OPEN}{spec.name}_{name}{_CLOSE}".upper().replace("-", "_")
        if scope == "env":
            return f"{_OPEN}{name}{_CLOSE}"
        export = name.removesuffix("?")
        if scope in specs and export in specs[scope].exports:
            return _value(specs[scope], export, plan, specs)
        if name.endswith("?"):
            return ""
        raise _OnOneMachineError(reference)

    return lookup


def _required(value: str) -> list[str]:
    """Return the names of the variables without a default to which a value refers."""
    names = re.findall(f"{re.escape(_OPEN)}(.*?){re.escape(_CLOSE)}", value)
    return [name for name in names if ":-" not in name]


def _quoted(value: str) -> str:
    quoted = _QUOTED.sub(r"\\\g<0>", value)
    return quoted.replace(_OPEN, "${").replace(_CLOSE, "}")
