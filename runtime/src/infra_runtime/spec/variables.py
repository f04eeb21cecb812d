"""Environment variables with default values: a service gets the default only if the user sets no value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from infra_runtime.value import frozen


@frozen
class Default:
    """A variable with its default value, and the conditions under which a service gets it.

    A condition is `NAME` (the user sets this variable) or `NAME=VALUE` (the user sets it to this value).
    """

    name: str
    value: str
    #: if it is not empty, the pairs `KEY=VALUE` between these separators are added to the value of the user,
    #: except those whose keys this value contains
    separator: str = ""
    #: unless it is empty, one of these conditions must be fulfilled
    only_with: tuple[str, ...] = ()
    #: none of these conditions must be fulfilled
    unless: tuple[str, ...] = ()

    def applies(self, given: Mapping[str, str]) -> bool:
        """Return whether the conditions are fulfilled; `given` are the variables that the user sets."""
        if any(_is_fulfilled(condition, given) for condition in self.unless):
            return False
        return not self.only_with or any(_is_fulfilled(condition, given) for condition in self.only_with)


def _is_fulfilled(condition: str, given: Mapping[str, str]) -> bool:
    name, equals, value = condition.partition("=")
    return name in given and (not equals or given[name] == value)


def merged(
    own: Mapping[str, str], defaults: Iterable[Default], inherited: Mapping[str, str]
) -> dict[str, str]:
    """Return the variables of a service: those that it sets itself (`own`), and the defaults that apply.

    The variables in `inherited`, such as the environment of the supervisor, replace defaults, too. The result
    contains only those of them that have a default.
    """
    given = {**inherited, **own}
    result = dict(own)
    for default in defaults:
        name = default.name
        if name in given:
            value = given[name]
            result[name] = _extended(value, default.value, default.separator) if default.separator else value
        elif default.applies(given):
            result.setdefault(name, default.value)
    return result


def _extended(own: str, offered: str, separator: str) -> str:
    """Return the pairs `KEY=VALUE` in `own`, and those pairs in `offered` whose keys are not in `own`."""
    pairs = [pair for pair in own.split(separator) if pair.strip()]
    keys = {pair.partition("=")[0].strip() for pair in pairs}
    further = [pair for pair in offered.split(separator) if pair.partition("=")[0].strip() not in keys]
    return separator.join([*pairs, *further])
