"""Convert texts of a spec to the syntax of Compose files, in which `$` begins a variable."""

from __future__ import annotations

from collections.abc import Iterable

from infra_runtime.engines.references import Piece, misplaced_secret
from infra_runtime.spec import ServiceSpec


def interpolated(parts: Iterable[Piece], spec: ServiceSpec, field: str) -> str:
    """Return the pieces of a text as one value in the syntax of a Compose file.

    Raises `ConfigurationError` for a secret: other users could read it in the file or in the list of
    processes.
    """
    text = ""
    for piece in parts:
        if piece.kind == "secret":
            raise misplaced_secret(piece, spec, field)
        text += _variable(piece.value) if piece.kind == "variable" else piece.value.replace("$", "$$")
    return text


def _variable(name: str) -> str:
    """Return the reference `${env.NAME}` to an environment variable in Compose's syntax.

    Source: Compose Specification, "Interpolation".
    """
    variable, separator, default = name.partition(":-")
    if separator:
        return f"${{{variable}:-{default.replace('$', '$$')}}}"
    return f"${{{variable}:?set this variable in the environment or in the file .env}}"
