"""PocketBase: users, records and files behind one HTTP API.

Sources: the output of `pocketbase --help`; PocketBase's documentation, "Extend with JavaScript", event hooks
and `$os.getenv`.
"""

from __future__ import annotations

from infra_runtime.binaries import Binary
from infra_runtime.catalogue import Entry, Port, Ports, ServiceSettings
from infra_runtime.contributions import Contributions
from infra_runtime.manifest import KINDS
from infra_runtime.spec import HttpProbe, Run, Secret, Seed, ServiceSpec, WriteFile

_PORTS = KINDS["pocketbase"].ports
EMAIL, PASSWORD = "INFRA_SUPERUSER", "INFRA_SUPERUSER_PASSWORD"
#: the folder of the hook that creates the superuser; in tests, also the default of the setting `hooks`
SUPERUSER_HOOKS = "${data}/superuser"
#: A hook that creates the superuser if none exists. All stacks share the seed, so the hook first renews the
#: keys that sign login tokens; with SQL, this takes 1 ms instead of 13 ms. The password is random, so a hash
#: with few rounds is as safe as one with many rounds; the setting of the password field is not changed.
HOOK = f"""\
onBootstrap((e) => {{
    e.next()
    if (e.app.countRecords("_superusers") > 0) return
    const renewal = "UPDATE _collections SET options = json_set(options, {{:path}}, {{:key}}) WHERE id={{:i}}"
    for (const collection of e.app.findAllCollections("auth")) {{
        for (const name of [
            "authToken", "passwordResetToken", "emailChangeToken", "verificationToken", "fileToken",
        ]) {{
            const values = {{path: `$.${{name}}.secret`, key: $security.randomString(50), i: collection.id}}
            e.app.db().newQuery(renewal).bind(values).execute()
        }}
    }}
    e.app.reloadCachedCollections()
    const superusers = e.app.findCollectionByNameOrId("_superusers")
    superusers.fields.getByName("password").cost = 4
    const record = new Record(superusers)
    record.setEmail($os.getenv("{EMAIL}"))
    record.setPassword($os.getenv("{PASSWORD}"))
    e.app.save(record)
}})
"""  # noqa: S608 - a program for PocketBase, whose query has parameters


class PocketbasePorts(Ports):
    http: Port = _PORTS["http"]


class PocketbaseSettings(ServiceSettings):
    ports: PocketbasePorts = PocketbasePorts()
    #: the e-mail address of the first superuser; its password is random
    superuser: str = "admin@example.com"
    hooks: str = "${data}/pb_hooks"
    migrations: str = "${data}/pb_migrations"
    public: str = "${data}/pb_public"
    #: whether PocketBase writes a migration for each change in the admin UI, and reloads changed hooks
    watch: bool = True


def pocketbase(settings: PocketbaseSettings, _: Contributions = ()) -> ServiceSpec:
    """Return the spec of a PocketBase server that has a superuser.

    Without a superuser, PocketBase would open a browser when it starts.

    The command `superuser upsert` takes the password as an argument, which all users of the machine can read.
    Therefore, a hook creates the superuser, and the process that runs this hook gets the password in its
    environment. In tests, this process is the server itself if the setting `hooks` is not set. In all other
    cases, a separate process, which takes 60 ms, runs the hook before the server starts, because hooks of the
    user could read the password from the environment of the server.

    The spec has no container, because the developers of PocketBase publish a Dockerfile but no image.
    """
    credentials = {EMAIL: settings.superuser, PASSWORD: "${secret.password}"}
    is_made_by_server = settings.hooks == SUPERUSER_HOOKS
    # Garbage collection is off, because it takes a quarter of the time of this short process.
    superuser = Run(command=_migrate("${data}", hooks=SUPERUSER_HOOKS), env={**credentials, "GOGC": "off"})
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
            # At the start, PocketBase creates one JavaScript interpreter for hooks instead of 15; it creates
            # others when they are needed.
            *(("--hooksPool=1",) if is_made_by_server else ()),
        ),
        env={**(credentials if is_made_by_server else {}), **settings.env},
        prepare=(
            Seed(into="${data}", steps=(Run(command=_migrate("${out}", hooks="${out}/none")),)),
            Secret(path="${data}/password.secret"),
            WriteFile(path=f"{SUPERUSER_HOOKS}/superuser.pb.js", text=HOOK.replace("$", "$$")),
            *(() if is_made_by_server else (superuser,)),
        ),
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


def _migrate(folder: str, *, hooks: str) -> tuple[str, ...]:
    """Return the command that creates or updates the tables of PocketBase's database, and then exits.

    `folder` is the data folder; `hooks` is the folder with the JavaScript hooks that the command runs.
    """
    return (
        "${bin.pocketbase}",
        "migrate",
        "up",
        f"--dir={folder}/pb_data",
        f"--migrationsDir={folder}/none",
        f"--hooksDir={hooks}",
        "--hooksPool=1",
        "--hooksWatch=false",
    )


ENTRY = Entry(
    settings=PocketbaseSettings,
    make=pocketbase,
    binaries=(Binary(name="pocketbase"),),
    # With the default setting, half of the processor time of a start would be garbage collection, because the
    # heap is small.
    defaults={"test": {"hooks": SUPERUSER_HOOKS, "watch": False, "env": {"GOGC": "400"}}},
)
