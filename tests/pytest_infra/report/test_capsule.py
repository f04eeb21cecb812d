"""A failed test tells what its services said during it, and no other test's words."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from fakes.suite import Suite
from infra_runtime.data_directory.wipe import remove
from pytest_infra.report.capsule import CHARACTERS, LINES, name_of, shorten

#: says each line that it is sent, in its log
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
SAY = """
import socket, pytest

def say(shop, text):
    with socket.create_connection(("127.0.0.1", shop.port)) as connection, connection.makefile("rw") as lines:
        lines.write(text + "\\n")
        lines.flush()
        assert lines.readline() == "ok\\n"
"""


@pytest.fixture
def echo(suite: Suite) -> Suite:
    """A suite whose service `shop` logs what it is told."""
    (suite.root / "echo.py").write_text(ECHO)
    command = '["${bin.python}", "-I", "-S", "${root}/echo.py", "${port.http}"]'
    suite.stack(
        f"[services.shop]\ncommand = {command}\nports = {{ http = 18080 }}\nready = {{ tcp = true }}\n"
    )
    return suite


def capsules(suite: Suite) -> dict[str, Path]:
    return {path.name: path for path in suite.root.glob(".data-test/capsules/*")}


def test_a_failing_test_shows_what_its_services_said_during_it_and_nothing_else(echo: Suite) -> None:
    echo.test(
        SAY
        + """
def test_a_good_one(shop):
    say(shop, "words of the good one")

def test_a_bad_one(shop):
    say(shop, "words of the bad one")
    assert False
"""
    )

    result = echo.run()

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*Captured log of shop*", "words of the bad one"])
    assert "words of the good one" not in result.stdout.str()
    [folder] = capsules(echo).values()
    assert "words of the bad one" in (folder / "logs" / "shop.log").read_text()
    result.stdout.fnmatch_lines([str(folder)])


def test_nothing_that_runs_have_left_outlives_a_wipe(echo: Suite) -> None:
    echo.test("def test_bad(shop):\n    assert 0\n")
    echo.run()

    remove(echo.paths)

    assert not Path(echo.paths.data).exists()


def test_a_worker_of_xdist_tells_too_and_says_that_others_share_the_service(echo: Suite) -> None:
    echo.test(SAY + "def test_bad(shop):\n    say(shop, 'words of the bad one')\n    assert 0\n")

    result = echo.run("-n2")

    result.stdout.fnmatch_lines(
        ["*Captured log of shop (shared with other workers)*", "words of the bad one"]
    )
    assert len(capsules(echo)) == 1


def test_errors_in_setup_and_teardown_have_capsules_too(echo: Suite) -> None:
    echo.test(
        SAY
        + """
@pytest.fixture
def early(shop):
    say(shop, "words of the setup")
    raise RuntimeError

@pytest.fixture
def late(shop):
    yield
    say(shop, "words of the teardown")
    raise RuntimeError

def test_early(early): ...
def test_late(late): ...
"""
    )

    result = echo.run()

    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines(["words of the setup", "words of the teardown"])
    assert len(capsules(echo)) == 2


def test_a_capsule_tells_the_states_the_settings_and_the_journal(echo: Suite) -> None:
    echo.test(SAY + "def test_bad(shop):\n    say(shop, 'hello')\n    assert 0, 'the reason'\n")

    echo.run()

    [folder] = capsules(echo).values()
    told = json.loads((folder / "capsule.json").read_text())
    assert told["test"].endswith("::test_bad")
    assert told["phase"] == "call"
    assert "the reason" in told["failure"]
    assert [it["phase"] for it in told["stack"]["services"]] == ["ready"]
    assert told["settings"]
    events = [json.loads(line)["event"] for line in (folder / "events.jsonl").read_text().splitlines()]
    assert "ready" in events


def test_a_test_that_passes_leaves_no_capsule(echo: Suite) -> None:
    echo.test(SAY + "def test_good(shop):\n    say(shop, 'hello')\n")

    echo.run()

    assert capsules(echo) == {}


def test_the_capsule_of_an_earlier_run_is_replaced(echo: Suite) -> None:
    echo.test(SAY + "def test_bad(shop):\n    say(shop, 'hello')\n    assert 0\n")
    echo.run()
    [folder] = capsules(echo).values()
    (folder / "logs" / "ghost.log").write_text("of old")

    echo.run()

    assert not (folder / "logs" / "ghost.log").exists()


@pytest.mark.parametrize("arguments", [(), ("-n2",)], ids=["serial", "xdist"])
def test_junit_files_know_the_words_and_the_capsule_of_a_test_that_fails_in_any_phase(
    echo: Suite, arguments: tuple[str, ...]
) -> None:
    echo.test(
        SAY
        + """
@pytest.fixture
def early(shop):
    say(shop, "words of the set-up")
    assert 0

@pytest.fixture
def late(shop):
    yield
    say(shop, "words of the tear-down")
    assert 0

def test_early(early): ...
def test_bad(shop):
    say(shop, "words of the test")
    assert 0
def test_late(late): ...
"""
    )

    echo.run("--junit-xml=junit.xml", "-o", "junit_logging=all", *arguments)

    told = {it.get("name"): it for it in ET.parse(echo.root / "junit.xml").iter("testcase")}
    for name, phase in (("test_early", "set-up"), ("test_bad", "test"), ("test_late", "tear-down")):
        assert f"words of the {phase}" in told[name].findtext("system-out", "")
        found = {it.get("name"): it.get("value") for it in told[name].iter("property")}
        assert found == {"infra_capsule": str(capsules(echo)[f"test_it.py.{name}"])}


def test_a_test_without_a_service_is_left_alone(suite: Suite) -> None:
    suite.test("def test_bad():\n    assert 0\n")

    result = suite.run()

    assert "Failure report" not in result.stdout.str()


def test_a_long_log_is_cut_at_its_beginning_and_says_so() -> None:
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
def test_a_capsules_folder_is_named_for_its_test_and_stays_in_its_place(nodeid: str, name: str) -> None:
    assert name_of(nodeid) == name
    assert "/" not in name_of(nodeid)


@pytest.mark.real("pocketbase")
def test_the_report_leaves_out_copies_of_a_service_that_are_not_the_tests(suite: Suite) -> None:
    suite.stack("[services.pocketbase]\n")
    suite.test(
        """
        def test_it(pocketbase, infra_stack):
            ready = []
            while len(ready) < 3:  # the service, the test's copy, and one that is made ahead
                ready = [it for it in infra_stack.status().services if it.ready]
            assert 0
        """
    )

    result = suite.run()

    result.stdout.fnmatch_lines(["*Captured log of pocketbase.1*"])
    result.stdout.no_fnmatch_line("*Captured log of pocketbase.2*")


# --- private data ----------------------------------------------------------------------------------


def test_only_the_owner_can_read_a_report(echo: Suite) -> None:
    echo.test(SAY + "def test_bad(shop):\n    say(shop, 'private')\n    assert 0\n")

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
        SAY
        + """
def test_bad(shop):
    values = [*shop.values(), "url-password", "key-of-the-shop", "upstream-pw"]
    for value in values:
        say(shop, value)
    pytest.fail(str(values), pytrace=False)
"""
    )

    echo.run()

    [folder] = capsules(echo).values()
    texts = {path: path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert texts[folder / "logs" / "shop.log"].count("***") == 5
    for secret in ("url-password", "key-of-the-shop", "upstream-pw", 'literal "password"', "password\\\\"):
        assert [path.name for path, text in texts.items() if secret in text] == []
