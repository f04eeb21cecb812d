"""Traefik, a proxy in front of the stack's HTTP services. Traefik reads its routes from files.

Sources: Traefik documentation, "Routing & Load Balancing", "File provider", "Ping", "Metrics", "Retry" and
"Data collection"; for the container traefik/traefik-library-image, `v3.7/alpine`: its entry point starts
Traefik if the first argument is an option, and Busybox has wget.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import field_validator

from infra_runtime.binaries import Binary
from infra_runtime.catalogue import Entry, Port, Ports, overlaid
from infra_runtime.contributions import Contribution, Contributions, Metrics
from infra_runtime.manifest import KINDS
from infra_runtime.services.routes import (
    HEALTH,
    Patience,
    ProxySettings,
    Route,
    all_routes,
    host_expression,
    path_expression,
)
from infra_runtime.spec import Container, HttpProbe, ServiceSpec, StopStep, WriteFile

IMAGE = "traefik:v3.7.15"
METRICS = "/__infra/metrics"
#: the folder of the files with routes, in the data folder; Traefik reads a file again when the file changes
ROUTES = "routes"
_CONTAINER_FOLDER = "/etc/traefik"
#: Traefik tries the router with the greatest priority first
_FIRST, _PAGES = 1000, 1_000_000
#: Seconds between two attempts to connect to a service. Traefik multiplies each pause by 1.5 up to the double
#: of the first pause, and by a random factor from 0.5 to 1.5. Source: Traefik documentation, "Retry".
_PAUSE = 0.05

_PORTS = KINDS["traefik"].ports


class TraefikPorts(Ports):
    http: Port = _PORTS["http"]


class TraefikSettings(ProxySettings):
    ports: TraefikPorts = TraefikPorts()
    #: the seconds for which a request waits for a service that is restarting
    patience: Patience = 2.0
    #: whether the port `http` also has the metrics of Traefik in the format of Prometheus
    metrics: bool = True
    #: further keys of Traefik's static configuration; tables are merged
    options: Mapping[str, Any] = {}

    @field_validator("routes")
    @classmethod
    def _no_files(cls, routes: tuple[Route, ...]) -> tuple[Route, ...]:
        for route in routes:
            if route.files is not None:
                raise ValueError(
                    f"the route for {route.path} serves the folder {route.files!r}, but Traefik has no file "
                    "server: use another proxy, or a service of your own that serves the folder"
                )
        return routes


def traefik(settings: TraefikSettings, contributions: Contributions = ()) -> ServiceSpec:
    """Return the spec of a Traefik proxy without dashboard and API; the proxy sends no data to its vendor."""
    routes = all_routes(settings, contributions)
    dynamic = json.dumps(_dynamic(settings, routes), indent=2)
    # JSON is also YAML, and Traefik reads only files that are called YAML or TOML.
    files = {
        "${data}/traefik.yaml": _static(settings, f"${{data}}/{ROUTES}", watch=True),
        f"${{data}}/{ROUTES}/stack.yaml": dynamic,
    }
    return ServiceSpec(
        name="traefik",
        command=("${bin.traefik}", "--configFile=${data}/traefik.yaml"),
        env=settings.env,
        prepare=tuple(WriteFile(path=path, text=text, json=True) for path, text in files.items()),
        ports=settings.port_map(),
        ready=HttpProbe(port="http", path=HEALTH),
        exports={"url": "http://${host}:${port.http}", "host": "${host}", "port": "${port.http}"},
        needs=settings.needs,
        start_timeout=settings.start_timeout,
        stop=(StopStep(seconds=5.0),),
        restart=settings.restart,
        container=Container(
            image=settings.image or IMAGE,
            uid=65532,
            replicas=0,
            command=(f"--configFile={_CONTAINER_FOLDER}/traefik.yaml",),
            env=settings.env,
            files={
                f"{_CONTAINER_FOLDER}/traefik.yaml": _static(
                    settings, f"{_CONTAINER_FOLDER}/{ROUTES}", watch=False
                ),
                f"{_CONTAINER_FOLDER}/{ROUTES}/stack.yaml": dynamic,
            },
            ports={"http": 80},
            health=("wget", "-q", "-O", "/dev/null", f"http://127.0.0.1:${{port.http}}{HEALTH}"),
            public=True,
        ),
    )


def _static(settings: TraefikSettings, folder: str, *, watch: bool) -> str:
    configuration = {
        "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        "log": {"level": "WARN", "noColor": True},
        "accessLog": {},
        "ping": {"manualRouting": True},
        **({"metrics": {"prometheus": {"manualRouting": True}}} if settings.metrics else {}),
        "entryPoints": {
            "http": {
                "address": "${host}:${port.http}",
                "transport": {
                    "lifeCycle": {"graceTimeOut": "2s"},
                    # The duration of an upload is not limited.
                    "respondingTimeouts": {"readTimeout": "0s"},
                },
            }
        },
        "serversTransport": {"forwardingTimeouts": {"dialTimeout": "3s"}},
        "providers": {
            # With the default of two seconds, a change of the files would have no effect for two seconds
            # after the previous change.
            "providersThrottleDuration": "1ms",
            "file": {"directory": folder, "watch": watch},
        },
    }
    return json.dumps(overlaid(configuration, settings.options), indent=2)


def _dynamic(settings: TraefikSettings, routes: Sequence[Route]) -> dict[str, Any]:
    pages = {"infra-health": _page(HEALTH, "ping@internal")}
    if settings.metrics:
        pages["infra-metrics"] = _page(METRICS, "prometheus@internal")
    return joined(
        {"routers": pages},
        *(
            forwarding(
                f"route-{number}", route, priority=_FIRST + len(routes) - number, patience=settings.patience
            )
            for number, route in enumerate(routes)
        ),
    )


def _page(path: str, service: str) -> dict[str, Any]:
    # The log contains the requests of clients only, not the probes of the supervisor.
    quiet = {"accessLogs": False, "metrics": False, "tracing": False}
    return {"rule": f"Path(`{path}`)", "priority": _PAGES, "service": service, "observability": quiet}


def joined(*fragments: Mapping[str, Any]) -> dict[str, Any]:
    """Return a dynamic configuration with the routers, services and middlewares of all `fragments`."""
    merged: dict[str, Any] = {}
    for fragment in fragments:
        merged = overlaid(merged, fragment)
    return {"http": merged}


def forwarding(name: str, route: Route, *, priority: int, patience: float) -> dict[str, Any]:
    """Return the router, the service and the middlewares of a route, each with the name of the route."""
    middlewares = dict(_middlewares(name, route, patience))
    router = {"rule": _rule(route), "priority": priority, "service": name, "middlewares": list(middlewares)}
    balancer = {
        "servers": [{"url": f"http://{route.upstream}"}],
        # Traefik forwards the received bytes of a response at once.
        "responseForwarding": {"flushInterval": "-1ms"},
    }
    return {
        "routers": {name: router},
        "services": {name: {"loadBalancer": balancer}},
        **({"middlewares": middlewares} if middlewares else {}),
    }


def _middlewares(name: str, route: Route, patience: float) -> Iterator[tuple[str, dict[str, Any]]]:
    if route.prefix:
        yield f"{name}-strip", {"stripPrefixRegex": {"regex": [f"(?i)^{re.escape(route.prefix)}"]}}
    if patience:
        attempts = 1 + math.ceil(patience / (2 * _PAUSE))
        yield f"{name}-retry", {"retry": {"attempts": attempts, "initialInterval": f"{_PAUSE:g}s"}}


def _rule(route: Route) -> str:
    rule = f"PathRegexp(`(?i){path_expression(route.path)}`)"
    if not route.host:
        return rule
    host = (
        f"HostRegexp(`(?i){host_expression(route.host)}`)" if "*" in route.host else f"Host(`{route.host}`)"
    )
    return f"{host} && {rule}"


ENTRY = Entry(
    settings=TraefikSettings,
    make=traefik,
    binaries=(Binary(name="traefik"),),
    contributions=lambda settings: (
        [Contribution(key="metrics", value=Metrics(port="http", path=METRICS))] if settings.metrics else []
    ),
    consumes=("route",),
    roles=("proxy",),
    # In tests, a request to a stopped service returns the error at once. In production, clients of the proxy
    # must not read its metrics.
    defaults={"test": {"patience": 0.0}, "production": {"ports": {"http": 80}, "metrics": False}},
)
