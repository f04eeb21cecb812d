"""The manifest: the table of the kinds that are part of pytest-infra, readable without importing the kinds.

The catalogue, the plugin's fixtures, shell completion, the command `infra runtime exec` and the tests of the
documentation read this table. For the kinds of other distributions, this module has only the entry points.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from infra_runtime.value import frozen

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

#: the entry points by which other distributions add kinds
GROUP = "infra.services"


@frozen
class Kind:
    """The data of a kind that are available before the kind's module is imported."""

    name: str
    summary: str
    #: port name → the port that the first instance uses in development
    ports: Mapping[str, int]
    #: the extra of this distribution that installs the server
    extra: str = ""
    #: environment variable → export, for the variables that client libraries of this kind read
    variables: Mapping[str, str] = field(default_factory=dict)
    #: the names in `protocols` of the kind's entry, for `ready = { NAME = true }` in the stack file
    protocols: tuple[str, ...] = ()
    #: the kind to whose first instance a service of this kind connects, if no setting names another service
    target: str = ""

    @property
    def identifier(self) -> str:
        """The name of the kind as the name of a module; a module's name contains no hyphen."""
        return self.name.replace("-", "_")

    @property
    def module(self) -> str:
        """The name of the module of the kind; its attribute `ENTRY` is the catalogue's entry of the kind."""
        return f"infra_runtime.services.{self.identifier}"


#: in the order in which documentation and `infra runtime list` present them
KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            name="nats",
            summary="messages, streams and key-value buckets (NATS with JetStream)",
            ports={"client": 4222, "monitor": 8222},
            extra="nats",
            protocols=("nats",),
        ),
        Kind(
            name="postgres",
            summary="the relational database (PostgreSQL 15 or later)",
            ports={"client": 5432},
            extra="postgres",
            protocols=("postgres",),
            # Sources: PostgreSQL documentation, libpq, "Environment Variables"; the Twelve-Factor App.
            variables={
                "DATABASE_URL": "url",
                "PGHOST": "host",
                "PGPORT": "port",
                "PGUSER": "user",
                "PGPASSWORD": "password",
                "PGDATABASE": "database",
            },
        ),
        Kind(
            name="valkey",
            summary="keys, caches, queues (Valkey; speaks the Redis protocol)",
            ports={"client": 6379},
            extra="valkey",
            variables={"REDIS_URL": "url"},
            protocols=("resp",),
        ),
        Kind(
            name="caddy",
            summary="the proxy in front of your HTTP services (Caddy)",
            ports={"http": 8080, "https": 8443},
            extra="caddy",
        ),
        Kind(
            name="pocketbase",
            summary="a backend in one file: users, records, files, an admin UI (PocketBase)",
            ports={"http": 8090},
            extra="pocketbase",
        ),
        Kind(
            name="mail",
            summary="an inbox that receives every e-mail of your programs (SMTP)",
            ports={"smtp": 1025, "http": 8025},
            extra="mail",
            # Source: django-environ's documentation, "Supported types", email_url.
            variables={"EMAIL_URL": "url", "SMTP_HOST": "host", "SMTP_PORT": "port"},
        ),
        Kind(
            name="prometheus",
            summary="collects and stores the metrics of your services (Prometheus)",
            ports={"http": 9090},
        ),
        Kind(
            name="postgres-exporter",
            summary="metrics of PostgreSQL in the format of Prometheus",
            ports={"http": 9187},
            target="postgres",
        ),
        Kind(
            name="redis-exporter",
            summary="metrics of Valkey and Redis in the format of Prometheus",
            ports={"http": 9121},
            target="valkey",
        ),
        Kind(
            name="node-exporter",
            summary="metrics of the machine in the format of Prometheus",
            ports={"http": 9100},
        ),
        Kind(
            name="alertmanager",
            summary="groups the alerts of Prometheus and sends them (Alertmanager)",
            ports={"http": 9093},
        ),
    )
}

#: the values of INFRA_ENV
ENVIRONMENTS = ("development", "test", "staging", "production")

#: the services of a stack whose stack file lists none; the list is fixed, so that a new kind changes no stack
DEFAULT_STACK = ("nats", "postgres", "valkey", "caddy", "pocketbase")
#: profile → services, without a service whose `target` is not part of the stack
PROFILES: Mapping[str, tuple[str, ...]] = {
    "minimal": ("nats", "postgres"),
    "messaging": ("nats", "mail"),
    "observability": (
        "prometheus",
        "alertmanager",
        "node-exporter",
        "postgres-exporter",
        "redis-exporter",
    ),
}
#: the profiles that depend on the stack file: the default stack and the services with a table; and a service
#: of each kind, but only one proxy, and the services with a table
FULL, EVERYTHING = "full", "everything"
#: the kind whose servers can store settings of a stack (the setting `config_service`)
CONFIGURATION_KIND = KINDS["nats"]


@functools.cache
def joined() -> Mapping[str, EntryPoint]:
    """Return kind → entry point for the kinds that other installed distributions add."""
    # Imported late: the import and the search take about 20 ms, and most stacks do not need them.
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=GROUP)}
