"""PocketBase: users, records and files behind one HTTP API. Source: its `--help` and its documentation."""

from __future__ import annotations

from infra_runtime.binaries import Binary
from infra_runtime.catalogue import Entry, Port, Ports, ServiceSettings
from infra_runtime.contributions import Contributions
from infra_runtime.manifest import KINDS
from infra_runtime.spec import HttpProbe, Run, Secret, Seed, ServiceSpec

_PORTS = KINDS["pocketbase"].ports


class PocketbasePorts(Ports):
    http: Port = _PORTS["http"]


class PocketbaseSettings(ServiceSettings):
    ports: PocketbasePorts = PocketbasePorts()
    #: the e-mail address of the first superuser; its password is random
    superuser: str = "admin@example.com"
    hooks: str = "${data}/pb_hooks"
    migrations: str = "${data}/pb_migrations"
    public: str = "${data}/pb_public"
    #: write a migration for each change in the admin UI, and reload changed hooks
    watch: bool = True


def pocketbase(settings: PocketbaseSettings, _: Contributions = ()) -> ServiceSpec:
    """Run one server with a prepared superuser; without one PocketBase would open a browser to create it.

    The spec has no container, because the developers publish a Dockerfile but no image.
    """
    upsert = (
        "${bin.pocketbase}",
        "superuser",
        "upsert",
        "--dir=${out}/pb_data",
        "--",
        settings.superuser,
        "${secret.password}",
    )
    watch = "true" if settings.watch else "false"
    return ServiceSpec(
        name="pocketbase",
        command=(
            "${bin.pocketbase}",
            "serve",
            "--http=${host}:${port.http}",
            "--dir=${data}/pb_data",
            f"--hooksDir={settings.hooks}",
            f"--migrationsDir={settings.migrations}",
            f"--publicDir={settings.public}",
            f"--automigrate={watch}",
            f"--hooksWatch={watch}",
        ),
        env=settings.env,
        prepare=(Seed(into="${data}", steps=(Secret(path="${out}/password.secret"), Run(command=upsert))),),
        ports=settings.port_map(),
        ready=HttpProbe(port="http", path="/api/health"),
        exports={
            "url": "http://${host}:${port.http}",
            "admin_url": "http://${host}:${port.http}/_/",
            "superuser_email": settings.superuser,
            "superuser_password": "${secret.password}",
            "host": "${host}",
            "port": "${port.http}",
        },
        needs=settings.needs,
        start_timeout=settings.start_timeout,
        restart=settings.restart,
    )


ENTRY = Entry(
    settings=PocketbaseSettings,
    make=pocketbase,
    binaries=(Binary(name="pocketbase"),),
    defaults={"test": {"watch": False}},
)
