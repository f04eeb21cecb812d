from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest

from fakes.engine import made, options
from infra_runtime.errors import StartError
from infra_runtime.spec import RequireFile, Run, Seed
from infra_runtime.supervisor.spawn import INNER_UID, user_namespaces_work

psycopg = pytest.importorskip("psycopg", reason="the minimal profile has no clients")

DEBIAN = Path("/usr/lib/postgresql/15/bin")


def initdb(**settings: object) -> tuple[str, ...]:
    (seed,) = (step for step in made("postgres", **settings).prepare if isinstance(step, Seed))
    (run,) = (step for step in seed.steps if isinstance(step, Run))
    return run.command


def test_in_development_it_survives_a_crash() -> None:
    assert not {"fsync", "full_page_writes"} & options(made("postgres")).keys()


def test_a_throw_away_one_waits_for_no_disk() -> None:
    found = options(made("postgres", durable=False))

    assert (found["fsync"], found["full_page_writes"]) == ("off", "off")


def test_options_outrank_our_own() -> None:
    found = options(made("postgres", durable=False, options={"fsync": "on", "wal_level": "logical"}))

    assert (found["fsync"], found["wal_level"]) == ("on", "logical")


def test_it_ends_gently_in_development_and_at_once_in_a_test() -> None:
    assert [step.signal for step in made("postgres").stop] == [signal.SIGINT, signal.SIGQUIT]
    assert [step.signal for step in made("postgres", durable=False).stop] == [signal.SIGQUIT]


def test_the_password_comes_from_a_file_and_not_from_an_argument() -> None:
    assert "--pwfile=${out}/password.secret" in initdb()
    assert "${secret.password}" not in " ".join((*initdb(), *made("postgres").command))


def test_over_tcp_everybody_needs_the_password() -> None:
    assert "--auth-host=scram-sha-256" in initdb()


@pytest.mark.parametrize(
    ("version", "has", "has_not"),
    [
        (15, {"--no-locale"}, {"--locale-provider=builtin", "--set=scram_iterations=1"}),
        (16, {"--no-locale", "--set=scram_iterations=1"}, {"--no-data-checksums"}),
        (17, {"--locale-provider=builtin", "--builtin-locale=C.UTF-8"}, {"--no-data-checksums"}),
        (18, {"--builtin-locale=C.UTF-8", "--no-data-checksums"}, set()),
    ],
)
def test_initdb_is_told_what_its_version_understands(version: int, has: set[str], has_not: set[str]) -> None:
    command = set(initdb(version=version, durable=False))

    assert has <= command
    assert not has_not & command


def test_a_locale_of_the_systems_is_asked_of_the_system() -> None:
    assert "--locale=de_DE.UTF-8" in initdb(locale="de_DE.UTF-8")


def test_a_cluster_of_another_version_is_expected_to_be_refused() -> None:
    (step,) = (step for step in made("postgres", version=17).prepare if isinstance(step, RequireFile))

    assert (step.path, step.text) == ("${data}/cluster/PG_VERSION", "17")


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
def test_a_real_cluster_knows_the_letters_of_all_languages(run) -> None:
    with psycopg.connect(run("postgres").postgres.url) as connection:
        encoding = connection.execute("show server_encoding").fetchone()
        lower = connection.execute("select lower('ÄÖÜÇŻ')").fetchone()

    assert (encoding, lower) == (("UTF8",), ("äöüçż",))


@pytest.mark.real("postgres")
@pytest.mark.parametrize(("durable", "fsync"), [(True, "on"), (False, "off")])
def test_a_real_cluster_keeps_its_rows_over_a_restart(run, durable: bool, fsync: str) -> None:
    """Also the throw-away one: only the machine's crash may take its rows."""
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

    with pytest.raises(StartError, match=r"the cluster is of PostgreSQL 99, and the executable is \d+"):
        stack.start("postgres")


@pytest.mark.real("postgres")
@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's PostgreSQL 15 is not installed")
def test_a_real_installed_cluster_of_an_older_version_does_as_well(run) -> None:
    stack = run("postgres", binary=str(DEBIAN))

    with psycopg.connect(stack.postgres.url) as connection:
        assert connection.info.server_version // 10000 == 15


@pytest.mark.real("postgres")
def test_a_real_cluster_of_development_is_there_again_after_its_stack_was_down(run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with run("postgres", environment="development", port=port) as first:
        url = first.postgres.url
        with psycopg.connect(url) as connection:
            connection.execute("create table t as select 1 as a")

    second = run("postgres", environment="development", port=port)

    assert second.postgres.url == url
    with psycopg.connect(url) as connection:
        assert connection.execute("select a from t").fetchone() == (1,)


@pytest.mark.real("postgres")
def test_a_real_cluster_that_was_killed_starts_though_its_pid_is_a_strangers_now(run, sleeper) -> None:
    stack = run("postgres")
    left = stack.postgres.data / "cluster" / "postmaster.pid"
    stack.kill("postgres")
    _, *rest = left.read_text().split("\n")
    left.write_text("\n".join([str(sleeper.pid), *rest]))

    stack.start("postgres")

    assert sleeper.poll() is None
    with psycopg.connect(stack.postgres.url) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


@pytest.mark.real("postgres")
def test_a_second_real_cluster_costs_a_copy_and_no_initdb(
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
@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
def test_a_real_cluster_of_roots_does_not_run_as_root(run) -> None:
    """In a user namespace its files stay root's, and it is an ordinary user all the same."""
    if not user_namespaces_work():
        pytest.skip("this kernel, or the container's runtime, forbids user namespaces")
    stack = run("postgres")
    status = Path(f"/proc/{stack.status().services[0].pid}")

    assert (status / "uid_map").read_text().split() == [str(INNER_UID), "0", "1"]
    assert (stack.postgres.data / "cluster" / "PG_VERSION").stat().st_uid == 0
