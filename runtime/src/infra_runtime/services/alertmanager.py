"""Alertmanager, which groups the alerts of the stack, such as those of a metrics store, and sends them.

Sources: Alertmanager documentation, "Configuration", "Clients", and the output of `alertmanager --help`; for
the container prometheus/alertmanager, `Dockerfile`: `/bin/alertmanager` is the entry point, `/alertmanager`
the volume, and Busybox contains wget.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from infra_runtime.binaries import Binary
from infra_runtime.catalogue import Entry, Port, Ports, Seconds, ServiceSettings, overlaid
from infra_runtime.contributions import AlertReceiver, AlertSink, Contribution, Contributions, Metrics
from infra_runtime.manifest import KINDS
from infra_runtime.services.alert_rules import duration
from infra_runtime.spec import Container, HttpProbe, ServiceSpec, WriteFile

IMAGE = "prom/alertmanager:v0.28.1"
#: the names of two receivers: one sends alerts to the services of the stack, the other sends nothing
STACK_RECEIVER, NO_RECEIVER = "stack", "none"
_FILE, _CONTAINER_FILE = "${data}/alertmanager.yml", "/etc/alertmanager/alertmanager.yml"
_ADDRESS = r"^[^@\s]+@[^@\s]+$"
_FLAGS = (
    # Without an address, the server runs alone and does not listen on the port 9094 of a cluster.
    "--cluster.listen-address=",
    # Silences are written to the disk at this interval, and when the server exits.
    "--data.maintenance-interval=1m",
)

_PORTS = KINDS["alertmanager"].ports


class AlertmanagerPorts(Ports):
    http: Port = _PORTS["http"]


class AlertmanagerSettings(ServiceSettings):
    ports: AlertmanagerPorts = AlertmanagerPorts()
    #: seconds for which the first alert of a group waits for further alerts before a message is sent
    group_wait: float = Field(5.0, ge=0, le=86400)
    #: the seconds between two messages about a group, if its alerts have changed
    group_interval: Seconds = 60.0
    #: the recipient and the sender of the mails to the inbox of the stack
    mail_to: str = Field("alerts@example.test", pattern=_ADDRESS)
    mail_from: str = Field("alertmanager@example.test", pattern=_ADDRESS)
    #: further keys of Alertmanager's configuration, such as `route` and `receivers`; tables are merged
    options: Mapping[str, Any] = {}


def alertmanager(settings: AlertmanagerSettings, contributions: Contributions = ()) -> ServiceSpec:
    """Return the spec of an Alertmanager that is not part of a cluster.

    The Alertmanager sends alerts to those services of the stack that receive alerts. It does not wait for the
    start of these services: it sends a notification again until a service accepts the notification.
    """
    receiver = _receiver(settings, contributions)
    configuration: dict[str, Any] = {
        "route": {
            "receiver": receiver["name"],
            "group_by": ["service", "alertname"],
            "group_wait": duration(settings.group_wait),
            "group_interval": duration(settings.group_interval),
        },
        "receivers": [receiver],
        # While a critical alert fires, Alertmanager does not send the warning about the same value.
        "inhibit_rules": [
            {
                "source_matchers": ['severity="critical"'],
                "target_matchers": ['severity="warning"'],
                "equal": ["alertname", "service"],
            }
        ],
    }
    # JSON is also YAML.
    text = json.dumps(overlaid(configuration, settings.options), indent=2, ensure_ascii=False)
    return ServiceSpec(
        name="alertmanager",
        command=(
            "${bin.prometheus-alertmanager}",
            f"--config.file={_FILE}",
            "--storage.path=${data}/state",
            "--web.listen-address=${host}:${port.http}",
            *_FLAGS,
        ),
        env=settings.env,
        prepare=(WriteFile(path=_FILE, text=text, json=True),),
        ports=settings.port_map(),
        ready=HttpProbe(port="http", path="/-/ready", contains="OK"),
        exports={"url": "http://${host}:${port.http}", "host": "${host}", "port": "${port.http}"},
        needs=settings.needs,
        start_timeout=settings.start_timeout,
        restart=settings.restart,
        container=Container(
            image=settings.image or IMAGE,
            uid=65534,
            command=(
                f"--config.file={_CONTAINER_FILE}",
                "--storage.path=/alertmanager",
                "--web.listen-address=${host}:${port.http}",
                *_FLAGS,
            ),
            env=settings.env,
            files={_CONTAINER_FILE: text},
            data="/alertmanager",
            ports=dict(_PORTS),
            health=("wget", "-q", "-O", "/dev/null", "http://127.0.0.1:${port.http}/-/ready"),
        ),
    )


def _receiver(settings: AlertmanagerSettings, contributions: Contributions) -> dict[str, Any]:
    """Return the receiver with a configuration for each service that receives alerts; it can have none."""
    receiver: dict[str, Any] = {"name": NO_RECEIVER}
    for offer in contributions:
        if isinstance(offer.value, AlertReceiver):
            receiver["name"] = STACK_RECEIVER
            if offer.value.protocol == "webhook":
                webhook: dict[str, Any] = {"url": f"http://{offer.address}{offer.value.path}"}
                if offer.value.key:
                    credentials = f"${{{offer.service}.{offer.value.key}?}}"
                    webhook["http_config"] = {"authorization": {"credentials": credentials}}
                receiver.setdefault("webhook_configs", []).append(webhook)
            else:
                mail = {
                    "to": settings.mail_to,
                    "from": settings.mail_from,
                    "smarthost": offer.address,
                    "require_tls": False,
                    "send_resolved": True,
                }
                receiver.setdefault("email_configs", []).append(mail)
    return receiver


def _contributions(_settings: AlertmanagerSettings) -> list[Contribution]:
    return [
        Contribution(key="alert-sink", value=AlertSink(port="http")),
        Contribution(key="metrics", value=Metrics(port="http")),
    ]


ENTRY = Entry(
    settings=AlertmanagerSettings,
    make=alertmanager,
    binaries=(Binary(name="prometheus-alertmanager", aliases=("alertmanager",)),),
    consumes=("alert-receiver",),
    roles=("alert-sink",),
    contributions=_contributions,
    defaults={"test": {"group_wait": 0.0, "group_interval": 1.0}},
)
