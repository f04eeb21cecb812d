"""The commands that connect to a running stack."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fakes.command_line import SHOP, CommandLine, service, stack_file
from fakes.stacks import services_of, until
from infra_cli.commands.runtime.status import lines
from infra_runtime.messages import Services, Status

READ_ONLY = [
    ["runtime", "status"],
    ["runtime", "events"],
    ["runtime", "logs"],
    ["runtime", "analyze"],
    ["runtime", "plan", "--bound"],
    ["runtime", "start", "db"],
    ["runtime", "stop", "db"],
    ["runtime", "restart", "db"],
    ["runtime", "exec", "db", "--", "true"],
    ["runtime", "down"],
    ["config", "env"],
]


@pytest.mark.parametrize("arguments", READ_ONLY, ids=" ".join)
def test_without_a_stack_the_exit_code_is_7(infra: CommandLine, arguments: list[str]) -> None:
    answer = infra(*arguments)

    assert answer.code == 7
    assert f"no stack is running in {infra.data}" in answer.err
    assert answer.out == ""


# --- status ----------------------------------------------------------------------------------------


def test_status_shows_the_address_of_each_service(open_shop: CommandLine) -> None:
    status = open_shop("runtime", "status")

    assert status.code == 0
    assert status.out.startswith(f"test stack in {open_shop.data} (supervisor ")
    assert re.search(r"^api +ready +\S+ \w+ +http://127\.0\.0\.1:\d+$", status.out, re.MULTILINE)


@pytest.mark.parametrize(
    ("stay", "seconds", "text"),
    [
        (False, None, "2 leases)"),
        (True, None, "2 leases, runs until `infra runtime down`)"),
        (True, 600.0, "2 leases, runs 10 min after the last lease)"),
    ],
)
def test_status_shows_whether_the_stack_runs_after_its_last_lease(
    stay: bool, seconds: float | None, text: str
) -> None:
    status = Status(
        pid=7, environment="test", data="/d", leases=2, stay=stay, stay_seconds=seconds, services=Services()
    )
    [head] = lines(status)

    assert head == f"test stack in /d (supervisor 7, {text}"


@pytest.mark.process
def test_fast_commands_import_nothing_slow() -> None:
    code = (
        "import sys, importlib; from infra_cli import main;"
        "from infra_runtime.config import resolve; from infra_runtime.data_directory import leak_check;"
        "from infra_runtime.engines.local import client, stack\n"
        "for command in ('status', 'logs', 'stop', 'wait', 'down', 'exec', 'events'):\n"
        "    importlib.import_module(f'infra_cli.commands.runtime.{command}')\n"
        "    slow = {'pydantic', 'rich', 'pydantic_settings', 'importlib.metadata'} & set(sys.modules)\n"
        "    if slow: print(command, *slow)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert loaded.strip() == ""


def test_status_as_json_is_a_document_with_these_keys(open_shop: CommandLine) -> None:
    status = open_shop("runtime", "status", "--json").json

    assert {"pid", "environment", "data", "leases", "stay", "services"} <= status.keys()
    assert {
        "name",
        "phase",
        "ready",
        "reason",
        "pid",
        "seconds",
        "restarts",
        "needs",
        "ports",
        "exports",
        "log",
    } <= (status["services"][0].keys())


def test_status_finds_the_stack_by_its_data_directory_from_anywhere(
    open_shop: CommandLine, tmp_path: Path
) -> None:
    elsewhere = CommandLine(tmp_path / "elsewhere")

    assert elsewhere("runtime", "status", "--data", str(open_shop.data)).code == 0
    assert elsewhere("runtime", "status", "-C", str(open_shop.root)).code == 0
    assert elsewhere("runtime", "status", environ={"INFRA_DATA": str(open_shop.data)}).code == 0
    assert elsewhere("runtime", "status").code == 7


def test_status_is_found_from_a_folder_inside_the_project(open_shop: CommandLine) -> None:
    inside = open_shop.root / "src" / "deep"
    inside.mkdir(parents=True)

    assert open_shop("runtime", "status", "-C", str(inside)).code == 0


def test_a_watched_status_prints_each_change_until_the_stack_is_stopped(shop: CommandLine) -> None:
    shop("runtime", "up", "--detach", "db")
    watch = shop.start("runtime", "status", "--watch", "--json")
    watch.wait_for('"ready"')
    shop("runtime", "stop", "db")
    watch.wait_for('"stopped"')
    shop("runtime", "down")
    answer = watch.answer()
    phases = [line["services"][0]["phase"] for line in answer.json_lines]

    assert answer.code == 0
    assert phases[0] == "ready"
    assert phases[-1] == "stopped"


# --- services --------------------------------------------------------------------------------------


def test_services_stop_start_and_restart_and_keep_their_ports(shop: CommandLine) -> None:
    shop("runtime", "up", "--detach", "db")
    before = shop("runtime", "status", "--json").json["services"][0]
    stopped = shop("runtime", "stop", "db")
    started = shop("runtime", "start", "db", "--json").json["services"][0]
    restarted = shop("runtime", "restart", "db", "--json").json["services"][0]

    assert stopped.out == "db  stopped\n"
    assert started["ready"]
    assert restarted["ports"] == started["ports"]
    assert len({before["pid"], started["pid"], restarted["pid"]}) == 3


def test_an_unknown_service_is_reported_with_the_nearest_name(open_shop: CommandLine) -> None:
    answer = open_shop("runtime", "restart", "dbb")

    assert answer.code == 6
    assert "this stack has no service 'dbb'; did you mean 'db'?" in answer.err


def test_a_start_that_fails_has_the_exit_code_of_up(infra: CommandLine) -> None:
    infra.write(
        "import os, sys, time; os.path.exists('broken') and sys.exit(4); open('fine', 'w'); time.sleep(600)",
        "app.py",
    )
    infra.write(stack_file(SOMETIMES_FAILING, ["x"]))
    up = infra("runtime", "up", "--detach")
    infra("runtime", "stop", "x")
    (infra.root / "fine").rename(infra.root / "broken")
    started = infra("runtime", "start", "x")

    assert (up.code, started.code) == (0, 3)
    assert "x: exited with status 4 before it was ready" in started.err


SOMETIMES_FAILING = """
[services.x]
start_timeout = 300
command = ["${bin.python}", "app.py"]
ready = { exec = ["${bin.python}", "-I", "-S", "-c", "import os, sys; sys.exit(not os.path.exists('fine'))"] }
"""


# --- wait ------------------------------------------------------------------------------------------


def test_wait_returns_when_all_is_ready(open_shop: CommandLine) -> None:
    assert open_shop("runtime", "wait").out.splitlines() == [
        "db      ready",
        "api     ready",
        "worker  ready",
    ]


def test_wait_waits_for_a_stack_that_is_not_running_yet(shop: CommandLine) -> None:
    wait = shop.start("runtime", "wait", "api", "--timeout", "60")
    shop("runtime", "up", "--detach")

    assert wait.answer().code == 0


def test_wait_exits_with_11_and_the_reason_when_the_time_runs_out(infra: CommandLine) -> None:
    infra.write(stack_file(service("mute", "--deaf"), ["mute"]))
    without_stack = infra("runtime", "wait", "--timeout", "0.2")
    infra("runtime", "up", "--detach", "--no-wait")
    until(lambda: "refused" in infra("runtime", "status").out)
    mute = infra("runtime", "wait", "mute", "--timeout", "0.2")

    assert (without_stack.code, mute.code) == (11, 11)
    assert "no stack is running" in without_stack.err
    assert re.search(r"not ready after 0\.2 s: mute: .*refused", mute.err)


# --- exec and the environment ----------------------------------------------------------------------


def test_exec_sets_the_addresses_of_the_stack_and_the_variables_of_the_service(
    open_shop: CommandLine,
) -> None:
    answer = open_shop("runtime", "exec", "api", "--", "env")
    variables = dict(line.split("=", 1) for line in answer.out.splitlines() if "=" in line)
    db = open_shop("runtime", "status", "--json").json["services"][0]

    assert variables["DB_URL"] == variables["DATABASE_URL"] == db["exports"]["url"]
    assert variables["GREETING"] == "good morning"
    assert variables["INFRA_ENV"] == "test"
    assert variables["INFRA_DATA"] == str(open_shop.data)


@pytest.mark.parametrize(
    ("argv", "code"), [(["sh", "-c", "exit 42"], 42), (["no-such-program"], 127), (["/"], 126)]
)
def test_the_exit_code_of_exec_is_the_programs(open_shop: CommandLine, argv: list[str], code: int) -> None:
    assert open_shop("runtime", "exec", "db", "--", *argv).code == code


def test_exec_passes_options_on_as_they_are(open_shop: CommandLine) -> None:
    assert open_shop("runtime", "exec", "db", "--", "echo", "--json", "--", "-C").out == "--json -- -C\n"


def test_exec_and_wait_fail_for_a_stopped_service(shop: CommandLine) -> None:
    shop("runtime", "up", "--detach", "db")
    shop("runtime", "stop", "db")
    answer = shop("runtime", "exec", "db", "--", "true")

    assert answer.code == 3
    assert "db: is stopped" in answer.err
    assert shop("runtime", "wait", "db", "--timeout", "0.2").code == 11


@pytest.mark.real("postgres", "psql")
def test_a_secret_is_printed_with_reveal_only_and_a_client_connects_without_it(infra: CommandLine) -> None:
    """A shell does not set variables to masked values."""
    infra.write('use = ["postgres"]\n')
    up = infra("runtime", "up", "--detach")
    password = next((services_of(infra.data) / "postgres").rglob("*.secret")).read_text().strip()
    masked, clear = infra("config", "env"), infra("config", "env", "--reveal")
    outputs = [
        infra("runtime", *words.split()).out
        for words in ("status", "status --json", "plan --bound", "events")
    ]

    assert password not in "".join([up.out, masked.out, *outputs])
    assert "# POSTGRES_PASSWORD=***" in masked.out
    assert "***" not in "".join(line for line in masked.out.splitlines() if line.startswith("export "))
    assert f"export PGPASSWORD={password}" in clear.out.splitlines()
    assert infra("config", "env", "--json").json["DATABASE_URL"] is None
    assert infra("runtime", "exec", "postgres", "--", "psql", "-Atc", "select 6 * 7").out == "42\n"


def test_config_env_can_be_read_by_a_shell(open_shop: CommandLine) -> None:
    lines = open_shop("config", "env").out
    read = subprocess.run(
        ["sh", "-c", f'{lines}\necho "$API_URL"'], capture_output=True, text=True, check=True
    )

    assert read.stdout.startswith("http://127.0.0.1:")


# --- events ----------------------------------------------------------------------------------------


def test_events_are_those_of_the_last_run_in_order(open_shop: CommandLine) -> None:
    events = open_shop("runtime", "events", "--json").json_lines

    assert events[0]["event"] == "up"
    assert [event["service"] for event in events if event["event"] == "ready"] == ["db", "api", "worker"]


def test_an_incomplete_line_of_the_journal_is_skipped(infra: CommandLine) -> None:
    begin = '{"time":1,"event":"up"}\n{"time":2,"eve\n7\n'
    infra.write(begin + '{"time":3,"event":"down"}\n', ".data-test/events.jsonl")

    answer = infra("runtime", "events", "--json")

    assert [event["event"] for event in answer.json_lines] == ["up", "down"]


def test_followed_events_are_printed_when_they_happen(shop: CommandLine) -> None:
    shop("runtime", "up", "--detach", "db")
    events = shop.start("runtime", "events", "--follow")
    events.wait_for("db            ready")
    shop("runtime", "stop", "db")
    events.wait_for("db            stopped")
    events.interrupt()

    assert events.answer().code == 130


def test_analyze_shows_the_longest_chain_of_the_start(open_shop: CommandLine) -> None:
    answer = open_shop("runtime", "analyze")
    start = open_shop("runtime", "analyze", "--json").json

    assert "the longest chain of services that waited for each other: db → api → worker" in answer.out
    assert start["chain"] == ["db", "api", "worker"]
    assert start["shares"][0].keys() == {
        "service", "waiting", "preparing", "starting", "ended", "outcome", "needs",
    }  # fmt: skip


def test_bound_plan_has_the_real_ports(open_shop: CommandLine) -> None:
    bound = open_shop("runtime", "plan", "--bound", "--json").json
    db = open_shop("runtime", "status", "--json").json["services"][0]

    assert bound["db"]["ports"] == db["ports"]
    assert "${" not in str(bound)


# --- down ------------------------------------------------------------------------------------------


def test_wipe_removes_files_of_the_kit_only_and_the_directory_can_be_used_again(shop: CommandLine) -> None:
    shop("runtime", "up", "--detach", "db")
    (shop.data / "notes.txt").write_text("mine")
    down = shop("runtime", "down", "--wipe")

    assert down.code == 0
    assert sorted(path.name for path in shop.data.iterdir()) == [".gitignore", "infra.json", "notes.txt"]
    assert shop("runtime", "up", "--detach", "db").code == 0


def test_wipe_removes_the_empty_directory_and_needs_no_running_stack(shop: CommandLine) -> None:
    shop("runtime", "up", "--detach", "db")
    shop("runtime", "down")
    wiped = shop("runtime", "down", "--wipe", "--json")

    assert wiped.code == 0
    assert not wiped.json["stopped"]
    assert not shop.data.exists()
    assert shop("runtime", "down", "--wipe").code == 7


def test_wipe_does_not_change_a_directory_without_marker(infra: CommandLine, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    (foreign / "services").mkdir(parents=True)
    answer = infra("runtime", "down", "--wipe", "--data", str(foreign))

    assert answer.code == 8
    assert (foreign / "services").is_dir()


@pytest.mark.process
def test_a_stack_under_a_long_path_with_spaces_and_other_letters_starts(tmp_path: Path) -> None:
    line = CommandLine(tmp_path / ("mein Prüfstand " * 6) / "プロジェクト")
    line.write(stack_file(SHOP, ["db"]))
    up = line("runtime", "up", "--detach")
    status = line("runtime", "status")
    line.end()

    assert (up.code, status.code) == (0, 0)


def test_interrupting_logs_does_not_stop_the_stack(open_shop: CommandLine) -> None:
    logs = open_shop.start("runtime", "logs", "--follow")
    logs.wait_for("server on")
    logs.interrupt(signal.SIGINT)

    assert logs.answer().code == 130
    assert logs.answer().err.strip() == ""
    assert open_shop("runtime", "status").code == 0
