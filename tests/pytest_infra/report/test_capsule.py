"""The failure report of a test has the log lines of its services during the test, and no other lines."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from fakes.suite import Suite, service
from infra_runtime.data_directory.wipe import remove
from pytest_infra.report.capsule import CHARACTERS, LINES, name_of, shorten

#: a server that logs each line that it receives
ECHO = """
import socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    connection, _ = server.accept()
    with connection, connection.makefile() as lines:
        for line in lines:
            print(line.strip(), flush=True)
            connection.sendall(b"ok\\n")
"""
SEND = """
import socket, pytest

def send(shop, text):
    with socket.create_connection(("127.0.0.1", shop.port)) as connection, connection.makefile("rw") as lines:
        lines.write(text + "\\n")
        lines.flush()
        assert lines.readline() == "ok\\n"
"""


@pytest.fixture
def echo(suite: Suite) -> Suite:
    """A suite whose service `shop` logs each line that it receives."""
    (suite.root / "echo.py").write_text(ECHO)
    command = '["${bin.python}", "-I", "-S", "${root}/echo.py", "${port.http}"]'
    suite.stack(
        f"[services.shop]\ncommand = {command}\nports = {{ http = 18080 }}\nready = {{ tcp = true }}\n"
    )
    return suite


def capsules(suite: Suite) -> dict[str, Path]:
    """Return the directories of all failure reports, by name."""
    return {path.name: path for path in suite.root.glob(".data-test/capsules/*")}


def test_the_output_has_only_what_the_services_logged_during_the_failed_test(echo: Suite) -> None:
    echo.test(
        SEND
        + """
def test_passing(shop):
    send(shop, "line of the passing test")

def test_failing(shop):
    send(shop, "line of the failing test")
    assert False
"""
    )

    result = echo.run()

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*Captured log of shop*", "line of the failing test"])
    assert "line of the passing test" not in result.stdout.str()
    [folder] = capsules(echo).values()
    assert "line of the failing test" in (folder / "logs" / "shop.log").read_text()
    result.stdout.fnmatch_lines([str(folder)])


def test_a_wipe_removes_everything_that_runs_have_written(echo: Suite) -> None:
    echo.test("def test_failing(shop):\n    assert 0\n")
    echo.run()

    remove(echo.paths)

    assert not Path(echo.paths.data).exists()


def test_the_output_of_an_xdist_worker_states_that_the_service_is_shared(echo: Suite) -> None:
    echo.test(SEND + "def test_failing(shop):\n    send(shop, 'line of the failing test')\n    assert 0\n")

    result = echo.run("-n2")

    result.stdout.fnmatch_lines(
        ["*Captured log of shop (shared with other workers)*", "line of the failing test"]
    )
    assert len(capsules(echo)) == 1


def test_errors_in_setup_and_teardown_have_failure_reports(echo: Suite) -> None:
    echo.test(
        SEND
        + """
@pytest.fixture
def broken_setup(shop):
    send(shop, "line of the setup")
    raise RuntimeError

@pytest.fixture
def broken_teardown(shop):
    yield
    send(shop, "line of the teardown")
    raise RuntimeError

def test_setup(broken_setup): ...
def test_teardown(broken_teardown): ...
"""
    )

    result = echo.run()

    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines(["line of the setup", "line of the teardown"])
    assert len(capsules(echo)) == 2


def test_a_failure_report_has_the_states_the_settings_and_the_journal(echo: Suite) -> None:
    echo.test(SEND + "def test_failing(shop):\n    send(shop, 'hello')\n    assert 0, 'the reason'\n")

    echo.run()

    [folder] = capsules(echo).values()
    report = json.loads((folder / "capsule.json").read_text())
    assert report["test"].endswith("::test_failing")
    assert report["phase"] == "call"
    assert "the reason" in report["failure"]
    assert [service["phase"] for service in report["stack"]["services"]] == ["ready"]
    assert report["settings"]
    events = [json.loads(line)["event"] for line in (folder / "events.jsonl").read_text().splitlines()]
    assert "ready" in events


def test_a_test_that_passes_has_no_failure_report(echo: Suite) -> None:
    echo.test(SEND + "def test_passing(shop):\n    send(shop, 'hello')\n")

    echo.run()

    assert capsules(echo) == {}


def test_the_failure_report_of_an_earlier_run_is_replaced(echo: Suite) -> None:
    echo.test(SEND + "def test_failing(shop):\n    send(shop, 'hello')\n    assert 0\n")
    echo.run()
    [folder] = capsules(echo).values()
    (folder / "logs" / "old.log").write_text("from the earlier run")

    echo.run()

    assert not (folder / "logs" / "old.log").exists()


@pytest.mark.parametrize("arguments", [(), ("-n2",)], ids=["serial", "xdist"])
def test_junit_files_have_the_log_and_the_failure_report_for_errors_in_each_phase(
    echo: Suite, arguments: tuple[str, ...]
) -> None:
    echo.test(
        SEND
        + """
@pytest.fixture
def broken_setup(shop):
    send(shop, "line of the setup")
    assert 0

@pytest.fixture
def broken_teardown(shop):
    yield
    send(shop, "line of the teardown")
    assert 0

def test_setup(broken_setup): ...
def test_failing(shop):
    send(shop, "line of the call")
    assert 0
def test_teardown(broken_teardown): ...
"""
    )

    echo.run("--junit-xml=junit.xml", "-o", "junit_logging=all", *arguments)

    cases = {case.get("name"): case for case in ET.parse(echo.root / "junit.xml").iter("testcase")}
    for name, phase in (("test_setup", "setup"), ("test_failing", "call"), ("test_teardown", "teardown")):
        assert f"line of the {phase}" in cases[name].findtext("system-out", "")
        properties = {field.get("name"): field.get("value") for field in cases[name].iter("property")}
        assert properties == {"infra_capsule": str(capsules(echo)[f"test_it.py.{name}"])}


def test_a_test_without_a_service_has_no_failure_report(suite: Suite) -> None:
    suite.test("def test_failing():\n    assert 0\n")

    result = suite.run()

    assert "Failure report" not in result.stdout.str()


def test_a_long_log_is_cut_at_its_beginning_and_its_first_line_states_that() -> None:
    text = "\n".join(f"line {number}" for number in range(100))

    lines = shorten(text).splitlines()

    assert lines[0] == f"… {100 - LINES} earlier lines are in the failure report"
    assert lines[-1] == "line 99"
    assert len(shorten("x" * 100_000)) <= CHARACTERS


@pytest.mark.parametrize(
    ("nodeid", "name"),
    [
        ("tests/test_a.py::TestB::test_c[x-1]", "tests.test_a.py.TestB.test_c[x-1]"),
        ("test_a.py::test_b[../../etc/passwd]", "test_a.py.test_b[......etc.passwd]"),
        ("test_a.py::test_ü[ä b]", "test_a.py.test_-[-b]"),
    ],
)
def test_the_directory_of_a_failure_report_is_named_after_its_test_and_contains_no_slash(
    nodeid: str, name: str
) -> None:
    assert name_of(nodeid) == name
    assert "/" not in name_of(nodeid)


def test_long_ids_that_begin_with_the_same_characters_have_different_directories() -> None:
    first, second = (name_of(f"test_a.py::test_b[{'x' * 200}{end}]") for end in "12")

    assert first != second
    assert len(first) == len(second) == 150
    assert first.startswith("test_a.py.test_b[xxx")


@pytest.mark.real("pocketbase")
def test_the_output_omits_copies_of_a_service_that_the_test_does_not_use(suite: Suite) -> None:
    suite.stack("[services.pocketbase]\n")
    suite.test(
        """
        def test_it(pocketbase, infra_stack):
            ready = []
            while len(ready) < 3:  # the service, the test's copy, and a copy that is made ahead
                ready = [service for service in infra_stack.status().services if service.ready]
            for copy in ("pocketbase.1", "pocketbase.2"):
                with (infra_stack.data / "logs" / f"{copy}.log").open("a") as log:
                    log.write("line of the test\\n")
            assert 0
        """
    )

    result = suite.run()

    result.stdout.fnmatch_lines(["*Captured log of pocketbase.1*"])
    result.stdout.no_fnmatch_line("*Captured log of pocketbase.2*")


# --- private data ----------------------------------------------------------------------------------


def test_only_the_owner_can_read_a_report(echo: Suite) -> None:
    echo.test(SEND + "def test_failing(shop):\n    send(shop, 'private')\n    assert 0\n")

    echo.run()

    [folder] = capsules(echo).values()
    paths = [folder.parent, folder, *folder.rglob("*")]
    modes = {path: path.stat().st_mode & 0o777 for path in paths}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}
    assert {"capsule.json", "events.jsonl", "shop.log"} <= {path.name for path in paths}


def test_a_report_has_no_secret_of_any_service(echo: Suite) -> None:
    """A service wrote its secrets to its log, and they are in the message of the failure."""
    with (echo.root / "infra.toml").open("a") as file:
        file.write(
            'env = { DATABASE = "db://me:url-password@there", API_TOKEN = "${env.SHOP_KEY}" }\n'
            'exports = { password = "literal \\"password\\"", link = "${env.SHOP_URL}", opening = "gates" }\n'
            'sensitive = ["opening"]\n'
        )
    (echo.root / ".env").write_text("SHOP_KEY=key-of-the-shop\nSHOP_URL=http://u:upstream-pw@there\n")
    echo.test(
        SEND
        + """
def test_failing(shop):
    values = [*shop.values(), "url-password", "key-of-the-shop", "upstream-pw"]
    for value in values:
        send(shop, value)
    pytest.fail(str(values), pytrace=False)
"""
    )

    echo.run()

    [folder] = capsules(echo).values()
    texts = {path: path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert texts[folder / "logs" / "shop.log"].count("***") == 5
    for secret in ("url-password", "key-of-the-shop", "upstream-pw", 'literal "password"', "password\\\\"):
        assert [path.name for path, text in texts.items() if secret in text] == []


def test_the_output_has_no_lines_from_the_start_of_a_service_but_the_report_has_them(suite: Suite) -> None:
    suite.stack(service("shop", port=18080))
    suite.test("def test_failing(shop):\n    assert 0\n")

    result = suite.run()

    result.stdout.no_fnmatch_line("server on *")
    result.stdout.no_fnmatch_line("*Captured log of shop*")
    [folder] = capsules(suite).values()
    assert "server on " in (folder / "logs" / "shop.log").read_text()


@pytest.mark.real("postgres")
def test_the_output_has_no_lines_from_the_migrations_but_the_report_has_them(suite: Suite) -> None:
    pytest.importorskip("psycopg", reason="the minimal profile has no clients")
    suite.stack("[services.postgres]\n")
    suite.pytester.makeini("[pytest]\ninfra_postgres_migrations = a.sql\n")
    (suite.root / "a.sql").write_text("do 'begin raise log $$in a migration$$; end';")
    suite.test(
        """
        def test_failing(postgres_connection):
            postgres_connection.execute("do 'begin raise log $$in a test$$; end'")
            assert 0
        """
    )

    result = suite.run()

    result.stdout.fnmatch_lines(["*Captured log of postgres*", "*LOG:  in a test"])
    result.stdout.no_fnmatch_line("*LOG:  in a migration")
    [folder] = capsules(suite).values()
    assert "LOG:  in a migration" in (folder / "logs" / "postgres.log").read_text()


def test_the_report_has_the_lines_that_a_service_logs_before_the_stack_is_open(suite: Suite) -> None:
    suite.stack(service("shop", port=18080))
    suite.pytester.makeconftest(
        """
        import time
        from pytest_infra import stack_sharing

        opened = stack_sharing._open

        def open_slowly(*arguments):
            result = opened(*arguments)
            time.sleep(1.0)
            return result

        stack_sharing._open = open_slowly
        """
    )
    suite.test("def test_failing(shop):\n    assert 0\n")

    suite.run()

    [folder] = capsules(suite).values()
    assert "server on " in (folder / "logs" / "shop.log").read_text()


def test_the_output_has_the_lines_of_a_failed_start(suite: Suite) -> None:
    suite.stack(service("shop", "--exit-after", "0.1", "--deaf", "--status", "3", port=18080))
    suite.test("def test_failing(shop): ...\n")

    suite.run().stdout.fnmatch_lines(["*Captured log of shop*", "server on *"])
