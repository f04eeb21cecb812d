"""Default values of environment variables: a value that the user sets replaces or extends the default."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from infra_runtime.value import frozen


@frozen
class Default:
    """The default value of a variable, and the conditions under which the default applies.

    The condition `NAME` is true if the user sets this variable; `NAME=VALUE` is true if the user sets it to
    VALUE.
    """

    name: str
    value: str
    #: the separator of pairs `KEY=VALUE` in the value. If it is not empty, the pairs are appended to the
    #: value that the user sets, except pairs whose keys the user's value already contains
    separator: str = ""
    #: the default applies only if one of these conditions is true; empty: without this restriction
    only_with: tuple[str, ...] = ()
    #: the default does not apply if one of these conditions is true
    unless: tuple[str, ...] = ()

    def applies(self, user_variables: Mapping[str, str]) -> bool:
        """Return whether the default applies; `user_variables` are the variables that the user sets."""
        if any(_is_fulfilled(condition, user_variables) for condition in self.unless):
            return False
        return not self.only_with or any(
            _is_fulfilled(condition, user_variables) for condition in self.only_with
        )


def _is_fulfilled(condition: str, user_variables: Mapping[str, str]) -> bool:
    name, equals, value = condition.partition("=")
    return name in user_variables and (not equals or user_variables[name] == value)


def merged(
    own: Mapping[str, str], defaults: Iterable[Default], inherited: Mapping[str, str]
) -> dict[str, str]:
    """Return the variables of a service: the variables of its spec (`own`), and the defaults that apply.

    If a variable with a default is in `inherited`, such as the environment of the supervisor, its value there
    replaces the default; if the default has a separator, its pairs are appended to this value.
    """
    user_variables = {**inherited, **own}
    service_variables = dict(own)
    for default in defaults:
        name = default.name
        if name in user_variables:
            value = user_variables[name]
            service_variables[name] = (
                _extended(value, default.value, default.separator) if default.separator else value
            )
        elif default.applies(user_variables):
            service_variables.setdefault(name, default.value)
    return service_variables


def _extended(user_value: str, default_value: str, separator: str) -> str:
    """Return the user's pairs, and those pairs of the default value whose keys no pair of the user has."""
    pairs = [pair for pair in user_value.split(separator) if pair.strip()]
    keys = {pair.partition("=")[0].strip() for pair in pairs}
    added_pairs = [
        pair for pair in default_value.split(separator) if pair.partition("=")[0].strip() not in keys
    ]
    return separator.join([*pairs, *added_pairs])
