"""The plugin's part of a kind of service: one `ServiceKit` for each kind, shipped or third-party.

A kit is data. It names its functions as `"module:name"`, and they are imported when a test needs them. The
module of a kit must be quick to import, because every run imports the kits of the shipped kinds.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias

# `package` is missing because pytest makes a plugin's fixture of that scope only once for the session.
Scope: TypeAlias = Literal["function", "class", "module", "session"]
#: `"package.module:name"`
Target: TypeAlias = str


class KitFixture(NamedTuple):
    """A fixture that every instance of a kind has, such as a client that is connected to the test's unit.

    `{service}` in a text is the name of the instance's fixture, such as `analytics`. `KitFixture` and
    `Parameter` are tuples because the definition of a dataclass takes a millisecond in every run.
    """

    #: `{service}_connection`; a name that begins with `_` is for other fixtures of the kit only
    name: str
    #: the generator function, which yields once: `function(context: FixtureContext, **arguments)`
    function: Target
    #: the docstring of the fixture
    summary: str
    #: argument of the function → the fixture whose value it gets
    arguments: Mapping[str, str] = MappingProxyType({"unit": "{service}"})
    scope: Scope = "function"
    #: the function is an asynchronous generator, which runs in the loop of the test
    asynchronous: bool = False


class Parameter(NamedTuple):
    """A setting of the units of a service, such as migrations.

    For an instance called `analytics`, its value comes from the session fixture `infra_analytics_NAME`. The
    fixture's default is the ini value of the same name.
    """

    name: str
    #: `read(value, root: Path, where: str)` returns the hashable value that `units` receives.
    #: Units with equal values share a pool. `where` is the fixture's name, for errors.
    read: Target
    summary: str


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ServiceKit:
    """How tests get isolation units of a kind of service, and clients that are connected to them."""

    kind: str
    #: the ways to isolate tests, the default first; `off` is always possible too
    variants: tuple[str, ...]
    #: `units(context: KitContext)` returns the `Units` of one instance in this process
    units: Target
    #: `dump(unit: Unit, folder: Path)` writes the content of a unit as readable text and returns the files
    dump: Target = ""
    #: client library → the requirement that installs it
    install: Mapping[str, str] = field(default_factory=dict)
    fixtures: tuple[KitFixture, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    #: driver → the URL that it requires, with exports in braces: `{"asyncpg": "postgresql://{user}@{host}"}`
    urls: Mapping[str, str] = field(default_factory=dict)
    #: exports that the plugin masks as `***` in everything that it prints or writes
    secrets: tuple[str, ...] = ("password",)
    #: export that isolation needs → the message if it is missing; then all tests share the server
    isolation_exports: Mapping[str, str] = field(default_factory=dict)
    #: why a failed test's unit cannot be kept after its process exits; empty if it can
    unkeepable: str = ""
    #: `leftover(endpoint)` returns the names of the units in a server, without those that were kept
    leftover: Target = ""
    #: regular expression for the name of a unit, with a group `owner`: the token of the process that made it
    unit_name: str = ""
    #: pytest plugins whose fixtures of the same names are replaced by this kit's
    replaced_plugins: frozenset[str] = frozenset()


def load(target: Target) -> Any:
    """Import a target and return it. Raises `ImportError` or `AttributeError`."""
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)
