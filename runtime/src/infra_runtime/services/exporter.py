"""The spec of exporters, programs that offer the metrics of a server or of the machine, and their settings.

Source: Prometheus documentation, "Writing exporters": an exporter requests the values of its target when its
own metrics are requested.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from infra_runtime.catalogue import ServiceSettings
from infra_runtime.contributions import Contribution, Metrics, Subject
from infra_runtime.spec import Container, HttpProbe, ServiceSpec

#: the regular expression for the name of a service in a reference
SERVICE = r"^[a-z][a-z0-9_-]*$"


class ExporterSettings(ServiceSettings):
    """The settings of an exporter whose program has the usual flags of Prometheus exporters."""

    #: further flags of the program, such as `log.level = "debug"`; an empty value is a flag without a value
    options: Mapping[str, str] = {}


def exporter(
    settings: ServiceSettings,
    *,
    program: str,
    arguments: tuple[str, ...],
    env: Mapping[str, str],
    ready: str,
    probe: str = "/metrics",
) -> ServiceSpec:
    """Return the spec of an exporter that listens on its port `http` and has its metrics at `/metrics`.

    `env` contains the address and the password of the target, and the exporter is ready when its answer to a
    request for `probe` contains the text `ready`.
    """
    return ServiceSpec(
        name=program,
        command=(f"${{bin.{program}}}", *arguments),
        env={**env, **settings.env},
        ports=settings.port_map(),
        ready=HttpProbe(port="http", path=probe, contains=ready),
        exports={
            "url": "http://${host}:${port.http}",
            "metrics_url": "http://${host}:${port.http}/metrics",
            "host": "${host}",
            "port": "${port.http}",
        },
        needs=settings.needs,
        start_timeout=settings.start_timeout,
        restart=settings.restart,
    )


def container(
    settings: ExporterSettings, *, image: str, arguments: tuple[str, ...], env: Mapping[str, str]
) -> Container:
    """Return the container of an exporter; the image must contain wget for the health check."""
    return Container(
        image=settings.image or image,
        uid=65534,
        command=arguments,
        env={**env, **settings.env},
        health=("wget", "-q", "-O", "/dev/null", "http://127.0.0.1:${port.http}/metrics"),
    )


def flags(settings: ExporterSettings, own_flags: Mapping[str, str]) -> tuple[str, ...]:
    """Return the arguments of an exporter: `own_flags`, the address to listen on, and its `options`."""
    return as_arguments({**own_flags, "web.listen-address": "${host}:${port.http}", **settings.options})


def as_arguments(flags: Mapping[str, str]) -> tuple[str, ...]:
    """Return the flags as arguments `--name=value`, or `--name` if the value is empty."""
    return tuple(f"--{name}={value}" if value else f"--{name}" for name, value in flags.items())


def contributions(subject: Subject) -> Callable[[ServiceSettings], list[Contribution]]:
    """Return the function `contributions` for an exporter; the function offers metrics about `subject`."""
    offer = Contribution(key="metrics", value=Metrics(port="http", subject=subject))
    return lambda _settings: [offer]
