"""The log forwarder, which copies the log lines of the services to a stream of NATS.

Source: NATS documentation, "JetStream", for the limits of a stream.
"""

from __future__ import annotations

from pydantic import Field

from infra_runtime.binaries import Binary
from infra_runtime.catalogue import Entry, Ports, ServiceSettings, Words
from infra_runtime.contributions import Contributions
from infra_runtime.manifest import KINDS, UNSTORED_LOGS
from infra_runtime.spec import Container, ServiceSpec

#: the name of the stream; its messages have the subjects `logs.SERVICE`
STREAM = "LOGS"


class LogForwarderSettings(ServiceSettings):
    ports: Ports = Ports()
    #: the name of the NATS service that has the stream
    target: str = Field(KINDS["log-forwarder"].target, pattern=r"^[a-z][a-z0-9_-]*$")
    #: the services whose lines are not forwarded; lines of NATS, of the telemetry service and of the
    #: forwarder are never forwarded
    exclude: Words = ()
    #: the days after which the stream removes a line, and the maximum size of the stream in bytes; these two
    #: values have an effect only when the stream is created
    days: float = Field(30.0, gt=0, le=3650)
    max_bytes: int = Field(2**30, ge=2**20, le=2**40)


def log_forwarder(settings: LogForwarderSettings, _: Contributions = ()) -> ServiceSpec:
    """Return the spec of the forwarder.

    The spec has no probe, because the forwarder itself tries again until NATS answers.
    """
    excluded = dict.fromkeys((settings.target, "${stack.service}", *UNSTORED_LOGS, *settings.exclude))
    return ServiceSpec(
        name="log-forwarder",
        command=(
            "${bin.nats-py}",
            # With -P, Python does not import files of the working directory, which is the data folder.
            "-P",
            "-m",
            "infra_runtime.logs",
            "--folder=${stack.logs}",
            *(f"--exclude={service}" for service in excluded),
            f"--max-age={settings.days * 86400:.0f}",
            f"--max-bytes={settings.max_bytes}",
        ),
        # The address contains the password, so it is not an argument.
        env={"INFRA_LOG_STREAM": f"${{{settings.target}.url}}", **settings.env},
        ports=settings.port_map(),
        # The exports contain the address of NATS, because NATS stores the stream.
        exports={
            **{name: f"${{{settings.target}.{name}}}" for name in ("url", "host", "port")},
            "stream": STREAM,
        },
        needs=settings.needs,
        start_timeout=settings.start_timeout,
        restart=settings.restart,
        container=Container(
            image=settings.image or "",
            problem="the log forwarder has no image; the container engine stores the logs of containers",
        ),
    )


ENTRY = Entry(
    settings=LogForwarderSettings,
    make=log_forwarder,
    # The interpreter of this environment, which has the library.
    binaries=(Binary(name="nats-py", module="nats.aio"),),
)
