"""nginx, a proxy in front of the stack's HTTP services and a server of static files.

Sources: nginx documentation, "Core functionality", ngx_http_core_module, ngx_http_proxy_module,
ngx_http_map_module and "WebSocket proxying"; for the container nginxinc/docker-nginx, `mainline/alpine`: its
command is `nginx -g "daemon off;"`, and its workers run as the user `nginx`, who owns `/var/cache/nginx`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence

from pydantic import Field

from infra_runtime.binaries import Binary
from infra_runtime.catalogue import Entry, Port, Ports
from infra_runtime.contributions import Contributions
from infra_runtime.manifest import KINDS
from infra_runtime.services.routes import (
    HEALTH,
    ProxySettings,
    Route,
    all_routes,
    folders,
    host_expression,
    path_expression,
)
from infra_runtime.spec import Container, HttpProbe, ServiceSpec, StopStep, WriteFile

IMAGE = "nginx:1.31.3-alpine"
#: the configuration in the data folder: the main file, the file with the routes for all hosts, and the folder
#: with a file for each further host; nginx reads the files when it starts and after SIGHUP
MAIN, ROUTES, HOSTS = "nginx.conf", "routes.conf", "hosts"
LISTEN = "${host}:${port.http}"
#: the nginx variable whose value is a dollar sign
DOLLAR = "$infra_dollar"
#: the folders of the image: configuration, data
_CONTAINER = ("/etc/nginx", "/var/cache/nginx")
_PORTS = KINDS["nginx"].ports
#: Media type → file name extensions. Without this list, nginx recognises only HTML, GIF and JPEG. Source:
#: nginx, `conf/mime.types`
_TYPES = {
    "application/javascript": "js mjs", "application/json": "json map", "application/pdf": "pdf",
    "application/wasm": "wasm", "application/xml": "xml", "application/zip": "zip", "audio/mpeg": "mp3",
    "font/woff": "woff", "font/woff2": "woff2", "image/avif": "avif", "image/gif": "gif",
    "image/jpeg": "jpeg jpg", "image/png": "png", "image/svg+xml": "svg", "image/webp": "webp",
    "image/x-icon": "ico", "text/css": "css", "text/csv": "csv", "text/html": "html htm",
    "text/markdown": "md", "text/plain": "txt", "video/mp4": "mp4", "video/webm": "webm",
}  # fmt: skip


class NginxPorts(Ports):
    http: Port = _PORTS["http"]


class NginxSettings(ProxySettings):
    ports: NginxPorts = NginxPorts()
    #: the number of processes that answer requests; the container has one
    workers: int = Field(1, ge=1, le=1024)
    #: further directives of the block `http`, such as `client_max_body_size = "1m"`
    options: Mapping[str, str] = {}


def nginx(settings: NginxSettings, contributions: Contributions = ()) -> ServiceSpec:
    """Return the spec of an nginx server with `workers` worker processes (default: 1).

    If root starts nginx, its worker processes run as root, too, because other users cannot read the data
    folder of the service. If another user starts nginx, nginx ignores the directive `user`.
    """
    routes = all_routes(settings, contributions)
    files = {
        f"${{data}}/{name}": text for name, text in _files(settings, routes, "${data}", "${data}").items()
    }
    return ServiceSpec(
        name="nginx",
        command=(
            "${bin.nginx}",
            *("-p", "${data}", "-e", "stderr", "-c", f"${{data}}/{MAIN}"),
            *("-g", f"daemon off; user root; worker_processes {settings.workers};"),
        ),
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
            uid=101,
            writable=("/var/cache/nginx", "/run"),
            replicas=0,
            command=("nginx", "-g", "daemon off;"),
            env=settings.env,
            files={
                f"{_CONTAINER[0]}/{name}": text
                for name, text in _files(settings, routes, *_CONTAINER).items()
            },
            mounts=folders(settings.routes),
            root="/srv",
            ports={"http": 80},
            health=("wget", "-q", "-O", "/dev/null", f"http://127.0.0.1:${{port.http}}{HEALTH}"),
            public=True,
        ),
    )


def _files(
    settings: NginxSettings, routes: Sequence[Route], configuration: str, data_folder: str
) -> dict[str, str]:
    """Return a mapping from file name to content for the files in the folder `configuration`.

    nginx writes its data to the folder `data_folder`.
    """
    named_routes = [(f"route_{number}", route) for number, route in enumerate(routes)]
    hosts = dict.fromkeys(route.host.lower() for route in routes if route.host)
    directives = {
        "server_tokens": "off",
        "access_log": "/dev/stdout",
        "default_type": "application/octet-stream",
        "sendfile": "on",
        "server_names_hash_bucket_size": "256",
        # Requests and responses can have any size and long headers. nginx forwards received bytes at once.
        "client_max_body_size": "0",
        "large_client_header_buffers": "8 64k",
        "proxy_buffer_size": "64k",
        "proxy_buffers": "8 64k",
        "proxy_busy_buffers_size": "128k",
        "proxy_buffering": "off",
        "proxy_request_buffering": "off",
        "proxy_http_version": "1.1",
        "proxy_connect_timeout": "3s",
        "proxy_read_timeout": "1d",
        "proxy_send_timeout": "1d",
        **{
            f"{name}_temp_path": quoted(f"{data_folder}/{name}_temp")
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        },
        **settings.options,
    }
    types = "".join(f"    {name} {endings};\n" for name, endings in _TYPES.items())
    lines = (f"  {name} {value};\n" for name, value in directives.items())
    blocks = (
        f"  types {{\n{types}  }}\n",
        '  map $http_upgrade $infra_connection {\n    default upgrade;\n    "" close;\n  }\n',
        # The directive `return` cannot send a dollar sign in its text.
        f'  geo {DOLLAR} {{\n    default "$";\n  }}\n',
        *(definition(name, route) for name, route in named_routes),
        server("_", f"    include {quoted(f'{configuration}/{ROUTES}')};\n", f"{LISTEN} default_server"),
        *(
            server(host, _locations(item for item in named_routes if _applies(item[1], host)))
            for host in hosts
        ),
        f"  include {quoted(f'{configuration}/{HOSTS}/*.conf')};\n",
    )
    main = (
        f"pid {quoted(f'{data_folder}/nginx.pid')};\nerror_log stderr notice;\n"
        "events {\n  worker_connections 1024;\n}\nhttp {\n"
        f"{''.join((*lines, *blocks))}}}\n"
    )
    return {MAIN: main, ROUTES: _locations(item for item in named_routes if item[1].host is None)}


def _applies(route: Route, host: str) -> bool:
    if route.host is None or route.host.lower() == host:
        return True
    return "*" in route.host and bool(re.search(host_expression(route.host), host, re.IGNORECASE))


def server(host: str, directives: str, listen: str = LISTEN) -> str:
    """Return the block `server` for a host name; a `*` in the host name matches exactly one label."""
    name = f"~{host_expression(host)}" if "*" in host else host
    return f"  server {{\n    listen {listen};\n    server_name {quoted(name)};\n{directives}  }}\n"


def _locations(named_routes: Iterable[tuple[str, Route]]) -> str:
    """Return all blocks `location` of a server; the last block returns the status 404."""
    return "".join((_HEALTH, *(location(name, route) for name, route in named_routes), _NOT_FOUND))


# The log contains the requests of clients only, not the probes of the supervisor.
_HEALTH = f"    location = {HEALTH} {{\n      access_log off;\n      return 200;\n    }}\n"
_NOT_FOUND = (
    "    location / {\n      default_type 'text/plain; charset=utf-8';\n"
    '      return 404 "no route leads from $uri to a service\\n";\n    }\n'
)


def definition(name: str, route: Route) -> str:
    """Return the directives of a route for the block `http`; empty for a route to files.

    nginx keeps the percent-encoding of a path if the configuration does not change the path, or if the new
    path is a variable.
    """
    if route.to is None:
        return ""
    prefix = route.prefix
    rest_pattern = f"~*^{re.escape(prefix)}/?(?<{name}_rest>.*)$" if prefix else ""
    return (
        f"  upstream infra_{name} {{\n    server {route.upstream};\n  }}\n"
        f"  map $request_uri ${name}_uri {{\n    default $request_uri;\n"
        + (f"    {quoted(rest_pattern)} /${name}_rest;\n" if rest_pattern else "")
        + "  }\n"
    )


def location(name: str, route: Route) -> str:
    """Return the blocks `location` of a route; nginx uses the first block that matches the path."""
    return f"    location ~* {quoted(path_expression(route.path))} {{\n{_target(name, route)}"


def _target(name: str, route: Route) -> str:
    if route.files is not None:
        remove = f"      rewrite {quoted(f'(?i)^{re.escape(route.prefix)}/?(.*)$')} /$1 break;\n"
        return (
            f"{remove if route.prefix else ''}      root {quoted(route.folder)};\n"
            "      try_files $uri $uri/index.html =404;\n    }\n"
        )
    failure = quoted(f"502: {route.to} does not answer\n")
    return (
        "      proxy_set_header Host $http_host;\n"
        "      proxy_set_header Upgrade $http_upgrade;\n"
        "      proxy_set_header Connection $infra_connection;\n"
        "      proxy_set_header X-Forwarded-For $remote_addr;\n"
        "      proxy_set_header X-Forwarded-Host $http_host;\n"
        "      proxy_set_header X-Forwarded-Proto $scheme;\n"
        f"      proxy_pass http://infra_{name}${name}_uri;\n"
        f"      error_page 502 504 = @{name}_failed;\n    }}\n"
        f"    location @{name}_failed {{\n      default_type 'text/plain; charset=utf-8';\n"
        f"      return 502 {failure};\n    }}\n"
    )


def quoted(text: str) -> str:
    """Return a string as one quoted word of a configuration file.

    nginx and JSON have the same escapes for quotes, backslashes and line feeds.
    """
    return json.dumps(text, ensure_ascii=False)


ENTRY = Entry(
    settings=NginxSettings,
    make=nginx,
    binaries=(Binary(name="nginx"),),
    consumes=("route",),
    roles=("proxy",),
    defaults={"production": {"ports": {"http": 80}}},
)
