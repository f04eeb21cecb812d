"""What the plugin knows of a kind of service: one `ServiceKit` for each kind, shipped or third-party.

A kit is data. Functions are named as `"module:name"` and imported when a test needs them, so that the module
that holds a kit costs nothing to import: every run imports the kits of the shipped kinds.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias

# `package` is missing: pytest makes a plugin's fixture of that scope once for the session.
Scope: TypeAlias = Literal["function", "class", "module", "session"]
#: `"package.module:name"`
Target: TypeAlias = str


class KitFixture(NamedTuple):
    """A fixture that every instance of a kind has, such as a client that is connected to the test's unit.

    `{service}` in a text is the name of the instance's fixture, such as `analytics`. It is a tuple, as
    `Parameter` is, because a dataclass takes a millisecond to make, in every run that needs none of it.
    """

    #: `{service}_connection`; a name that begins with `_` is the kit's own
    name: str
    #: the generator function, which yields once: `function(context: FixtureContext, **arguments)`
    function: Target
    #: the first line of its documentation
    summary: str
    #: argument of the function → the fixture whose value it gets
    arguments: Mapping[str, str] = MappingProxyType({"unit": "{service}"})
    scope: Scope = "function"
    #: the function is an asynchronous generator, which runs in the loop of the test
    asynchronous: bool = False


class Parameter(NamedTuple):
    """What a user may give to the units of a service, such as migrations.

    The instance `analytics` has the fixture `infra_analytics_NAME` of scope session for it. The fixture's
    default is the ini value of the same name.
    """

    name: str
    #: `read(value, root: Path, where: str)` returns the hashable value that the units factory gets.
    #: Units with equal values share a pool. `where` is the fixture's name, for errors.
    read: Target
    summary: str


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ServiceKit:
    """How tests get isolation units of a kind of service, and clients that are connected to them."""

    kind: str
    #: ways to isolate, the default first; `off` is always possible besides
    variants: tuple[str, ...]
    #: `units(context: KitContext)` returns the `Units` of one instance in this process
    units: Target
    #: `dump(unit: Unit, folder: Path)` writes what is in a unit for people and returns the files
    dump: Target = ""
    #: client library → the requirement that installs it
    install: Mapping[str, str] = field(default_factory=dict)
    fixtures: tuple[KitFixture, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    #: driver → the URL that it takes, with exports in braces: `{"asyncpg": "postgresql://{user}@{host}"}`
    urls: Mapping[str, str] = field(default_factory=dict)
    #: exports that are shown as `***` wherever the plugin prints or writes something
    secrets: tuple[str, ...] = ("password",)
    #: exports that isolation needs → the message when one is missing and all tests share the service
    isolation_exports: Mapping[str, str] = field(default_factory=dict)
    #: why a failed test's unit cannot outlive the process that has it; empty when it can
    unkeepable: str = ""
    #: `leftover(endpoint)` returns the names of the units in a server that are neither removed nor kept
    leftover: Target = ""
    #: regular expression for the name of a unit, with a group `owner`: the token of the process that made it
    unit_name: str = ""
    #: pytest plugins whose fixtures of the same names are replaced by this kit's
    replaced_plugins: frozenset[str] = frozenset()


def load(target: Target) -> Any:
    """Import what a target names. Raises `ImportError` or `AttributeError`."""
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)
