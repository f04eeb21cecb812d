"""Apache Kafka: one server that is broker and controller (KRaft), without ZooKeeper.

Sources: Apache Kafka documentation, "Broker Configs", "KRaft", "Protocol Guide" (ApiVersions); for the
container apache/kafka, "Docker image usage guide"; JEP 514, "Ahead-of-Time Command-Line Ergonomics".
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping

from pydantic import Field

from infra_runtime.binaries import Binary
from infra_runtime.catalogue import Entry, Port, Ports, Seconds, ServiceSettings
from infra_runtime.contributions import Contributions
from infra_runtime.manifest import KINDS
from infra_runtime.spec import (
    Container,
    Exchange,
    Expect,
    LengthPrefix,
    Run,
    Seed,
    Send,
    ServiceSpec,
    StopStep,
    WriteFile,
)
from infra_runtime.spec.probes import escape

IMAGE = "apache/kafka:4.1.1"
_LOGS = "${data}/log"
_FILE = "${data}/server.properties"
#: the folder with the cache of loaded classes; this cache halves the processor time of a start
_CLASSES = "${data}/classes"
#: Kafka writes warnings and errors to the log, and Java writes only errors. A class cache that does not match
#: this Java is not an error: Java then starts without the cache.
_LOGGING = (
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn -Dorg.slf4j.simpleLogger.showDateTime=true "
    "-Xlog:disable -Xlog:all=error:stderr"
)
#: the identifiers of the cluster and of the data folder; each is 16 bytes in base64, and not one of the
#: values that Kafka reserves
_CLUSTER, _FOLDER = "aW5mcmEtbG9jYWwta2Fma2", "aW5mcmEtbG9jYWwtZGlyMQ"

_PORTS = KINDS["kafka"].ports


class KafkaPorts(Ports):
    client: Port = _PORTS["client"]
    #: the port of the controller, to which only the server itself connects
    controller: Port = _PORTS["controller"]


class KafkaSettings(ServiceSettings):
    ports: KafkaPorts = KafkaPorts()
    start_timeout: Seconds = 60.0
    #: whether the server creates an unknown topic when a client uses the topic
    auto_create: bool = True
    #: the number of partitions of a topic if the client does not set the number
    partitions: int = Field(1, ge=1, le=1000)
    #: the maximum size of the Java heap, such as `512m`; it has no effect on the container
    heap: str = Field("256m", pattern=r"^\d+[mg]$")
    #: further properties in the configuration of the server, such as `log.retention.hours = "1"`
    options: Mapping[str, str] = {}


#: A request ApiVersions without a client id, with the correlation id 7. The answer of a ready server contains
#: no error.
READY = Exchange(
    port="client",
    steps=(
        Send(text=escape(struct.pack("!ihhih", 10, 18, 0, 7, -1))),
        Expect(until=LengthPrefix(extra=4), at=4, prefixes=("\\0\\0\\0\\x07\\0\\0",)),
    ),
)


def kafka(settings: KafkaSettings, _: Contributions = ()) -> ServiceSpec:
    """Return the spec of a Kafka server.

    There is one class cache for each pair of a Java version and a Kafka version.
    """
    java = f"-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx{settings.heap}"
    module = "infra_runtime.kafka_training"
    training = ("${bin.python}", "-P", "-m", module, "${bin.kafka-server}", "${out}")
    properties = _properties(settings)
    return ServiceSpec(
        name="kafka",
        command=("${bin.kafka-server}", _FILE),
        env={
            "JDK_JAVA_OPTIONS": f"{java} {_LOGGING} -XX:AOTCache={_CLASSES}/classes.aot",
            **settings.env,
        },
        prepare=(
            Seed(
                into=_CLASSES,
                steps=(
                    WriteFile(path="${out}/log/meta.properties", text=META),
                    WriteFile(path="${out}/training.properties", text=_text(_trained())),
                    Run(command=training, env={"JDK_JAVA_OPTIONS": java}),
                ),
            ),
            WriteFile(path=f"{_LOGS}/meta.properties", text=META),
            WriteFile(path=_FILE, text=_text(properties)),
        ),
        ports=settings.port_map(),
        ready=READY,
        exports={
            "url": "kafka://${host}:${port.client}",
            "bootstrap_servers": "${host}:${port.client}",
            "host": "${host}",
            "port": "${port.client}",
        },
        needs=settings.needs,
        start_timeout=settings.start_timeout,
        stop=(StopStep(seconds=20.0),),
        restart=settings.restart,
        container=Container(
            image=settings.image or IMAGE,
            uid=1000,
            writable=("/opt/kafka/config", "/opt/kafka/logs"),
            # The command of the image; an empty command would remove it.
            command=("/etc/kafka/docker/run",),
            env={**_container(properties), **settings.env},
            data="/var/lib/kafka/data",
            ports={"client": 9092, "controller": 9093},
            health=("sh", "-c", "/opt/kafka/bin/kafka-topics.sh --bootstrap-server localhost:9092 --list"),
        ),
    )


#: the file that the command `kafka-storage.sh format` would write; the command is not used, because it starts
#: Java
META = f"node.id=1\nversion=1\ncluster.id={_CLUSTER}\ndirectory.id={_FOLDER}\n"


def _properties(settings: KafkaSettings) -> dict[str, str]:
    """Return the properties of a cluster with one server: nothing is replicated."""
    return {
        "node.id": "1",
        "process.roles": "broker,controller",
        "listeners": "CLIENT://${host}:${port.client},CONTROLLER://${host}:${port.controller}",
        "advertised.listeners": "CLIENT://${host}:${port.client}",
        "listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "CLIENT",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.voters": "1@${host}:${port.controller}",
        "log.dirs": _LOGS,
        "num.partitions": str(settings.partitions),
        "auto.create.topics.enable": str(settings.auto_create).lower(),
        "default.replication.factor": "1",
        "offsets.topic.num.partitions": "1",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.num.partitions": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        # The server assigns partitions to the first member of a consumer group without waiting for other
        # members.
        "group.initial.rebalance.delay.ms": "0",
        **settings.options,
    }


def _trained() -> dict[str, str]:
    """Return the properties of the server that is started once to record the classes for the class cache.

    `infra_runtime.kafka_training` replaces the words in capital letters.

    The properties do not depend on the settings of the service, so that all servers share one class cache. If
    a server loads further classes because of its settings, it reads them from the installation.
    """
    properties = _properties(KafkaSettings.model_validate({}))
    placeholders = {"host": "127.0.0.1", "port.client": "CLIENT_PORT", "port.controller": "CONTROLLER_PORT"}
    return {
        name: re.sub(r"\$\{([^}]*)\}", lambda match: placeholders.get(match[1], match[0]), value)
        for name, value in {**properties, "log.dirs": "LOG_FOLDER"}.items()
    }


def _text(properties: Mapping[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in properties.items())


def _container(properties: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables of the container for the properties of the server."""
    # Without an advertised address, clients get the name of the container's host, which the network resolves.
    container_properties = {
        "listeners": "CLIENT://:9092,CONTROLLER://:9093",
        "controller.quorum.voters": "1@localhost:9093",
        "log.dirs": "/var/lib/kafka/data",
    }
    unchanged_properties = {
        name: value for name, value in properties.items() if name != "advertised.listeners"
    }
    return {
        f"KAFKA_{name.upper().replace('.', '_')}": value
        for name, value in {**unchanged_properties, **container_properties}.items()
    }


ENTRY = Entry(settings=KafkaSettings, make=kafka, binaries=(Binary(name="kafka-server"),))
