"""A mail server that delivers nothing: it keeps the messages in an inbox with a JSON API and a web page.

Sources: aiosmtpd's documentation; for the container axllent/mailpit, `Dockerfile` (ports, health check), and
Mailpit's documentation, "Runtime options".
"""

from __future__ import annotations

from pydantic import Field

from infra_runtime.binaries import Binary
from infra_runtime.catalogue import Entry, Port, Ports, ServiceSettings
from infra_runtime.contributions import AlertReceiver, Contribution, Contributions
from infra_runtime.manifest import KINDS
from infra_runtime.spec import Container, HttpProbe, ServiceSpec

IMAGE = "axllent/mailpit:v1.31.3"

_PORTS = KINDS["mail"].ports


class MailPorts(Ports):
    smtp: Port = _PORTS["smtp"]
    http: Port = _PORTS["http"]


class MailSettings(ServiceSettings):
    ports: MailPorts = MailPorts()
    #: whether each message is written to the disk before the server confirms the message to the client
    durable: bool = True
    #: the largest number of messages in the inbox, and the largest size of all messages in bytes; the oldest
    #: messages are deleted first
    max_messages: int = Field(1000, ge=1, le=1_000_000)
    max_bytes: int = Field(256 * 2**20, ge=1, le=2**40)
    #: the largest size of a message in bytes; larger messages are refused
    max_message_bytes: int = Field(32 * 2**20, ge=1, le=2**30)


def mail(settings: MailSettings, _: Contributions = ()) -> ServiceSpec:
    """Return the spec of the mail server, which accepts every login and the messages to every address.

    The container runs Mailpit, because this mail server has no image. The JSON API of Mailpit differs
    from the JSON API of this server.
    """
    return ServiceSpec(
        name="mail",
        command=(
            "${bin.aiosmtpd}",
            # With -P, Python does not import files of the working directory, which is the data folder.
            "-P",
            "-m",
            "infra_runtime.inbox",
            "--host=${host}",
            "--smtp-port=${port.smtp}",
            "--http-port=${port.http}",
            "--folder=${data}/messages",
            f"--max-messages={settings.max_messages}",
            f"--max-bytes={settings.max_bytes}",
            f"--max-message-bytes={settings.max_message_bytes}",
            *(("--durable",) if settings.durable else ()),
        ),
        env=settings.env,
        ports=settings.port_map(),
        ready=HttpProbe(port="http", path="/health", contains='"protocol": "smtp"'),
        exports={
            "url": "smtp://${host}:${port.smtp}",
            "host": "${host}",
            "port": "${port.smtp}",
            "inbox_url": "http://${host}:${port.http}",
            "inbox_port": "${port.http}",
        },
        needs=settings.needs,
        start_timeout=settings.start_timeout,
        restart=settings.restart,
        container=Container(
            image=settings.image or IMAGE,
            uid=65532,
            env={
                "MP_DATABASE": "/data/mailpit.db",
                "MP_MAX_MESSAGES": str(settings.max_messages),
                "MP_SMTP_AUTH_ACCEPT_ANY": "true",
                "MP_SMTP_AUTH_ALLOW_INSECURE": "true",
                "MP_DISABLE_VERSION_CHECK": "true",
                **settings.env,
            },
            data="/data",
            ports=dict(_PORTS),
            health=("/mailpit", "readyz"),
        ),
    )


ENTRY = Entry(
    settings=MailSettings,
    make=mail,
    # The interpreter of this environment, which has the library.
    binaries=(Binary(name="aiosmtpd", module="aiosmtpd"),),
    roles=("mail-inbox",),
    contributions=lambda _: [
        Contribution(key="alert-receiver", value=AlertReceiver(protocol="smtp", port="smtp"))
    ],
    defaults={"test": {"durable": False}},
)
