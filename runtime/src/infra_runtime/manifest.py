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
    """The data of one kind that can be read without importing the kind's module."""

    name: str
    summary: str
    #: port name → the port number that the first instance uses by default, except in tests
    ports: Mapping[str, int]
    #: the extra of this distribution that installs the server
    extra: str = ""
    #: environment variable → export, for the variables that client libraries of this kind read
    variables: Mapping[str, str] = field(default_factory=dict)
    #: the names in `protocols` of the kind's entry, for `ready = { NAME = true }` in the stack file
    protocols: tuple[str, ...] = ()
    #: the kind of the server to which a service of this kind connects: to its first instance, unless a
    #: setting contains the name of another service
    target: str = ""
    #: whether the profile `everything` and CI omit the kind, because no extra or recipe installs the server,
    #: or because the recipe builds the server, which takes minutes
    external: bool = False
    #: whether `PROFILES` contain the service in an export only if the stack file has a table for it, because
    #: no container can run the service
    local: bool = False
    #: the name of a setting of the service `target`; if it is true and the programs of this kind are
    #: installed, a service of this kind is added to a plan for this machine
    joins: str = ""

    @property
    def identifier(self) -> str:
        """The name of the kind with underscores instead of hyphens, so that a module can have this name."""
        return self.name.replace("-", "_")

    @property
    def module(self) -> str:
        """The name of the module of the kind; its attribute `ENTRY` is the catalogue's entry of the kind."""
        return f"infra_runtime.services.{self.identifier}"


#: the kinds in the order of the documentation and of `infra runtime list`
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
            name="telemetry",
            summary="a receiver of traces, logs and metrics (OpenTelemetry)",
            ports={"otlp": 4318, "otlp_grpc": 4317, "query": 4319},
            extra="telemetry",
            local=True,
        ),
        Kind(
            name="log-forwarder",
            summary="copies the log lines of the services to a stream of NATS",
            ports={},
            extra="nats",
            target="nats",
            joins="forward_logs",
        ),
        Kind(
            name="kafka",
            summary="a log of events in topics and partitions (Apache Kafka)",
            ports={"client": 9092, "controller": 9094},
            # Source: Apache Kafka documentation, "Docker": the clients of its examples read this variable.
            variables={"KAFKA_BOOTSTRAP_SERVERS": "bootstrap_servers"},
        ),
        Kind(
            name="mongodb",
            summary="documents in collections (MongoDB, or a part of it for tests)",
            ports={"client": 27017},
            # Source: MongoDB documentation, the examples of the drivers read this variable.
            variables={"MONGODB_URI": "url"},
        ),
        Kind(
            name="redis",
            summary="keys, caches, queues (Redis 7.0, a version before the new licence)",
            ports={"client": 6380},
            # The kind `valkey`, which has the same protocol, sets this variable, too.
            variables={"REDIS_URL": "url"},
        ),
        Kind(name="memcached", summary="a cache in memory (memcached)", ports={"client": 11211}),
        Kind(name="mosquitto", summary="a broker for messages of devices (MQTT)", ports={"client": 1883}),
        Kind(
            name="etcd",
            summary="keys and values for configuration and coordination (etcd)",
            ports={"client": 2379},
            # Source: etcd documentation, "etcdctl".
            variables={"ETCDCTL_ENDPOINTS": "url"},
        ),
        Kind(
            name="mariadb",
            summary="the relational database that speaks the protocol of MySQL (MariaDB)",
            ports={"client": 3306},
            protocols=("mysql",),
            # Sources: MariaDB documentation, "MariaDB Environment Variables"; the Twelve-Factor App.
            variables={
                "DATABASE_URL": "url",
                "MYSQL_HOST": "host",
                "MYSQL_TCP_PORT": "port",
                "MYSQL_PWD": "password",
                "MYSQL_UNIX_PORT": "socket",
            },
        ),
        Kind(
            name="pgbouncer",
            summary="a pool of connections to a PostgreSQL server (PgBouncer)",
            ports={"client": 6432},
        ),
        Kind(
            name="s3",
            summary="objects in buckets, with the protocol of S3 (SeaweedFS)",
            ports={
                "client": 8333,
                "client_grpc": 18333,
                "filer": 8334,
                "filer_grpc": 18334,
                "volume": 8335,
                "volume_grpc": 18335,
                "master": 9333,
                "master_grpc": 19333,
            },
            # Source: AWS SDKs and Tools Reference Guide, "Settings reference". `AWS_ENDPOINT_URL`, the
            # variable for all services of AWS, is set only if the server has other services than S3.
            variables={
                "AWS_ENDPOINT_URL_S3": "url",
                "AWS_ENDPOINT_URL": "endpoint_url",
                "AWS_ACCESS_KEY_ID": "access_key",
                "AWS_SECRET_ACCESS_KEY": "secret_key",
                "AWS_DEFAULT_REGION": "region",
                "AWS_REGION": "region",
            },
        ),
        Kind(
            name="nginx",
            summary="a proxy in front of your HTTP services, and a server of files (nginx)",
            ports={"http": 8081},
        ),
        Kind(
            name="traefik",
            summary="a proxy in front of your HTTP services with metrics (Traefik)",
            ports={"http": 8082},
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
            name="nats-exporter",
            summary="metrics of NATS in the format of Prometheus",
            ports={"http": 7777},
            target="nats",
            local=True,
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
        Kind(
            name="rabbitmq",
            summary="a broker with exchanges and queues (RabbitMQ; AMQP 0-9-1)",
            ports={"amqp": 5672, "management": 15672, "metrics": 15692},
            protocols=("amqp",),
            # Source: CloudAMQP documentation, "Getting started with Python": its examples read this variable.
            variables={"CLOUDAMQP_URL": "url"},
        ),
        Kind(
            name="grafana",
            summary="dashboards with the metrics of your services (Grafana)",
            ports={"http": 3000},
            target="prometheus",
            external=True,
        ),
        Kind(
            name="jaeger",
            summary="traces of your services, with an API for queries (Jaeger)",
            ports={
                "query": 16686,
                "otlp": 14318,
                "otlp_grpc": 14317,
                "query_grpc": 16685,
                "health": 13133,
            },
            external=True,
        ),
        Kind(
            name="victorialogs",
            summary="a store of log records with a web interface (VictoriaLogs)",
            ports={"http": 9428},
            external=True,
        ),
        Kind(
            name="victoriametrics",
            summary="a store of metrics with a web interface (VictoriaMetrics)",
            ports={"http": 8428},
            external=True,
        ),
        Kind(
            name="registry",
            summary="a registry of container images and other artefacts (OCI)",
            ports={"http": 5000, "metrics": 5001},
        ),
        Kind(
            name="kubernetes",
            summary="a cluster with a real control plane and simulated pods (Kubernetes)",
            ports={"api": 6443, "kubelet": 10250},
            external=True,
            # Source: Kubernetes documentation, "Organizing Cluster Access Using kubeconfig Files".
            variables={"KUBECONFIG": "kubeconfig"},
        ),
        Kind(
            name="dashboard",
            summary="the web pages of the stack: services, logs, traces, settings",
            ports={"http": 1337},
            extra="web",
        ),
    )
}

#: the values of INFRA_ENV
ENVIRONMENTS = ("development", "test", "staging", "production")
#: the environments with real data, in which other machines can reach the public services
DEPLOYED = frozenset({"staging", "production"})

#: the services of a stack whose stack file contains no services. The list is fixed: a new kind of the
#: manifest does not change existing stacks
DEFAULT_STACK = ("nats", "postgres", "valkey", "caddy", "pocketbase")
#: the kinds whose services are also part of the default stack in development, if their extras are installed.
#: The stack file has a setting with the name of each of these kinds
DEVELOPMENT_KINDS = (KINDS["telemetry"], KINDS["dashboard"])
#: profile → services; a service without a table in the stack file is omitted if its `target` is not part of
#: the stack
PROFILES: Mapping[str, tuple[str, ...]] = {
    "minimal": ("nats", "postgres"),
    "messaging": ("nats", "mosquitto", "kafka", "rabbitmq"),
    "observability": (
        "prometheus",
        "alertmanager",
        "node-exporter",
        "postgres-exporter",
        "redis-exporter",
        "nats-exporter",
        "telemetry",
        "mail",
    ),
}
#: The profiles that depend on the stack file. Both contain the services with a table in the stack file.
#: `full` also contains the default stack; `everything` also contains a service of each kind that is not
#: `external`, but only one proxy.
FULL, EVERYTHING = "full", "everything"
#: the name of the role that proxies provide, of the setting that selects the kind of the proxy, and of the
#: service of this kind
PROXY = "proxy"
#: the kind whose servers can store settings of a stack (the setting `config_service`)
CONFIGURATION_KIND = KINDS["nats"]
#: the kind of the servers that store the log lines of a stack, and the kinds whose log lines are not stored:
#: these services can write a line for each stored line, so the logs would grow without end
LOG_STREAM_KIND, UNSTORED_LOGS = KINDS["nats"], ("nats", "telemetry", "log-forwarder")
#: the kinds that collect, store or show the logs, metrics and traces of the other services
OBSERVING = frozenset(
    {
        *(name for name in PROFILES["observability"] if name != "mail"),
        *(kind.name for kind in DEVELOPMENT_KINDS),
        *("grafana", "jaeger", "log-forwarder", "victorialogs", "victoriametrics"),
    }
)
#: the kind with the web pages of a stack
DASHBOARD = KINDS["dashboard"]
#: the kind of the servers to which a connection pool (`pgbouncer`) can connect
POOLED_KIND = KINDS["postgres"]


@functools.cache
def joined() -> Mapping[str, EntryPoint]:
    """Return a mapping from kind to entry point for the kinds that other installed distributions add."""
    # Imported late: the import and the search take about 20 ms, and most stacks do not need them.
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=GROUP)}
