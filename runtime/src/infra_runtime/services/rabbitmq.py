"""RabbitMQ with its management plugin; exchanges and queues can be declared as data.

Sources: RabbitMQ documentation, "Configuration", "Definition Export and Import", "Management Plugin", "URI
Specification"; for the container docker-library/rabbitmq, `Dockerfile` and `docker-entrypoint.sh`.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from infra_runtime.amqp.management import Management
from infra_runtime.amqp.topology import Topology, differences
from infra_runtime.binaries import Binary
from infra_runtime.catalogue import Entry, Port, Ports, Seconds, ServiceSettings, Words
from infra_runtime.contributions import Contribution, Contributions, Metrics
from infra_runtime.manifest import KINDS
from infra_runtime.rabbitmq_server import NODE
from infra_runtime.services.operator_settings import OperatorSettings, named
from infra_runtime.spec import (
    Container,
    Exchange,
    Expect,
    LengthPrefix,
    Operator,
    Remove,
    Run,
    Secret,
    Seed,
    Send,
    ServiceSpec,
    StopStep,
    WriteFile,
)

IMAGE = "rabbitmq:4.1.4-management"
_CONTAINER_FOLDER = "/etc/rabbitmq"
USER, VHOST = "infra", "/"
#: the environment variable of the container with the password of the account
_PASSWORD = "INFRA_BROKER_PASSWORD"  # noqa: S105 - the name of a variable
#: the name of the plugin with the HTTP API; the pytest plugin uses this API to create the virtual hosts of
#: tests
MANAGEMENT = "rabbitmq_management"
#: the name of the plugin that offers metrics in the format of Prometheus, and the name of the port for these
#: metrics
PROMETHEUS, METRICS = "rabbitmq_prometheus", "metrics"

_PORTS = KINDS["rabbitmq"].ports


class RabbitmqPorts(Ports):
    amqp: Port = _PORTS["amqp"]
    management: Port = _PORTS["management"]
    metrics: Port = _PORTS["metrics"]


class RabbitmqOperator(OperatorSettings):
    name: Literal["rabbitmq-cluster-operator"]


class RabbitmqSettings(ServiceSettings):
    ports: RabbitmqPorts = RabbitmqPorts()
    start_timeout: Seconds = 60.0
    #: whether the server is stopped with SIGTERM and writes its data; if false, it is stopped with SIGKILL
    durable: bool = True
    #: whether the server offers its metrics in the format of Prometheus; if true, the start takes longer
    metrics: bool = True
    #: the exchanges, queues and bindings that the virtual host `/` and the virtual host of each test have
    topology: Topology = Topology()
    #: further plugins besides the management plugin, such as `rabbitmq_stomp`
    plugins: Words = ()
    #: settings in the format of `rabbitmq.conf`, such as `heartbeat = "30"`
    options: Mapping[str, str] = {}
    #: the operator that runs the service in a cluster of Kubernetes
    operator: Annotated[RabbitmqOperator, BeforeValidator(named)] | None = None


#: Source: AMQP 0-9-1 specification, 4.2.3 "General Frame Format" and `connection.start`
PROTOCOL = Exchange(
    port="amqp",
    steps=(
        Send(text="AMQP\\0\\0\\x09\\x01"),
        Expect(until=LengthPrefix(at=3, extra=8), at=7, prefixes=("\\0\\x0a\\0\\x0a",)),
    ),
)


def rabbitmq(settings: RabbitmqSettings, _: Contributions = ()) -> ServiceSpec:
    """Return the spec of a RabbitMQ server, which imports the topology before it accepts connections."""
    start = ("${bin.python}", "-P", "-m", "infra_runtime.rabbitmq_server")
    plugins = (MANAGEMENT, *((PROMETHEUS,) if settings.metrics else ()), *settings.plugins)
    ports = settings.port_map()
    if not settings.metrics:
        del ports[METRICS]
    config = f"{_CONFIG}{_METRICS if settings.metrics else ''}].\n"
    options = "".join(f"{name} = {value}\n" for name, value in settings.options.items())
    topology = settings.topology.model_dump_json(exclude_unset=True)
    return ServiceSpec(
        name="rabbitmq",
        command=(*start, "${bin.rabbitmq-erlexec}", "${data}", *plugins),
        env=settings.env,
        prepare=(
            Seed(
                into="${data}",
                steps=(Run(command=(*start, "--seed", "${bin.rabbitmq-erlexec}", "${out}", MANAGEMENT)),),
            ),
            Secret(path="${data}/password.secret"),
            Secret(path="${data}/cookie.secret"),
            WriteFile(path="${data}/home/.erlang.cookie", text="${secret.cookie}", mode=0o400),
            WriteFile(path="${data}/advanced.config", text=config, json=True),
            WriteFile(path="${data}/rabbitmq.conf", text=options)
            if options
            else Remove(path="${data}/rabbitmq.conf"),
            WriteFile(
                path="${data}/definitions.json",
                text=json.dumps(_definitions(settings.topology, "${secret.password}")),
                json=True,
            ),
        ),
        ports=ports,
        ready=PROTOCOL,
        exports={
            "url": f"amqp://{USER}:${{secret.password}}@${{host}}:${{port.amqp}}/%2F",
            "host": "${host}",
            "port": "${port.amqp}",
            "user": USER,
            "password": "${secret.password}",
            "vhost": VHOST,
            "management_url": "http://${host}:${port.management}",
            "topology": topology,
            **({"metrics_url": "http://${host}:${port.metrics}/metrics"} if settings.metrics else {}),
        },
        needs=settings.needs,
        start_timeout=settings.start_timeout,
        # After a SIGTERM, the management plugin waits some seconds for open connections.
        stop=(StopStep(seconds=30.0, group=False),)
        if settings.durable
        else (StopStep(signal=signal.SIGKILL, seconds=5.0),),
        restart=settings.restart,
        container=_container(settings, options),
    )


def _container(settings: RabbitmqSettings, options: str) -> Container:
    """Return the container, whose configuration reads the password of the account from a variable.

    A file with definitions cannot refer to a variable, so the account is a default user of the virtual host.
    Source: rabbitmq-server 4.1, `rabbit_db_vhost_defaults.erl`; documentation, "Environment Variable
    Interpolation in rabbitmq.conf".
    """
    definitions = {"vhosts": [{"name": VHOST}], **settings.topology.definitions(VHOST)}
    return Container(
        image=settings.image or IMAGE,
        uid=999,
        # With an entry point, Compose can read the secret from its file before the server starts.
        entrypoint=("docker-entrypoint.sh",),
        command=("rabbitmq-server",),
        env={
            # The name of the node is fixed, because the data of the server belongs to a node name. By
            # default, each container has another node name.
            "RABBITMQ_NODENAME": NODE,
            **settings.env,
            _PASSWORD: "${secret.password}",
        },
        secret_files={f"{_PASSWORD}_FILE": "password"},
        files={
            f"{_CONTAINER_FOLDER}/conf.d/20-infra.conf": _CONTAINER_CONFIG + options,
            f"{_CONTAINER_FOLDER}/definitions.json": json.dumps(definitions),
        },
        data="/var/lib/rabbitmq",
        # The image enables the plugin for metrics.
        ports={"amqp": 5672, "management": 15672, **({METRICS: 15692} if settings.metrics else {})},
        health=("rabbitmq-diagnostics", "-q", "check_port_connectivity"),
        operator=_operator(settings, settings.operator) if settings.operator else None,
    )


def _operator(settings: RabbitmqSettings, table: RabbitmqOperator) -> Operator:
    """Return the settings for the operator; the operator generates the name and the password of the user.

    Source: RabbitMQ documentation, "Using RabbitMQ Cluster Kubernetes Operator".
    """
    lines = "".join(f"{name} = {value}\n" for name, value in settings.options.items())
    fields = {
        **({"image": table.image} if table.image else {}),
        "persistence": {"storage": table.storage},
        "rabbitmq": {"additionalPlugins": settings.plugins, "additionalConfig": lines},
    }
    declared = settings.topology.exchanges or settings.topology.queues
    return Operator(
        name=table.name,
        version="rabbitmq.com/v1beta1",
        kind="RabbitmqCluster",
        fields=json.dumps(fields),
        members="replicas",
        instances=table.instances or 0,
        ready="AllReplicasReady",
        secret="-default-user",  # noqa: S106 - the end of a name
        label="app.kubernetes.io/name",
        labels={"app.kubernetes.io/component": "rabbitmq"},
        manager={"app.kubernetes.io/component": "rabbitmq-operator"},
        ports=(15672, 15671),
        metrics="prometheus",
        exports={
            "url": "amqp://${secret.username}:${secret.password}@${host}:${port.amqp}/%2F",
            "user": "${secret.username}",
            "password": "${secret.password}",
        },
        secrets=("username", "password"),
        problem="the operator does not declare exchanges and queues; remove `topology` for this environment,"
        " and use the Messaging Topology Operator"
        if declared
        else "",
    )


#: The configuration as Erlang terms, because the server needs some tenths of a second to convert the format
#: of `rabbitmq.conf`.
_CONFIG = """\
[{rabbit, [
  {tcp_listeners, [{"${host}", ${port.amqp}}]},
  {load_definitions, "${data}/definitions.json"},
  {log, [{console, [{enabled, true}]}, {file, [{file, false}]}]}]},
 {rabbitmq_management, [{tcp_config, [{ip, "${host}"}, {port, ${port.management}}]}]}"""
_METRICS = """,
 {rabbitmq_prometheus, [{tcp_config, [{ip, "${host}"}, {port, ${port.metrics}}]}]}"""
_CONTAINER_CONFIG = f"""\
load_definitions = {_CONTAINER_FOLDER}/definitions.json
default_users.{USER}.vhost_pattern = ^{VHOST}$
default_users.{USER}.password = $({_PASSWORD})
default_users.{USER}.tags = administrator
"""


def _definitions(topology: Topology, password: str) -> dict[str, Any]:
    """Return the definitions (user, virtual host, topology) that the server creates if they are missing."""
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    return {
        "users": [{"name": USER, "password": password, "tags": "administrator"}],
        "vhosts": [{"name": VHOST}],
        "permissions": [{"user": USER, "vhost": VHOST, **everything}],
        **topology.definitions(VHOST),
    }


def compare(spec: ServiceSpec, exports: Mapping[str, str]) -> Iterable[str]:
    """Return a line for each difference between the topology in the spec and that of the running server."""
    port = int(exports["management_url"].rpartition(":")[2])
    expected = Topology.model_validate_json(spec.exports["topology"]).definitions(VHOST)
    with Management(exports["host"], port, exports["user"], exports["password"]) as management:
        return differences(expected, management.definitions(VHOST), VHOST)


def _contributions(settings: RabbitmqSettings) -> list[Contribution]:
    metrics = Contribution(key="metrics", value=Metrics(port=METRICS, subject="broker"))
    return [metrics] if settings.metrics else []


ENTRY = Entry(
    settings=RabbitmqSettings,
    make=rabbitmq,
    binaries=(Binary(name="rabbitmq-erlexec"),),
    contributions=_contributions,
    defaults={"test": {"durable": False, "metrics": False}},
    protocols={"amqp": PROTOCOL},
    compare=compare,
)
