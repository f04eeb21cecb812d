"""A registry of container images and other artefacts (CNCF Distribution).

Sources: Distribution 2.8 documentation, "Configuring a registry"; for the container
docker-library/official-images, `library/registry`: Alpine, whose Busybox contains `wget`, and the path of the
configuration file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from infra_runtime.binaries import Binary
from infra_runtime.catalogue import Entry, Port, Ports, ServiceSettings
from infra_runtime.contributions import Contribution, Contributions, Metrics
from infra_runtime.manifest import KINDS
from infra_runtime.spec import Container, HttpProbe, Secret, ServiceSpec, WriteFile

IMAGE = "registry:2.8.3"
_FILE = "/etc/docker/registry/config.yml"

_PORTS = KINDS["registry"].ports


class RegistryPorts(Ports):
    http: Port = _PORTS["http"]
    metrics: Port = _PORTS["metrics"]


class RegistrySettings(ServiceSettings):
    ports: RegistryPorts = RegistryPorts()
    #: whether clients can delete manifests and blobs
    delete: bool = True
    #: whether the registry refuses all changes
    read_only: bool = False


def registry(settings: RegistrySettings, _: Contributions = ()) -> ServiceSpec:
    """Return the spec of a registry, which uses neither TLS nor passwords."""
    # JSON is also YAML.
    local = json.dumps(_document(settings, "${data}/registry", {"secret": "${secret.http}"}))
    in_container = json.dumps(_document(settings, "/var/lib/registry", {}))
    return ServiceSpec(
        name="registry",
        command=("${bin.docker-registry}", "serve", "${data}/config.yml"),
        prepare=(
            Secret(path="${data}/http.secret"),
            WriteFile(path="${data}/config.yml", text=local, json=True),
        ),
        env=settings.env,
        ports=settings.port_map(),
        ready=HttpProbe(port="http", path="/v2/", status=(200, 200)),
        exports={
            "url": "http://${host}:${port.http}",
            "address": "${host}:${port.http}",
            "host": "${host}",
            "port": "${port.http}",
        },
        needs=settings.needs,
        start_timeout=settings.start_timeout,
        restart=settings.restart,
        container=Container(
            image=settings.image or IMAGE,
            command=(_FILE,),
            env=settings.env,
            files={_FILE: in_container},
            data="/var/lib/registry",
            ports={"http": 5000, "metrics": 5001},
            health=("wget", "-q", "-O", "/dev/null", "http://127.0.0.1:${port.http}/v2/"),
        ),
    )


def _document(settings: RegistrySettings, folder: str, http: Mapping[str, str]) -> dict[str, Any]:
    return {
        "version": "0.1",
        "log": {"level": "info", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": folder},
            "delete": {"enabled": settings.delete},
            "maintenance": {
                "readonly": {"enabled": settings.read_only},
                # Purging would remove unfinished uploads that are older than a week.
                "uploadpurging": {"enabled": False},
            },
        },
        "http": {
            "addr": "${host}:${port.http}",
            # By default, the URLs in responses contain the host name of the request.
            "relativeurls": True,
            "headers": {"X-Content-Type-Options": ["nosniff"]},
            "debug": {
                "addr": "${host}:${port.metrics}",
                "prometheus": {"enabled": True, "path": "/metrics"},
            },
            **http,
        },
    }


def _contributions(_: RegistrySettings) -> Iterable[Contribution]:
    return [Contribution(key="metrics", value=Metrics(port="metrics", path="/metrics"))]


ENTRY = Entry(
    settings=RegistrySettings,
    make=registry,
    binaries=(Binary(name="docker-registry", aliases=("registry",)),),
    contributions=_contributions,
)
