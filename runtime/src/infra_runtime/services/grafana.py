"""Grafana, which shows the metrics of the stack's services in dashboards.

Sources: Grafana documentation, "Configure Grafana" (variables, `paths`, `auth.anonymous`), "Provision
Grafana", "Health API"; for the container grafana/grafana, `Dockerfile`: Alpine, `/run.sh` starts the server
with its home `/usr/share/grafana`, the data are in `/var/lib/grafana`, and Busybox contains wget.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from infra_runtime.binaries import Binary
from infra_runtime.catalogue import Entry, Port, Ports, Seconds, ServiceSettings
from infra_runtime.contributions import Contributions
from infra_runtime.manifest import KINDS
from infra_runtime.services.exporter import SERVICE
from infra_runtime.services.grafana_dashboards import DATA_SOURCE, rendered
from infra_runtime.services.scrape_jobs import jobs_of
from infra_runtime.spec import Container, HttpProbe, Secret, ServiceSpec, WriteFile

IMAGE = "grafana/grafana:12.1.1"
ADMIN = "admin"
_KIND = KINDS["grafana"]
_CONTAINER_FOLDER = "/etc/grafana/infra"


class GrafanaPorts(Ports):
    http: Port = _KIND.ports["http"]


class GrafanaSettings(ServiceSettings):
    ports: GrafanaPorts = GrafanaPorts()
    start_timeout: Seconds = 60.0
    #: the service whose metrics are shown; it exports `url`
    target: str = Field(_KIND.target, pattern=SERVICE)
    #: the folder that contains Grafana's folders `conf` and `public`; by default, Grafana searches for them
    #: itself, or the script that starts Grafana passes the folder
    home: str = ""
    #: settings of Grafana, by `SECTION.KEY`, such as `"users.default_theme" = "light"`
    options: Mapping[str, str] = {}


def grafana(settings: GrafanaSettings, contributions: Contributions = ()) -> ServiceSpec:
    """Return the spec of a Grafana with the dashboards of the services whose metrics its target stores.

    A client that can connect to the port can read the dashboards; only the user `admin` can change them.
    """
    provisioning = "${data}/provisioning"
    variables = {**_SETTINGS, **settings.options}
    home = (f"--homepath={settings.home}",) if settings.home else ()
    return ServiceSpec(
        name="grafana",
        command=("${bin.grafana}", "server", *home),
        env={
            **_environment(variables),
            **_environment(_paths(provisioning, "${data}/state")),
            "GF_SERVER_HTTP_ADDR": "${host}",
            "GF_SERVER_HTTP_PORT": "${port.http}",
            "GF_SECURITY_ADMIN_PASSWORD": "${secret.password}",
            **settings.env,
        },
        sensitive=("GF_SECURITY_ADMIN_PASSWORD",),
        prepare=(
            Secret(path="${data}/password.secret"),
            *(
                WriteFile(path=path, text=text, json=True)
                for path, text in _files(settings, contributions, provisioning).items()
            ),
        ),
        ports=settings.port_map(),
        ready=HttpProbe(port="http", path="/api/health", contains='"ok"'),
        exports={
            "url": "http://${host}:${port.http}",
            "host": "${host}",
            "port": "${port.http}",
            "user": ADMIN,
            "password": "${secret.password}",
        },
        needs=settings.needs,
        start_timeout=settings.start_timeout,
        restart=settings.restart,
        container=Container(
            image=settings.image or IMAGE,
            env={
                **_environment(variables),
                **_environment(_paths(_CONTAINER_FOLDER, "/var/lib/grafana")),
                "GF_SERVER_HTTP_PORT": "${port.http}",
                **settings.env,
            },
            secret_files={"GF_SECURITY_ADMIN_PASSWORD__FILE": "password"},
            files=_files(settings, contributions, _CONTAINER_FOLDER),
            data="/var/lib/grafana",
            ports=dict(_KIND.ports),
            health=("wget", "-q", "-O", "/dev/null", "http://127.0.0.1:${port.http}/api/health"),
        ),
    )


#: Grafana sends nothing to its vendor, installs no plugins, and writes its log to the standard output.
_SETTINGS = {
    "analytics.reporting_enabled": "false",
    "analytics.check_for_updates": "false",
    "analytics.check_for_plugin_updates": "false",
    "plugins.preinstall_disabled": "true",
    "news.news_feed_enabled": "false",
    "auth.anonymous.enabled": "true",
    "users.allow_sign_up": "false",
    "security.admin_user": ADMIN,
    "log.mode": "console",
    "log.level": "warn",
}


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variable of each setting: `GF_USERS_DEFAULT_THEME` for `users.default_theme`."""
    return {f"GF_{name.replace('.', '_').upper()}": value for name, value in settings.items()}


def _paths(provisioning: str, state: str) -> dict[str, str]:
    return {"paths.provisioning": provisioning, "paths.data": state, "paths.plugins": f"{state}/plugins"}


def _files(settings: GrafanaSettings, contributions: Contributions, folder: str) -> dict[str, str]:
    """Return a mapping from path to content of the files in the provisioning folder.

    The content is JSON, which Grafana reads as YAML.
    """
    source = {
        **DATA_SOURCE,
        "name": settings.target,
        "access": "proxy",
        "url": f"${{{settings.target}.url}}",
        "isDefault": True,
    }
    provider = {"name": "infra", "type": "file", "options": {"path": f"{folder}/dashboards/json"}}
    dashboards = rendered(jobs_of(contributions))
    contents: dict[str, Any] = {
        "datasources/infra.yaml": {"apiVersion": 1, "datasources": [source]},
        "dashboards/infra.yaml": {"apiVersion": 1, "providers": [provider]},
        **{f"dashboards/json/{uid}.json": content for uid, content in dashboards.items()},
    }
    return {f"{folder}/{name}": json.dumps(content, indent=2) for name, content in contents.items()}


ENTRY = Entry(
    settings=GrafanaSettings,
    make=grafana,
    binaries=(Binary(name="grafana"),),
    consumes=("metrics",),
)
