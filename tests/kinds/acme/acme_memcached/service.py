"""The catalogue's entry of the kind. Source: memcached(1); memcached, "protocol.txt"."""

from infra_runtime.binaries import Binary
from infra_runtime.catalogue import Entry, Port, Ports, ServiceSettings
from infra_runtime.contributions import Contributions
from infra_runtime.spec import Exchange, Expect, Send, ServiceSpec


class MemcachedPorts(Ports):
    client: Port = 11311


class MemcachedSettings(ServiceSettings):
    ports: MemcachedPorts = MemcachedPorts()


def memcached(settings: MemcachedSettings, _contributions: Contributions) -> ServiceSpec:
    """One server whose items survive a restart."""
    return ServiceSpec(
        name="acme-memcached",
        command=(
            "${bin.acme-memcached}",
            "-l",
            "${host}",
            "-p",
            "${port.client}",
            "-e",
            "${data}/journal",
        ),
        env=settings.env,
        ports=settings.port_map(),
        ready=Exchange(
            port="client",
            steps=(
                Send(text="version\\r\\n"),
                Expect(prefixes=("VERSION ",), not_yet={"SERVER_ERROR loading": "loads its journal"}),
            ),
        ),
        exports={"url": "memcached://${host}:${port.client}", "host": "${host}", "port": "${port.client}"},
        needs=settings.needs,
        start_timeout=settings.start_timeout,
        restart=settings.restart,
    )


ENTRY = Entry(
    name="acme-memcached",
    summary="a cache of small values (memcached)",
    settings=MemcachedSettings,
    make=memcached,
    binaries=(Binary(name="acme-memcached", wheel=("acme_memcached", "bin")),),
)
