from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from fakes import seccomp
from fakes.engine import options, spec_of
from fakes.stacks import alive, journal_events, until
from fakes.suite import free_port
from infra_runtime.binaries import launch, store
from infra_runtime.data_directory.paths import Paths
from infra_runtime.errors import StartError
from infra_runtime.host import file_lock, shared_memory
from infra_runtime.host.privileges import INNER_UID, other_user, user_namespaces_work
from infra_runtime.services.postgres import PROTOCOL
from infra_runtime.spec import RequireFile, Run, Seed
from kinds.resources import supervisor

psycopg = pytest.importorskip("psycopg", reason="the minimal profile has no clients")

#: keeps the shared memory of initdb's servers in the folder of the cluster
MAPPED = "--set=dynamic_shared_memory_type=mmap"


def initdb(**settings: object) -> tuple[str, ...]:
    (seed,) = (step for step in spec_of("postgres", **settings).prepare if isinstance(step, Seed))
    (run,) = (step for step in seed.steps if isinstance(step, Run))
    return run.command


def test_a_durable_cluster_keeps_the_safe_defaults() -> None:
    assert not {"fsync", "full_page_writes"} & options(spec_of("postgres")).keys()


def test_a_cluster_that_is_not_durable_does_not_wait_for_the_disk() -> None:
    parameters = options(spec_of("postgres", durable=False))

    assert (parameters["fsync"], parameters["full_page_writes"]) == ("off", "off")


def test_options_replace_the_default_parameters() -> None:
    parameters = options(spec_of("postgres", durable=False, options={"fsync": "on", "wal_level": "logical"}))

    assert (parameters["fsync"], parameters["wal_level"]) == ("on", "logical")


def test_only_a_durable_cluster_stops_with_a_checkpoint() -> None:
    assert [step.signal for step in spec_of("postgres").stop] == [signal.SIGINT, signal.SIGQUIT]
    assert [step.signal for step in spec_of("postgres", durable=False).stop] == [signal.SIGQUIT]


def test_the_password_is_in_no_argument_and_set_by_the_probe() -> None:
    spec = spec_of("postgres")

    assert "${secret.password}" not in " ".join((*initdb(), *spec.command))
    assert spec.ready == replace(PROTOCOL, password="${secret.password}", socket="${run}", iterations=4096)


def test_the_password_is_set_through_the_socket_that_the_options_name() -> None:
    assert spec_of("postgres", options={"unix_socket_directories": "/a, /b"}).ready.socket == "/a"


def test_tcp_connections_need_the_password() -> None:
    assert "--auth-host=scram-sha-256" in initdb()


@pytest.mark.parametrize(
    ("version", "present", "absent"),
    [
        (15, {"--no-locale"}, {"--locale-provider=builtin", "--set=scram_iterations=1", MAPPED}),
        (16, {"--no-locale", "--set=scram_iterations=1", MAPPED}, {"--no-data-checksums"}),
        (17, {"--locale-provider=builtin", "--builtin-locale=C.UTF-8"}, {"--no-data-checksums"}),
        (18, {"--builtin-locale=C.UTF-8", "--no-data-checksums"}, set()),
    ],
)
def test_initdb_has_the_options_of_its_version(version: int, present: set[str], absent: set[str]) -> None:
    command = set(initdb(version=version, durable=False))

    assert present <= command
    assert not absent & command


def test_other_locales_are_those_of_the_system() -> None:
    assert "--locale=de_DE.UTF-8" in initdb(locale="de_DE.UTF-8")


def test_a_cluster_needs_an_executable_of_its_version() -> None:
    (step,) = (step for step in spec_of("postgres", version=17).prepare if isinstance(step, RequireFile))

    assert (step.path, step.text) == ("${data}/cluster/PG_VERSION", "17")


def test_extensions_are_created_in_the_seed_and_in_a_cluster_that_exists() -> None:
    spec = spec_of("postgres", extensions="vector, cube", options={"shared_preload_libraries": "x"})
    (seed,) = (step for step in spec.prepare if isinstance(step, Seed))

    for step, folder in ((seed.steps[-1], "${out}"), (spec.prepare[-1], "${data}")):
        assert isinstance(step, Run)
        assert {f"{folder}/extensions", f"{folder}/cluster", "vector\ncube"} <= set(step.command)
        assert "shared_preload_libraries=x" in step.command
    assert not [step for step in spec_of("postgres").prepare if isinstance(step, Run)]


@pytest.mark.parametrize("name", ["a b", 'a"b', "a;b", "$(a)"])
def test_an_extension_with_an_impossible_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not the name of an extension"):
        spec_of("postgres", extensions=[name])


def test_the_container_creates_the_extensions_that_its_image_has() -> None:
    official, own = (
        spec_of("postgres", extensions=["cube"]),
        spec_of("postgres", extensions=["vector"], image="x"),
    )
    impossible = spec_of("postgres", extensions=["vector"])

    assert official.container is not None
    assert own.container is not None
    assert impossible.container is not None
    (script,) = official.container.files.values()
    assert script.splitlines() == [
        "\\connect template1",
        'create extension if not exists "cube" cascade;',
        "\\connect postgres",
        'create extension if not exists "cube" cascade;',
    ]
    assert (official.container.problem, own.container.problem) == ("", "")
    assert "does not have the extension 'vector'" in impossible.container.problem


@pytest.mark.parametrize(
    ("version", "data"),
    [(15, "/var/lib/postgresql/data"), (17, "/var/lib/postgresql/data"), (18, "/var/lib/postgresql")],
)
def test_the_image_has_the_version_of_the_setting(version: int, data: str) -> None:
    container = spec_of("postgres", version=version).container
    with_postgis = spec_of("postgres", version=version, extensions=["postgis"]).container

    assert container is not None
    assert with_postgis is not None
    assert container.image.startswith(f"postgres:{version}.")
    assert container.data == data
    assert f"`postgis/postgis:{version}-" in with_postgis.problem


@pytest.mark.real("postgres")
def test_a_real_cluster_that_exists_gets_new_extensions(run) -> None:
    arguments = {"environment": "development", "port": free_port()}
    with run("postgres", **arguments) as stack, psycopg.connect(stack.postgres.url) as connection:
        connection.execute("create table pets as select 'Ada' as name")

    with run("postgres", extensions=["earthdistance"], **arguments) as stack:
        with psycopg.connect(stack.postgres.url, autocommit=True) as connection:
            connection.execute("create database shop")
            assert connection.execute("select name from pets").fetchall() == [("Ada",)]
        for database in ("postgres", "shop"):
            url = stack.postgres.url.rpartition("/")[0] + f"/{database}"
            with psycopg.connect(url) as connection:
                query = "select extname from pg_extension order by 1"
                names = [name for (name,) in connection.execute(query).fetchall()]
            assert names == ["cube", "earthdistance", "plpgsql"]


@pytest.mark.real("postgres")
def test_an_extension_that_a_real_server_does_not_have_is_an_error_with_a_hint(run) -> None:
    with pytest.raises(StartError) as error:
        run("postgres", extensions=["cube", "missing"])

    assert 'extension "missing" is not available' in str(error.value)
    assert "set `binary` in the table `[services.postgres]`" in str(error.value)


@pytest.mark.real("postgres")
def test_a_real_cluster_answers_over_tcp_with_the_password_and_over_the_socket(run) -> None:
    stack = run("postgres")

    for url in (stack.postgres.url, stack.postgres.socket_url):
        with psycopg.connect(url) as connection:
            assert connection.execute("select current_user").fetchone() == ("postgres",)


@pytest.mark.real("postgres")
def test_a_real_cluster_refuses_a_wrong_password(run) -> None:
    endpoint = run("postgres").postgres

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(endpoint.url.replace(endpoint.password, "guess"))


@pytest.mark.real("postgres")
def test_real_clusters_of_one_seed_have_different_passwords(run) -> None:
    passwords = []
    for name in ("one", "two"):
        with run("postgres", folder=name) as stack:
            with psycopg.connect(stack.postgres.url) as connection:
                (stored,) = connection.execute("select rolpassword from pg_authid where oid = 10").fetchone()
            passwords += [stack.postgres.password, stored]

    assert len(set(passwords)) == 4


@pytest.mark.real("postgres")
@pytest.mark.parametrize("durable", [True, False])
def test_a_password_that_the_user_set_stays_after_a_restart(run, durable: bool) -> None:
    stack = run("postgres", durable=durable)
    with psycopg.connect(stack.postgres.url) as connection:
        connection.execute("alter role postgres password 'chosen by the user'")

    stack.restart("postgres")

    own = stack.postgres.url.replace(stack.postgres.password, "chosen%20by%20the%20user")
    with psycopg.connect(own) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


@pytest.mark.real("postgres")
def test_the_log_of_a_real_cluster_has_neither_password_nor_keys(run, tmp_path: Path) -> None:
    stack = run("postgres", options={"log_statement": "all"})

    log = (tmp_path / "data-test" / "logs" / "postgres.log").read_text()

    assert "alter role" in log
    assert stack.postgres.password not in log


@pytest.mark.real("postgres")
def test_a_real_cluster_supports_the_letters_of_all_languages(run) -> None:
    with psycopg.connect(run("postgres").postgres.url) as connection:
        encoding = connection.execute("show server_encoding").fetchone()
        lower = connection.execute("select lower('ÄÖÜÇŻ')").fetchone()

    assert (encoding, lower) == (("UTF8",), ("äöüçż",))


@pytest.mark.real("postgres")
@pytest.mark.parametrize(("durable", "fsync"), [(True, "on"), (False, "off")])
def test_a_real_cluster_keeps_its_rows_across_a_restart(run, durable: bool, fsync: str) -> None:
    """Rows of a cluster that is not durable can be lost in a crash of the machine only."""
    stack = run("postgres", durable=durable)
    with psycopg.connect(stack.postgres.url) as connection:
        connection.execute("create table t as select 1 as a")

    stack.restart("postgres")

    with psycopg.connect(stack.postgres.url) as connection:
        assert connection.execute("select a from t").fetchone() == (1,)
        assert connection.execute("show fsync").fetchone() == (fsync,)


@pytest.mark.real("postgres")
def test_a_real_cluster_of_a_newer_version_is_refused_with_both_versions(run) -> None:
    stack = run("postgres")
    stack.stop("postgres")
    (stack.postgres.data / "cluster" / "PG_VERSION").write_text("99\n")

    with pytest.raises(
        StartError, match=r"the cluster has the version 99, but the executable is PostgreSQL \d"
    ):
        stack.start("postgres")


@pytest.mark.parametrize(
    "version", [pytest.param(major, marks=pytest.mark.real("postgres", version=major)) for major in (15, 17)]
)
def test_a_real_server_of_an_older_version_has_the_extensions_that_need_openssl(run, version: int) -> None:
    stack = run("postgres", version=version, extensions=["pgcrypto", "uuid-ossp"])

    with psycopg.connect(stack.postgres.url) as connection:
        digest = connection.execute("select encode(digest('a', 'sha1'), 'hex')").fetchone()
        identifier = connection.execute("select uuid_generate_v5(uuid_ns_url(), 'a')::text").fetchone()
        assert connection.info.server_version // 10000 == version
    assert digest == ("86f7e437faa5a7fce15d1ddcb9eaeaea377667b8",)
    assert identifier == (str(uuid.uuid5(uuid.NAMESPACE_URL, "a")),)


@pytest.mark.real("postgres", version=16)
def test_a_real_server_of_version_16_has_pgvector(run) -> None:
    stack = run("postgres", version=16, extensions=["vector"])

    with psycopg.connect(stack.postgres.url) as connection:
        (distance,) = connection.execute("select '[1,2]'::vector <-> '[4,6]'::vector").fetchone()
        assert connection.info.server_version // 10000 == 16
    assert distance == 5


@pytest.mark.real("postgres")
@pytest.mark.parametrize(
    ("version", "method"), [(15, launch.LIBRARIES), (15, launch.LOADER), (17, launch.LOADER)]
)
def test_the_real_packages_of_debian_run_by_each_method(run, version: int, method: str) -> None:
    """The server finds its files relative to its own path, and `initdb` starts the server."""
    name = f"postgres-{version}"
    entries = [entry for entry in store.default().installed(f"{name}*") if method in entry.methods]
    if not entries:
        pytest.skip(f"`infra bin install {name}` has installed no program for the method {method}")
    (entry,) = entries[:1]
    folder = entry.folder / "launch" / method

    stack = run("postgres", version=version, binary=str(folder), extensions=["pgcrypto"])

    program = Path(f"/proc/{stack.status().services[0].pid}/exe").resolve()
    assert program.is_relative_to(entry.folder)
    with psycopg.connect(stack.postgres.url) as connection:
        (files,) = connection.execute("select setting from pg_config where name = 'SHAREDIR'").fetchone()
        assert Path(files).resolve().is_relative_to(entry.folder)
        # ICU is a library of another package.
        assert connection.execute("select upper('ß' collate \"de-x-icu\")").fetchone() == ("SS",)


@pytest.mark.real("postgres")
def test_a_real_cluster_of_development_keeps_its_rows_after_down(run) -> None:
    port = free_port()
    with run("postgres", environment="development", port=port) as stack:
        url = stack.postgres.url
        with psycopg.connect(url) as connection:
            connection.execute("create table t as select 1 as a")

    again = run("postgres", environment="development", port=port)

    assert again.postgres.url == url
    with psycopg.connect(url) as connection:
        assert connection.execute("select a from t").fetchone() == (1,)


@pytest.mark.real("postgres")
def test_a_real_cluster_starts_although_the_pid_in_its_file_is_a_foreign_process(run, sleeper) -> None:
    stack = run("postgres")
    pid_file = stack.postgres.data / "cluster" / "postmaster.pid"
    stack.kill("postgres")
    _, *rest = pid_file.read_text().split("\n")
    pid_file.write_text("\n".join([str(sleeper.pid), *rest]))

    stack.start("postgres")

    assert sleeper.poll() is None
    with psycopg.connect(stack.postgres.url) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


@pytest.mark.real("postgres")
def test_a_second_real_cluster_is_copied_without_initdb(
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFRA_CACHE", str(tmp_path / "an empty cache"))
    log = tmp_path / "data-test" / "logs" / "postgres.log"
    made = "The files belonging to this database system"

    run("postgres").close()
    assert made in log.read_text()
    log.unlink()

    run("postgres").close()
    assert "database system is ready" in log.read_text()
    assert made not in log.read_text()


@pytest.mark.real("postgres")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to change the user")
def test_a_real_cluster_does_not_run_as_root(run) -> None:
    """In a user namespace the server is an ordinary user, although its files belong to root."""
    if not user_namespaces_work():
        pytest.skip("this kernel, or the container's runtime, forbids user namespaces")
    stack = run("postgres")
    status = Path(f"/proc/{stack.status().services[0].pid}")

    assert (status / "uid_map").read_text().split() == [str(INNER_UID), "0", "1"]
    assert (stack.postgres.data / "cluster" / "PG_VERSION").stat().st_uid == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root switches to another user")
@pytest.mark.real("postgres")
def test_a_real_cluster_starts_as_root_where_user_namespaces_are_forbidden(tmp_path) -> None:
    """This is the case in most containers: root, and a runtime that filters system calls."""
    closed = [folder for folder in Path(sys.executable).parents if not folder.stat().st_mode & stat.S_IXOTH]
    if closed:
        pytest.skip(f"another user cannot enter {closed[0]}, which contains the programs")
    code = (
        "import sys; from infra_runtime import start\n"
        "from infra_runtime.host.privileges import user_namespaces_work\n"
        "with start('postgres', environment='test', data=sys.argv[1], directory=sys.argv[2]) as stack:\n"
        "    print(user_namespaces_work(), stack.status().services[0].phase)\n"
    )
    filtered = [sys.executable, seccomp.__file__, sys.executable, "-c", code]
    result = subprocess.run(
        [*filtered, tmp_path / "data", tmp_path],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "INFRA_CACHE": str(tmp_path / "cache")},
    )

    if result.returncode == seccomp.CANNOT:
        pytest.skip("the kernel does not allow to filter system calls")
    assert (result.stdout.split(), result.stderr) == (["False", "ready"], "")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root switches to another user")
@pytest.mark.real("postgres")
def test_a_real_cluster_starts_with_and_without_user_namespaces(tmp_path) -> None:
    """The owner of its files differs; a container may be started with other options than before."""
    if not user_namespaces_work():
        pytest.skip("this kernel, or the container's runtime, forbids user namespaces")
    closed = [folder for folder in Path(sys.executable).parents if not folder.stat().st_mode & stat.S_IXOTH]
    if closed:
        pytest.skip(f"another user cannot enter {closed[0]}, which contains the programs")
    port = free_port()
    (tmp_path / "infra.toml").write_text(f"[services.postgres]\nports = {{ client = {port} }}\n")
    code = (
        "import sys; from infra_runtime import start\n"
        "with start('postgres', environment='development', data=sys.argv[1], directory=sys.argv[2]) as s:\n"
        "    owner = (s.postgres.data / 'cluster' / 'PG_VERSION').stat().st_uid\n"
        "    print(owner, s.status().services[0].phase)\n"
    )
    modes, outcomes = ("with", "without", "with"), []
    for mode in modes:
        filtered = [sys.executable, seccomp.__file__] if mode == "without" else []
        result = subprocess.run(
            [*filtered, sys.executable, "-c", code, tmp_path / "data", tmp_path],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "INFRA_CACHE": str(tmp_path / "cache")},
        )
        if result.returncode == seccomp.CANNOT:
            pytest.skip("the kernel does not allow to filter system calls")
        outcomes.append((mode, *result.stdout.split(), result.stderr))

    owners = {"with": "0", "without": str(other_user()[0])}
    assert outcomes == [(mode, owners[mode], "ready", "") for mode in modes]


def mapped_segments(data: Path) -> set[str]:
    """Return the paths of the segments that the processes of a stack use; other tests have segments, too."""
    return {path for pid in alive(data) for path in shared_memory.files_of(pid)}


@pytest.mark.real("postgres")
@pytest.mark.skipif(sys.platform != "linux", reason="/dev/shm is Linux's")
@pytest.mark.parametrize(
    ("moment", "number"), [("bootstrap", signal.SIGKILL), ("post-bootstrap", signal.SIGTERM)]
)
def test_nothing_of_an_interrupted_initdb_is_left(tmp_path: Path, number: int, moment: str) -> None:
    """In both moments a server of `initdb` runs, whose shared memory is in the folder of the cluster."""
    cache, used = tmp_path / "cache", set[str]()
    code = (
        "import sys; from infra_runtime import start\n"
        "start('postgres', environment='test', data=sys.argv[1], directory=sys.argv[1] + '/..')\n"
    )
    environ = {**os.environ, "INFRA_CACHE": str(cache)}
    with subprocess.Popen([sys.executable, "-c", code, tmp_path / "data"], env=environ) as client:
        try:
            until(lambda: "up" in {event.event for event in journal_events(tmp_path / "data")})
            file = "postgresql.conf" if moment == "bootstrap" else "base/1/PG_VERSION"
            until(lambda: bool([*cache.glob(f"seeds/*.new/*/cluster/{file}")]))
            used |= mapped_segments(tmp_path / "data")
            os.kill(supervisor(tmp_path / "data"), number)
        finally:
            client.kill()
    lock = Paths(str(tmp_path / "data")).lock
    until(lambda: not file_lock.is_held(lock))

    assert used == set()
    assert [path.name for path in (cache / "seeds").iterdir() if path.suffix not in {".lock", ".json"}] in (
        [],
        [path.name for path in (cache / "seeds").iterdir() if Path(f"{path}.json").exists()],
    )
