"""Service kits: a `ServiceKit` describes how the pytest plugin supports a kind of service.

A kit is data: it contains the names of its functions as `"module:name"`; a function is imported when a test
needs it. The module of a kit must be fast to import, because every run imports the kits of pytest-infra.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias

# `package` is missing, because pytest creates a plugin's fixture with this scope only once for the session.
Scope: TypeAlias = Literal["function", "class", "module", "session"]
#: `"package.module:name"`
Target: TypeAlias = str


class KitFixture(NamedTuple):
    """A fixture that pytest-infra creates for every service of a kind, such as a client for the test's unit.

    In the fields, `{service}` is replaced by the name of the service's fixture, such as `analytics`.
    `KitFixture` and `Parameter` are tuples because the definition of a dataclass takes a millisecond in every
    run.
    """

    #: the name, such as `{service}_connection`; a name that begins with `_` is only for other fixtures of the
    #: kit
    name: str
    #: the generator function, which yields once: `function(context: FixtureContext, **arguments)`
    function: Target
    #: the docstring of the fixture
    summary: str
    #: argument of the function → the fixture whose value the argument gets
    arguments: Mapping[str, str] = MappingProxyType({"unit": "{service}"})
    scope: Scope = "function"
    #: whether the function is an asynchronous generator, which runs in the event loop of the test
    asynchronous: bool = False


class Parameter(NamedTuple):
    """The description of a setting that the isolation units of a kind have, such as migrations.

    For an instance called `analytics`, the value of the parameter is the value of the session fixture
    `infra_analytics_NAME`. By default, this fixture returns the ini value of the same name.
    """

    name: str
    #: `read(value, root: Path, where: str)` returns the hashable value that `units` receives. Units with
    #: equal values share a pool. `where` is the name of the fixture, for error messages.
    read: Target
    summary: str


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ServiceKit:
    """The description of how the plugin creates isolation units of a kind, and clients for these units."""

    kind: str
    #: the variants of isolation that the kind supports; the first is the default. `off` is always possible,
    #: too
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
    #: `listen(service, current)` starts a proxy with a fixed address for the unit that `current()` returns,
    #: and returns the exports for `urls`
    fixed_address: Target = ""
    #: the exports that are secret; the plugin replaces them by `***` in its output and its reports, except in
    #: `units.json` for kept units
    secrets: tuple[str, ...] = ("password",)
    #: export that isolation needs → the message for the user if the service lacks the export. All tests then
    #: share the server.
    isolation_exports: Mapping[str, str] = field(default_factory=dict)
    #: variant → what the variant needs on the machine of the server, such as a socket; the variant cannot be
    #: used with a stack in a cluster
    local_needs: Mapping[str, str] = field(default_factory=dict)
    #: For a kind whose units need a unit of another service, as PgBouncer needs a database: the name of the
    #: export that contains the name of this service. The fixture of this service is set up first.
    upstream: str = ""
    #: the reason why the unit of a failed test cannot be kept after its process exits; empty if it can be
    #: kept
    unkeepable: str = ""
    #: `leftover(endpoint)` returns the names of the units in a server; it may include units that are kept
    leftover: Target = ""
    #: regular expression for the name of a unit; its group `owner` is the token of the process that created
    #: the unit
    unit_name: str = ""
    #: `trace_store(endpoint)` returns the `spans.TraceStore` to which the plugin sends the spans of tests;
    #: empty if the kind does not store traces
    trace_store: Target = ""
    #: pytest plugins whose fixtures are replaced by the fixtures of this kit with the same names
    replaced_plugins: frozenset[str] = frozenset()


def load(target: Target) -> Any:
    """Import the object with the name `"module:name"` and return it.

    Raises `ImportError` or `AttributeError` if the module or the object does not exist.
    """
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)
