"""Texts of a spec as values of a pod: Kubernetes replaces `$(NAME)` by a variable of the container.

Source: Kubernetes documentation, "Define Dependent Environment Variables": `$$` is a dollar sign.
"""

from __future__ import annotations

import re

from infra_runtime.engines import references
from infra_runtime.engines.kubernetes.cluster import Cluster
from infra_runtime.engines.references import Piece, misplaced_secret, setting_key
from infra_runtime.engines.yaml_text import Value
from infra_runtime.errors import ConfigurationError
from infra_runtime.spec import ServiceSpec

#: the beginning of the names of variables that contain a secret as a part of other variables
_SECRET = "INFRA_SECRET_"  # noqa: S105 - the name of a variable
#: a dollar sign before another one or before a parenthesis, or at the end
_OPERATOR = re.compile(r"\$(?=[$(]|\Z)")
#: the names of variables. Source: Kubernetes documentation, "Define Environment Variables for a Container"
_NAME = re.compile("[ -<>-~]+")
#: characters that Kustomize 5.8 writes without an escape; it then refuses them or reads a space.
#: Source: YAML 1.2.2, "Character Set"
_UNREADABLE = re.compile("[\x7f-\x9f\ufffe\uffff]")


class Variables:
    """The variables of one container, in an order in which each is defined before it is used."""

    def __init__(self, cluster: Cluster, spec: ServiceSpec) -> None:
        self._cluster, self._spec = cluster, spec
        #: variable → its entry, for variables from Secrets
        self._sources: dict[str, dict[str, Value]] = {}
        self._values: dict[str, dict[str, Value]] = {}

    def add(self, name: str, text: str) -> None:
        """Add a variable with a string of the spec. Raises `ConfigurationError` if it is not possible."""
        if not _NAME.fullmatch(name):
            raise ConfigurationError(
                f"{self._spec.name}: a container in a cluster cannot have a variable with the name {name!r}",
                where=setting_key(self._spec.name, f"env.{name}"),
                hint="Use printable ASCII characters without =.",
            )
        parts = pieces(text, self._spec, self._cluster, f"env.{name}")
        only = parts[0] if len(parts) == 1 else None
        if only and only.kind == "secret":
            self._values[name] = self._from_secret(name, *self._cluster.secret_key(only.value))
            return
        if only and only.kind == "variable" and ":-" not in only.value:
            self._values[name] = self._from_secret(name, self._cluster.variables, only.value)
            return
        value = ""
        for part in parts:
            if part.kind == "secret":
                source = _SECRET + re.sub(r"[^A-Za-z0-9]", "_", part.value).upper()
                self._sources[source] = self._from_secret(source, *self._cluster.secret_key(part.value))
                value += f"$({source})"
            elif part.kind == "variable":
                value += self._variable(part.value)
            else:
                value += _escaped(part.value)
        self.set(name, value)

    def set(self, name: str, value: str) -> None:
        """Add a variable with a value in the syntax of Kubernetes."""
        self._values[name] = {"name": name, "value": value}

    def word(self, text: str, field: str) -> str:
        """Return an argument of a command line. Raises `ConfigurationError` if it contains a secret."""
        parts = pieces(text, self._spec, self._cluster, field)
        value = ""
        for part in parts:
            if part.kind == "secret":
                raise misplaced_secret(part, self._spec, field)
            value += self._variable(part.value) if part.kind == "variable" else _escaped(part.value)
        return value

    def entries(self) -> list[Value]:
        """Return the entries of the field `env` of the container."""
        sources = [entry for name, entry in sorted(self._sources.items()) if name not in self._values]
        return [*sources, *self._values.values()]

    def _variable(self, reference: str) -> str:
        """Return the value of `${env.NAME}`: the default, or a reference to the Secret of variables."""
        name, default_given, default = reference.partition(":-")
        if default_given:
            return _escaped(default)
        source = f"INFRA_ENV_{name}"
        self._sources[source] = self._from_secret(source, self._cluster.variables, name)
        return f"$({source})"

    @staticmethod
    def _from_secret(name: str, secret: str, key: str) -> dict[str, Value]:
        return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def pieces(text: str, spec: ServiceSpec, cluster: Cluster, field: str) -> list[Piece]:
    """Replace the references in a string of a spec; return the parts: plain text, secrets and variables.

    Raises `ConfigurationError` if a reference has no value, or if Kustomize cannot read a character.
    """
    if match := _UNREADABLE.search(text):
        raise ConfigurationError(
            f"{spec.name}: `{field}` contains the character U+{ord(match[0]):04X}, which Kustomize"
            " cannot read",
            where=setting_key(spec.name, field),
            hint="Remove the character, or read the whole value from a variable: ${env.NAME}.",
        )
    return references.pieces(text, spec, cluster.stack, field)


def plain(text: str, spec: ServiceSpec, cluster: Cluster, field: str) -> str:
    """Return a text for a file or a probe, in which Kubernetes replaces nothing.

    Raises `ConfigurationError` if the text contains a secret, or a variable without a default.
    """
    value = ""
    for part in pieces(text, spec, cluster, field):
        if part.kind == "secret":
            raise misplaced_secret(part, spec, field)
        value += part.value if part.kind == "text" else _default(part, spec, field)
    return value


def _default(part: Piece, spec: ServiceSpec, field: str) -> str:
    name, default_given, default = part.value.partition(":-")
    if not default_given:
        raise ConfigurationError(
            f"{spec.name}: `{field}` contains ${{env.{name}}}, and Kubernetes replaces variables"
            " only in `env` and in the command",
            where=setting_key(spec.name, field),
            hint=f"Use a default (${{env.{name}:-…}}), or a variable in `env`.",
        )
    return default


def _escaped(text: str) -> str:
    """Return a text in which Kubernetes replaces nothing, with as few escapes as possible.

    podman does not replace `$$` in a command line. Therefore a dollar sign is escaped only if Kubernetes
    would interpret it together with the next character, or with the beginning of the next part.
    """
    return _OPERATOR.sub("$$", text)
