"""Convert texts of a spec to values of a pod.

In these values, Kubernetes replaces `$(NAME)` by the value of a variable of the container, and `$$` by `$`.
Source: Kubernetes documentation, "Define Dependent Environment Variables".
"""

from __future__ import annotations

import re

from infra_runtime.engines import references
from infra_runtime.engines.kubernetes.cluster import Cluster
from infra_runtime.engines.references import Piece, misplaced_secret, setting_key
from infra_runtime.engines.yaml_text import Value
from infra_runtime.errors import ConfigurationError
from infra_runtime.spec import ServiceSpec

#: the prefix of the names of variables that contain a secret to which the values of other variables refer
_SECRET = "INFRA_SECRET_"  # noqa: S105 - the name of a variable
#: a dollar sign that another dollar sign or a parenthesis follows, or that is the last character
_OPERATOR = re.compile(r"\$(?=[$(]|\Z)")
#: the pattern of the names of variables. Source: Kubernetes documentation, "Define Environment Variables for
#: a Container"
_NAME = re.compile("[ -<>-~]+")
#: characters that Kustomize 5.8 writes without an escape, and then refuses or reads as a space. Source: YAML
#: 1.2.2, "Character Set"
_UNREADABLE = re.compile("[\x7f-\x9f\ufffe\uffff]")


class Variables:
    """The environment variables of one container; a variable comes after the variables to which it refers."""

    def __init__(self, cluster: Cluster, spec: ServiceSpec) -> None:
        self._cluster, self._spec = cluster, spec
        #: variable → its entry in `env`, for variables with a key of a Secret to which other variables refer
        self._sources: dict[str, dict[str, Value]] = {}
        self._values: dict[str, dict[str, Value]] = {}

    def add(self, name: str, text: str) -> None:
        """Add a variable with a text of the spec.

        Raises `ConfigurationError` if Kubernetes does not accept the name, or if a reference has no value.
        """
        if not _NAME.fullmatch(name):
            raise ConfigurationError(
                f"{self._spec.name}: a container in a cluster cannot have a variable with the name {name!r}",
                where=setting_key(self._spec.name, f"env.{name}"),
                hint="Use printable ASCII characters without =.",
            )
        text_pieces = pieces(text, self._spec, self._cluster, f"env.{name}")
        only_piece = text_pieces[0] if len(text_pieces) == 1 else None
        if only_piece and only_piece.kind == "secret":
            self._values[name] = self._from_secret(name, *self._cluster.secret_key(only_piece.value))
            return
        if only_piece and only_piece.kind == "variable" and ":-" not in only_piece.value:
            self._values[name] = self._from_secret(name, self._cluster.variables, only_piece.value)
            return
        value = ""
        for piece in text_pieces:
            if piece.kind == "secret":
                source = _SECRET + re.sub(r"[^A-Za-z0-9]", "_", piece.value).upper()
                self._sources[source] = self._from_secret(source, *self._cluster.secret_key(piece.value))
                value += f"$({source})"
            elif piece.kind == "variable":
                value += self._variable(piece.value)
            else:
                value += _escaped(piece.value)
        self.set(name, value)

    def set(self, name: str, value: str) -> None:
        """Add a variable with a value in the syntax of Kubernetes."""
        self._values[name] = {"name": name, "value": value}

    def word(self, text: str, field: str) -> str:
        """Return a word of a command line in the syntax of Kubernetes.

        Raises `ConfigurationError` if the word contains a secret.
        """
        text_pieces = pieces(text, self._spec, self._cluster, field)
        value = ""
        for piece in text_pieces:
            if piece.kind == "secret":
                raise misplaced_secret(piece, self._spec, field)
            value += self._variable(piece.value) if piece.kind == "variable" else _escaped(piece.value)
        return value

    def entries(self) -> list[Value]:
        """Return the entries of the container's field `env`, each after the entries to which it refers.

        First are the variables from Secrets to which others refer, by name; then the others in their order.
        """
        sources = [entry for name, entry in sorted(self._sources.items()) if name not in self._values]
        return [*sources, *self._values.values()]

    def _variable(self, reference: str) -> str:
        """Return the value of `${env.NAME}`: the default, or a reference to a variable from a Secret."""
        name, separator, default = reference.partition(":-")
        if separator:
            return _escaped(default)
        source = f"INFRA_ENV_{name}"
        self._sources[source] = self._from_secret(source, self._cluster.variables, name)
        return f"$({source})"

    @staticmethod
    def _from_secret(name: str, secret: str, key: str) -> dict[str, Value]:
        return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def pieces(text: str, spec: ServiceSpec, cluster: Cluster, field: str) -> list[Piece]:
    """Replace the references in a text of a spec; return the pieces: plain text, secrets and variables.

    Raises `ConfigurationError` if a reference has no value, or if Kustomize cannot read a character.
    """
    if match := _UNREADABLE.search(text):
        raise ConfigurationError(
            f"{spec.name}: `{field}` contains the character U+{ord(match[0]):04X}, which Kustomize"
            " cannot read",
            where=setting_key(spec.name, field),
            hint="Remove the character, or read the whole value from an environment variable: ${env.NAME}.",
        )
    return references.pieces(text, spec, cluster.stack, field)


def plain(text: str, spec: ServiceSpec, cluster: Cluster, field: str) -> str:
    """Return a text for a file or a probe, in which Kubernetes replaces no references.

    Raises `ConfigurationError` if the text contains a secret, or a variable without a default.
    """
    value = ""
    for piece in pieces(text, spec, cluster, field):
        if piece.kind == "secret":
            raise misplaced_secret(piece, spec, field)
        value += piece.value if piece.kind == "text" else _default(piece, spec, field)
    return value


def _default(piece: Piece, spec: ServiceSpec, field: str) -> str:
    name, separator, default = piece.value.partition(":-")
    if not separator:
        raise ConfigurationError(
            f"{spec.name}: `{field}` contains ${{env.{name}}}, and Kubernetes replaces variables"
            " only in `env` and in the command",
            where=setting_key(spec.name, field),
            hint=f"Use a default (${{env.{name}:-…}}), or a variable in `env`.",
        )
    return default


def _escaped(text: str) -> str:
    """Return a text with escaped dollar signs, so that Kubernetes replaces no reference in it.

    A dollar sign is escaped only if Kubernetes would interpret it together with the next character or the
    next piece, because podman does not replace `$$` in a command line.
    """
    return _OPERATOR.sub("$$", text)
