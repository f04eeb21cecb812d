"""Prometheus, which collects the metrics of the stack's services and evaluates their alerts.

Sources: Prometheus documentation, "Configuration", "Alerting rules", "HTTP API", and the output of
`prometheus --help`; for the container prometheus/prometheus, `Dockerfile`: the entry point is
`/bin/prometheus`, the working directory and the volume are `/prometheus`, and Busybox contains wget.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from infra_runtime.binaries import Binary
from infra_runtime.catalogue import Entry, Port, Ports, Seconds, ServiceSettings, overlaid
from infra_runtime.contributions import Contribution, Contributions, Metrics
from infra_runtime.manifest import KINDS
from infra_runtime.services.alert_rules import Thresholds, alerts, duration
from infra_runtime.services.scrape_jobs import jobs_of
from infra_runtime.spec import Container, HttpProbe, ServiceSpec, WriteFile

IMAGE = "prom/prometheus:v3.5.0"
#: the origins of web pages that may read the metrics; by default, Prometheus allows all origins
ORIGINS = r"https?://(localhost|127\.0\.0\.1)(:\d+)?"
#: the number of scrape intervals after which Prometheus sends an alert that still fires again, whether or not
#: a service has received the alert before
RESEND_INTERVALS = 5
#: the keys of the configuration whose lists in `options` are appended to the lists that this module creates
_LISTS = ("scrape_configs", "rule_files")
_CONTAINER_FOLDER = "/etc/prometheus"

_PORTS = KINDS["prometheus"].ports


class PrometheusPorts(Ports):
    http: Port = _PORTS["http"]


class PrometheusSettings(ServiceSettings):
    ports: PrometheusPorts = PrometheusPorts()
    #: the seconds between two requests for the metrics of a service, and between two evaluations of the
    #: alerts
    scrape_interval: Seconds = 5.0
    #: the age after which samples are deleted
    retention: str = Field("7d", pattern=r"^[1-9][0-9]*(ms|s|m|h|d|w|y)$")
    #: the largest size of all samples, in bytes; if it is exceeded, the oldest samples are deleted
    max_bytes: int = Field(2**30, ge=2**20, le=2**40)
    #: whether Prometheus evaluates the predefined alerts for all services, with the levels in `thresholds`
    alerts: bool = True
    thresholds: Thresholds = Thresholds()
    #: whether programs can send metrics to `remote_write_url`
    remote_write: bool = True
    #: further keys of Prometheus's configuration; tables are merged, and the lists `scrape_configs` and
    #: `rule_files` are appended to the lists that pytest-infra creates
    options: Mapping[str, Any] = {}


def prometheus(settings: PrometheusSettings, contributions: Contributions = ()) -> ServiceSpec:
    """Return the spec of a Prometheus server with a job for each address at which a service has metrics.

    The server does not wait for these services; if a service does not answer, its metric `up` is 0.
    """
    jobs = jobs_of(contributions)
    generated = alerts(jobs, settings.thresholds) if settings.alerts else ()
    rules = _rules([*contributions, *generated])
    files = {"prometheus.yml": _configuration(settings, jobs, contributions)}
    if rules["groups"]:
        files["rules.yml"] = rules
    # JSON is also YAML.
    texts = {name: json.dumps(content, indent=2, ensure_ascii=False) for name, content in files.items()}
    flags = (
        f"--storage.tsdb.retention.time={settings.retention}",
        f"--storage.tsdb.retention.size={settings.max_bytes}B",
        f"--web.cors.origin={ORIGINS}",
        f"--rules.alert.resend-delay={duration(settings.scrape_interval * RESEND_INTERVALS)}",
        *(("--web.enable-remote-write-receiver",) if settings.remote_write else ()),
    )
    push = {"remote_write_url": "http://${host}:${port.http}/api/v1/write"} if settings.remote_write else {}
    return ServiceSpec(
        name="prometheus",
        command=(
            "${bin.prometheus}",
            "--config.file=${data}/prometheus.yml",
            "--storage.tsdb.path=${data}/samples",
            "--web.listen-address=${host}:${port.http}",
            *flags,
        ),
        env=settings.env,
        prepare=tuple(
            WriteFile(path=f"${{data}}/{name}", text=text, json=True) for name, text in texts.items()
        ),
        ports=settings.port_map(),
        ready=HttpProbe(port="http", path="/-/ready", contains="Ready"),
        exports={
            "url": "http://${host}:${port.http}",
            "host": "${host}",
            "port": "${port.http}",
            **push,
            "jobs": ",".join(jobs),
        },
        needs=settings.needs,
        start_timeout=settings.start_timeout,
        restart=settings.restart,
        container=Container(
            image=settings.image or IMAGE,
            uid=65534,
            command=(
                f"--config.file={_CONTAINER_FOLDER}/prometheus.yml",
                "--storage.tsdb.path=/prometheus",
                "--web.listen-address=${host}:${port.http}",
                *flags,
            ),
            env=settings.env,
            files={f"{_CONTAINER_FOLDER}/{name}": text for name, text in texts.items()},
            data="/prometheus",
            ports=dict(_PORTS),
            health=("wget", "-q", "-O", "/dev/null", "http://127.0.0.1:${port.http}/-/ready"),
        ),
    )


def _configuration(
    settings: PrometheusSettings, jobs: Mapping[str, Contribution], contributions: Contributions
) -> dict[str, Any]:
    sinks = [offer.address for offer in contributions if offer.key == "alert-sink"]
    interval = duration(settings.scrape_interval)
    configuration: dict[str, Any] = {
        "global": {
            "scrape_interval": interval,
            "scrape_timeout": duration(min(settings.scrape_interval, 10.0)),
            "evaluation_interval": interval,
        },
        "scrape_configs": [
            {
                "job_name": name,
                "metrics_path": offer.value.path,
                "static_configs": [{"targets": [offer.address]}],
            }
            for name, offer in jobs.items()
        ],
        # The pattern is relative to the folder of the configuration file. A pattern without a matching file
        # is allowed.
        "rule_files": ["rules.y*ml"],
    }
    if sinks:
        configuration["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": sinks}]}]}
    lists = {key: [*configuration[key], *settings.options.get(key, [])] for key in _LISTS}
    return {**overlaid(configuration, settings.options), **lists}


def _rules(contributions: Contributions) -> dict[str, Any]:
    """Return the rule file of Prometheus: one group of rules for each service that offers alerts."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for offer in contributions:
        if offer.key == "alert":
            alert = offer.value
            rule = {
                "alert": alert.name,
                "expr": alert.expression,
                "for": duration(alert.after),
                "labels": {"severity": alert.severity, "service": offer.service},
                "annotations": {"summary": alert.summary} if alert.summary else {},
            }
            groups.setdefault(offer.service, []).append(rule)
    return {"groups": [{"name": service, "rules": rules} for service, rules in groups.items()]}


ENTRY = Entry(
    settings=PrometheusSettings,
    make=prometheus,
    binaries=(Binary(name="prometheus"),),
    consumes=("metrics", "alert", "alert-sink"),
    roles=("metrics-store",),
    contributions=lambda _: [Contribution(key="metrics", value=Metrics(port="http"))],
    defaults={"test": {"scrape_interval": 1.0, "retention": "1h", "max_bytes": 64 * 2**20}},
)
