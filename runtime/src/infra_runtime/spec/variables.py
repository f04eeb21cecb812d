"""Environment variables with default values: a service gets the default only if the user sets no value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from infra_runtime.value import frozen


@frozen
class Default:
    """The name of a variable whose value in a preferred source replaces the value in the spec.

    The preferred source is, for example, the environment of the supervisor.
    """

    name: str
    #: If it is not empty, the value is a list of pairs `KEY=VALUE` with this separator. The result then
    #: contains the pairs in the preferred source, and those pairs in the spec whose keys it lacks.
    separator: str = ""
    #: another variable; if the preferred source sets only this other variable, the result lacks `name`
    belongs_to: str = ""


def merged(
    env: Mapping[str, str], defaults: Iterable[Default], preferred: Mapping[str, str]
) -> dict[str, str]:
    """Return `env`; for each variable in `defaults`, a value in `preferred` replaces the value in `env`."""
    result = dict(env)
    for default in defaults:
        name = default.name
        if name not in env:
            continue
        if name in preferred:
            own = preferred[name]
            result[name] = _extended(own, env[name], default.separator) if default.separator else own
        elif default.belongs_to in preferred:
            del result[name]
    return result


def _extended(own: str, offered: str, separator: str) -> str:
    """Return the pairs `KEY=VALUE` in `own`, and those pairs in `offered` whose keys are not in `own`."""
    pairs = [pair for pair in own.split(separator) if pair.strip()]
    keys = {pair.partition("=")[0].strip() for pair in pairs}
    further = [pair for pair in offered.split(separator) if pair.partition("=")[0] not in keys]
    return separator.join([*pairs, *further])
