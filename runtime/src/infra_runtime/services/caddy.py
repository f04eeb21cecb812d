"""Caddy, a proxy in front of the stack's HTTP services.

Sources: Caddy documentation, "JSON Config Structure"; caddyserver/certmagic, `maintain.go` (CleanStorage);
for the container caddyserver/caddy-docker, `2.11/alpine/Dockerfile`: no entry point, `/data` and `/config` as
the XDG folders, Busybox's wget.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from infra_runtime.binaries import Binary
from infra_runtime.catalogue import Entry, Port, Ports, ServiceSettings, overlaid
from infra_runtime.contributions import Contributions
from infra_runtime.manifest import KINDS
from infra_runtime.services.routes import HEALTH, Patience, ProxySettings, Route, all_routes, folders
from infra_runtime.spec import Container, HttpProbe, ServiceSpec, WriteFile

IMAGE = "caddy:2.11.4-alpine"
_CONTAINER_FILE = "/etc/caddy/caddy.json"
#: A file with the time of the last removal of unused certificates. Without the file, Caddy removes unused
#: certificates when it starts. Caddy can then remove the folder of a new certificate, too, and creates this
#: certificate again only after a minute.
_LAST_CLEAN = {"tls": {"timestamp": "2100-01-01T00:00:00Z", "instance_id": "infra"}}


_PORTS = KINDS["caddy"].ports


class CaddyPorts(Ports):
    http: Port = _PORTS["http"]
    https: Port = _PORTS["https"]


class CaddySettings(ProxySettings):
    ports: CaddyPorts = CaddyPorts()
    #: whether Caddy also accepts HTTPS; a local authority in the data directory signs the certificates
    https: bool = False
    #: the seconds for which a request waits for a service that is restarting
    patience: Patience = 2.0
    #: further keys of Caddy's JSON; tables are merged
    options: Mapping[str, Any] = {}

    def port_map(self) -> dict[str, int]:
        """Return a mapping from port name to number; without the HTTPS port if `https` is false."""
        return {
            name: port
            for name, port in ServiceSettings.port_map(self).items()
            if self.https or name != "https"
        }


def caddy(settings: CaddySettings, contributions: Contributions = ()) -> ServiceSpec:
    """Return the spec of a Caddy proxy. The proxy's admin API listens on a Unix socket with mode 0600."""
    targets = all_routes(settings, contributions)
    routes = [*(_route(route, settings.patience) for route in targets), _NOT_FOUND]
    server = {
        # HTTP/3 is off, because it would use a UDP port that is not reserved for this stack.
        "protocols": ["h1", "h2"],
        # By default, Caddy 2.11 refuses long headers, such as the cookies of some applications.
        "max_header_bytes": 2**20,
        "automatic_https": {"disable": True},
        "logs": {},
        "errors": {"routes": [*(_failure(route) for route in targets if route.to), _ERROR]},
    }
    health = _health(_THROUGH_HTTPS if settings.https else _OK)
    servers = {"http": {"listen": ["${host}:${port.http}"], "routes": [health, *routes], **server}}
    apps: dict[str, Any] = {"http": {"grace_period": "2s", "servers": servers}}
    exports = {
        "url": "http://${host}:${port.http}",
        "admin_socket": "${run}/admin.sock",
        "host": "${host}",
        "port": "${port.http}",
    }
    if settings.https:
        names = sorted({"localhost", "127.0.0.1", *(route.host for route in targets if route.host)})
        servers["https"] = {
            "listen": ["${host}:${port.https}"],
            "tls_connection_policies": [{"default_sni": "localhost"}],
            "routes": [_health(_OK), *routes],
            **server,
        }
        apps["tls"] = {
            "certificates": {"automate": names},
            "automation": {"policies": [{"issuers": [{"module": "internal"}]}]},
        }
        # The certificate is not added to the machine's trust store: clients use the root certificate's file.
        apps["pki"] = {"certificate_authorities": {"local": {"install_trust": False}}}
        exports["https_url"] = "https://localhost:${port.https}"
        exports["root_certificate"] = "${data}/storage/pki/authorities/local/root.crt"
    configuration = {
        "admin": {"listen": "unix/${run}/admin.sock|0600", "config": {"persist": False}},
        "storage": {"module": "file_system", "root": "${data}/storage"},
        "apps": apps,
    }
    text = json.dumps(overlaid(configuration, settings.options), indent=2)
    files = {"${data}/caddy.json": text}
    if settings.https:
        files["${data}/storage/last_clean.json"] = json.dumps(_LAST_CLEAN)
    return ServiceSpec(
        name="caddy",
        command=("${bin.caddy}", "run", "--config", "${data}/caddy.json"),
        env={"XDG_CONFIG_HOME": "${data}", "XDG_DATA_HOME": "${data}", "HOME": "${data}", **settings.env},
        prepare=tuple(WriteFile(path=path, text=content, json=True) for path, content in files.items()),
        ports=settings.port_map(),
        ready=HttpProbe(port="http", path=HEALTH),
        exports=exports,
        needs=settings.needs,
        start_timeout=settings.start_timeout,
        restart=settings.restart,
        container=Container(
            image=settings.image or IMAGE,
            uid=65532,
            writable=("/config",),
            replicas=0,
            command=("caddy", "run", "--config", _CONTAINER_FILE),
            env=settings.env,
            files={_CONTAINER_FILE: text},
            mounts=folders(settings.routes),
            root="/srv",
            data="/data",
            ports={"http": 80, "https": 443} if settings.https else {"http": 80},
            health=("wget", "-q", "-O", "/dev/null", f"http://127.0.0.1:${{port.http}}{HEALTH}"),
            public=True,
        ),
    )


_OK = {"handler": "static_response", "status_code": 200}
#: the health check uses HTTPS, because Caddy opens the port shortly before it has the certificate
_THROUGH_HTTPS = {
    "handler": "reverse_proxy",
    "upstreams": [{"dial": "${host}:${port.https}"}],
    "transport": {"protocol": "http", "tls": {"insecure_skip_verify": True, "server_name": "localhost"}},
}


def _health(handler: Mapping[str, Any]) -> dict[str, Any]:
    # The log contains the requests of clients only, not the probes of the supervisor.
    handle = [{"handler": "vars", "log_skip": True}, handler]
    return {"match": [{"path": [HEALTH]}], "handle": handle, "terminal": True}


def _text(body: str, **fields: object) -> dict[str, Any]:
    headers = {"Content-Type": ["text/plain; charset=utf-8"]}
    return {"handle": [{"handler": "static_response", "headers": headers, "body": body, **fields}]}


_NOT_FOUND = _text("no route leads from {http.request.uri.path} to a service\n", status_code=404)
_ERROR = _text("{http.error.status_code} {http.error.status_text}: {http.error.message}\n")


def _match(route: Route) -> dict[str, Any]:
    # The pattern `/api/*` of Caddy does not match `/api`, so this path is a second pattern.
    prefix = route.path.removesuffix("/*")
    paths = [prefix, route.path] if route.path.endswith("/*") and prefix else [route.path]
    match: dict[str, Any] = {} if route.path == "/*" else {"path": paths}
    if route.host:
        match["host"] = [route.host]
    return {"match": [match]} if match else {}


def _route(route: Route, patience: float) -> dict[str, Any]:
    handle: list[dict[str, Any]] = []
    if route.prefix:
        handle.append({"handler": "rewrite", "strip_path_prefix": route.prefix})
    if route.files is not None:
        handle.append({"handler": "file_server", "root": route.folder})
    else:
        proxy: dict[str, Any] = {"handler": "reverse_proxy", "upstreams": [{"dial": route.upstream}]}
        if patience:
            proxy["load_balancing"] = {"try_duration": f"{patience:g}s", "try_interval": "50ms"}
        handle.append(proxy)
    return {**_match(route), "handle": handle, "terminal": True}


def _failure(route: Route) -> dict[str, Any]:
    text = _text(f"{{http.error.status_code}}: {route.to} does not answer: {{http.error.message}}\n")
    return {**_match(route), **text, "terminal": True}


ENTRY = Entry(
    settings=CaddySettings,
    make=caddy,
    binaries=(Binary(name="caddy"),),
    consumes=("route",),
    roles=("proxy",),
    # In tests, a request to a stopped service returns the error at once.
    defaults={"test": {"patience": 0.0}, "production": {"ports": {"http": 80, "https": 443}}},
)
