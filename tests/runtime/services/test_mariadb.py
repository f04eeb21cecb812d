from __future__ import annotations

import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

import infra_runtime as infra
from fakes.engine import options, spec_of
from fakes.suite import free_port
from infra_runtime.catalogue import entry
from infra_runtime.engines.local.stack import Endpoint, Stack
from infra_runtime.host.privileges import INNER_UID, user_namespaces_work
from infra_runtime.services import mariadb_seed
from infra_runtime.spec import Run, Seed, WriteFile, references
from kinds.distribution import installed


def test_a_durable_server_keeps_the_safe_defaults() -> None:
    assert (
        not {"innodb-flush-log-at-trx-commit", "innodb-flush-method", "debug-no-sync"}
        & options(spec_of("mariadb")).keys()
    )
    assert [(step.signal, step.seconds) for step in spec_of("mariadb").stop] == [(signal.SIGTERM, 30.0)]


def test_a_server_that_is_not_durable_does_not_wait_for_the_disk() -> None:
    spec = spec_of("mariadb", durable=False)
    variables = options(spec)

    assert (variables["debug-no-sync"], variables["innodb-flush-method"]) == ("on", "nosync")
    # the log is in the kernel after each commit, for snapshots
    assert variables["innodb-flush-log-at-trx-commit"] == "2"
    assert [step.signal for step in spec.stop] == [signal.SIGKILL]
    assert entry("mariadb").defaults == {"test": {"durable": False}}


def test_options_replace_the_default_variables_in_both_spellings() -> None:
    given = {"character_set_server": "latin1", "key-buffer-size": "2M", "sql_mode": "ANSI"}
    spec = spec_of("mariadb", durable=False, options=given)
    variables = options(spec)

    assert variables["character-set-server"] == "latin1"
    assert variables["key-buffer-size"] == "2M"
    assert variables["sql-mode"] == "ANSI"
    assert spec.container is not None
    assert "--sql-mode=ANSI" in spec.container.command


def test_the_password_is_only_in_a_private_file() -> None:
    spec = spec_of("mariadb")
    seed, _, init = spec.prepare

    assert isinstance(seed, Seed)
    assert isinstance(init, WriteFile)
    assert "${secret.password}" in init.text
    assert init.mode == 0o600
    commands = [spec.command, *(step.command for step in seed.steps if isinstance(step, Run))]
    assert [
        text for command in commands for text in command for it in references(text) if "secret" in it
    ] == []


def test_both_environments_use_the_same_seed() -> None:
    assert spec_of("mariadb").prepare[0] == spec_of("mariadb", durable=False).prepare[0]


@pytest.mark.parametrize("name", ["", "a b", "a`b", "a;b", "é", "x" * 65])
def test_a_database_with_another_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="database"):
        spec_of("mariadb", database=name)


@pytest.mark.parametrize(
    ("prefix", "server", "folder"),
    [
        ("usr", "sbin/mariadbd", "share/mysql"),
        ("opt/mariadb", "bin/mariadbd", "share/mysql"),
        ("store", "launch/libraries/mariadbd", "root/usr/share/mysql"),
    ],
)
def test_the_sql_files_of_an_installation_are_found(
    tmp_path: Path, prefix: str, server: str, folder: str
) -> None:
    program, share = tmp_path / prefix / server, tmp_path / prefix / folder
    for path in (program.parent, share):
        path.mkdir(parents=True)
    program.touch()
    for names in mariadb_seed.FILES:
        (share / names[-1]).touch()

    seed_files = mariadb_seed.files(program)

    assert seed_files == [share / names[-1] for names in mariadb_seed.FILES]


def test_missing_sql_files_are_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "share").mkdir()
    (tmp_path / "share" / mariadb_seed.FILES[0][0]).touch()

    assert mariadb_seed.main(["", str(tmp_path / "bin" / "mariadbd"), f"--datadir={tmp_path / 'data'}"]) == 1
    assert "mysql_system_tables_data.sql" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


# --- the real server -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A server that writes each statement to a file, which the tests share."""
    folder = tmp_path_factory.mktemp("shared")
    settings = {"options": {"general_log": "on", "general_log_file": str(folder / "statements")}}
    with (
        installed("mariadb", folder),
        infra.start(
            "mariadb",
            environment="test",
            directory=folder,
            data=folder / "data",
            overrides={"services": {"mariadb": {"database": "shop-1", **settings}}},
        ) as stack,
    ):
        yield stack


@pytest.fixture
def server(shared: Stack) -> Endpoint:
    return shared.mariadb


def query(server: Endpoint, statement: str, **options: object) -> list[tuple[object, ...]]:
    """Run a statement as the user of the endpoint, and return its rows."""
    pymysql = pytest.importorskip("pymysql", reason="the minimal profile has no clients")
    address = {name: server[name] for name in ("host", "user", "password", "database")}
    arguments = {"port": int(server.port), "autocommit": True, "ssl_disabled": True, **address, **options}
    with pymysql.connect(**arguments) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


@pytest.mark.real("mariadb")
def test_a_real_server_answers_on_both_addresses_in_the_database_of_the_setting(server: Endpoint) -> None:
    for address in ({}, {"unix_socket": server.socket}):
        ((database, user, text),) = query(
            server, "select database(), current_user(), upper('größe')", **address
        )
        assert (database, user, text) == ("shop-1", "root@%", "GRÖSSE" if text == "GRÖSSE" else "GRÖßE")
    assert stat.S_IMODE(Path(server.socket).parent.stat().st_mode) == 0o700


@pytest.mark.real("mariadb")
@pytest.mark.parametrize("login", [{"password": ""}, {"user": "", "password": ""}, {"user": "mariadb.sys"}])
def test_a_real_server_has_no_other_account_and_no_account_without_password(
    server: Endpoint, login: dict[str, str]
) -> None:
    pymysql = pytest.importorskip("pymysql", reason="the minimal profile has no clients")

    for address in ({}, {"unix_socket": server.socket}):
        with pytest.raises(pymysql.OperationalError, match=r"denied|locked"):
            query(server, "select 1", **login, **address)


@pytest.mark.real("mariadb")
def test_no_log_of_a_real_server_has_the_password(shared: Stack) -> None:
    query(shared.mariadb, "select 'logged'")

    texts = [path.read_text() for path in (shared.data / "logs").glob("*") if path.is_file()]
    statements = (shared.data.parent / "statements").read_text()

    assert "select 'logged'" in statements
    assert [text for text in [*texts, statements] if shared.mariadb.password in text] == []


@pytest.mark.real("mariadb")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to change the user")
def test_a_real_server_does_not_run_as_root(shared: Stack) -> None:
    if not user_namespaces_work():
        pytest.skip("this kernel, or the container's runtime, forbids user namespaces")
    status = Path(f"/proc/{shared.status().services[0].pid}")

    assert (status / "uid_map").read_text().split() == [str(INNER_UID), "0", "1"]


@pytest.mark.real("mariadb")
def test_a_real_server_keeps_data_and_a_changed_password_when_it_is_killed(run) -> None:
    stack = run("mariadb")
    query(stack.mariadb, "create table pets (name text)")
    query(stack.mariadb, "insert into pets values ('Ada')")
    query(stack.mariadb, "alter user root@'%' identified by 'chosen by the user'")

    stack.restart("mariadb")  # in tests with SIGKILL

    assert query(stack.mariadb, "select name from pets", password="chosen by the user") == [("Ada",)]


@pytest.mark.real("mariadb")
def test_a_real_server_of_development_keeps_its_data_after_down(run) -> None:
    port = free_port()
    with run("mariadb", environment="development", port=port) as stack:
        url = stack.mariadb.url
        query(stack.mariadb, "create table pets select 'Ada' as name")

    again = run("mariadb", environment="development", port=port)

    assert again.mariadb.url == url
    assert query(again.mariadb, "select name, @@innodb_flush_log_at_trx_commit, @@log_bin from pets") == [
        ("Ada", 1, 0)
    ]
    assert query(again.mariadb, "show variables like 'debug_no_sync'") in ([], [("debug_no_sync", "OFF")])
