"""Children that a test forks use none of the leases, units and connections of their parent."""

from __future__ import annotations

import pytest

from fakes.suite import Suite

FORK = """
import os, pytest

def fork_and_wait(child):
    pid = os.fork()
    if pid == 0:
        child()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
"""


@pytest.fixture(autouse=True)
def _with_driver(suite: Suite) -> None:
    pytest.importorskip("psycopg", reason="the minimal profile has no clients")
    suite.stack("[services.postgres]\n")


CHILDREN = {
    "raises an error": "raise RuntimeError",
    "is interrupted": "raise KeyboardInterrupt",
}


@pytest.mark.real("postgres")
@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["one process", "xdist"])
@pytest.mark.parametrize("child", CHILDREN)
def test_a_child_that_leaves_its_test_ends_and_does_not_stop_its_parents_stack(
    suite: Suite, child: str, workers: tuple[str, ...]
) -> None:
    suite.test(
        f"""
        import os, psycopg, pytest, sys

        def test_child(postgres, postgres_connection):
            pid = os.fork()
            if pid == 0:
                {CHILDREN[child]}
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
            postgres_connection.execute("create table parent (a int)")
            psycopg.connect(postgres.url).close()

        def test_after(postgres_connection):
            postgres_connection.execute("select 1")
        """
    )

    result = suite.run_in_new_process(
        "-p", "no:unraisableexception", "-W", "ignore::DeprecationWarning", "-s", *workers
    )

    assert result.parseoutcomes() == {"passed": 2}
    result.stdout.fnmatch_lines(["*0 processes, 0 ports*"])
    result.stderr.fnmatch_lines(["infra: the forked process * has returned from *"])


@pytest.mark.real("postgres", "telemetry")
def test_a_child_makes_its_own_units_and_starts_services_itself(suite: Suite) -> None:
    """With the telemetry service, the parent measures fixtures; the child has its own plugin for that."""
    suite.stack("[services.postgres]\n", "[services.telemetry]\n")
    suite.test(
        FORK
        + """
import psycopg

def test_it(infra_unit, infra_service):
    infra_service("postgres")
    infra_service("telemetry")
    def child():
        infra_service("postgres")
        with infra_unit("postgres") as database:
            psycopg.connect(database.url).close()
    assert fork_and_wait(child) == 0
    with infra_unit("postgres") as database:
        psycopg.connect(database.url).close()
"""
    )

    suite.run_in_new_process("-W", "ignore::DeprecationWarning").assert_outcomes(passed=1)


@pytest.mark.real("postgres")
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_of_multiprocessing_use_the_tests_database(suite: Suite, method: str) -> None:
    suite.test(
        f"""
        import multiprocessing, psycopg

        def insert(url):
            with psycopg.connect(url) as connection:
                connection.execute("insert into pets values (1)")

        def test_it(postgres, postgres_connection):
            postgres_connection.execute("create table pets (number int)")
            postgres_connection.commit()
            child = multiprocessing.get_context({method!r}).Process(target=insert, args=(postgres.url,))
            child.start()
            child.join()
            assert child.exitcode == 0
            assert postgres_connection.execute("select * from pets").fetchall() == [(1,)]
        """
    )

    suite.run_in_new_process("-W", "ignore::DeprecationWarning").assert_outcomes(passed=1)


@pytest.mark.real("postgres")
def test_a_child_cannot_use_its_parents_lease(suite: Suite) -> None:
    suite.test(
        FORK
        + """
from infra_runtime.errors import SupervisorError

def test_it(postgres, infra_stack):
    def child():
        with pytest.raises(SupervisorError, match="belongs to the parent"):
            infra_stack.status()
        infra_stack.close()
    assert fork_and_wait(child) == 0
    assert infra_stack.status().leases == 1
"""
    )

    suite.run_in_new_process("-W", "ignore::DeprecationWarning").assert_outcomes(passed=1)


@pytest.mark.real("postgres")
def test_a_test_that_runs_in_a_child_has_its_own_database(suite: Suite) -> None:
    """pytest-forked runs each test in a child; here, the hook that it uses does so."""
    suite.pytester.makeconftest(
        """
        import os
        from _pytest.runner import runtestprotocol

        def pytest_runtest_protocol(item, nextitem):
            pid = os.fork()
            if pid == 0:
                reports = runtestprotocol(item, nextitem=None, log=False)
                os._exit(any(report.failed for report in reports))
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, item.nodeid
            return True
        """
    )
    suite.test(
        """
        import pytest

        @pytest.mark.parametrize("number", range(3))
        def test_it(postgres_connection, infra_stack, number):
            postgres_connection.execute("create table pets (number int)")
            postgres_connection.commit()
        """
    )

    with suite_stack(suite):
        result = suite.run_in_new_process()

    assert result.ret in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}
    result.stdout.no_fnmatch_line("*AssertionError*")


def suite_stack(suite: Suite):  # type: ignore[no-untyped-def]  # a context manager of the runtime
    """Start the stack, so that it outlives the children."""
    from infra_runtime.engines.local import engine

    return engine.start("postgres", directory=suite.root, environment="test")
