"""`infra runtime up`: start, run, and every way to stop."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from fakes.command_line import INFRA, PATIENCE, SHOP, CommandLine, service, stack_file
from fakes.stacks import alive, journal_events, kill, spawned, until
from fakes.suite import free_port
from infra_cli.foreground import ReportedStack
from infra_cli.up_report import Lines
from infra_runtime.data_directory.paths import Paths
from infra_runtime.errors import SupervisorError
from infra_runtime.messages import Event

NOTHING_LEFT = "0 processes, 0 ports, 0 sockets left"
#: what a user types, and after which output
CTRL_C = {"Ctrl-C stops it": "\x03"}


# --- the foreground --------------------------------------------------------------------------------


def test_up_prints_plain_lines_with_the_addresses_and_ctrl_c_stops_and_verifies(shop: CommandLine) -> None:
    up = shop.start("runtime", "up", in_new_process=True)
    up.wait_for("Ctrl-C stops it")
    up.interrupt()
    answer = up.answer()

    assert answer.code == 130
    assert "db       ready  db://127.0.0.1:" in answer.out
    assert answer.out.splitlines()[-1].startswith("infra: 3 services, ready in ")
    assert answer.out.endswith(f"{NOTHING_LEFT}\n")
    assert "\x1b" not in answer.out
    assert " s  api     ready\n" in answer.out
    assert alive(shop.data) == []


def test_in_a_terminal_the_start_is_drawn_and_the_table_is_coloured(shop: CommandLine) -> None:
    code, picture = shop.in_terminal("runtime", "up", type_after=CTRL_C, NO_COLOR="")

    assert code == 130
    assert "\x1b[?25l" in picture
    assert "\x1b[32mready\x1b[0m  db://127.0.0.1:" in picture
    assert NOTHING_LEFT in picture


def test_no_color_turns_colours_off(shop: CommandLine) -> None:
    _code, picture = shop.in_terminal("runtime", "up", "db", type_after=CTRL_C, NO_COLOR="1")

    assert "ready  db://127.0.0.1:" in picture
    assert "\x1b[32m" not in picture


def test_a_dumb_terminal_gets_plain_lines(shop: CommandLine) -> None:
    code, picture = shop.in_terminal("runtime", "up", "db", type_after=CTRL_C, TERM="dumb")

    assert code == 130
    assert "\x1b" not in picture


def test_sigterm_stops_the_stack_like_ctrl_c(shop: CommandLine) -> None:
    up = shop.start("runtime", "up", "db")
    up.wait_for("Ctrl-C stops it")
    up.interrupt(signal.SIGTERM)
    answer = up.answer()

    assert answer.code == 143
    assert NOTHING_LEFT in answer.out


def test_ctrl_c_during_the_start_leaves_nothing(infra: CommandLine) -> None:
    infra.write(stack_file(service("mute", "--deaf"), ["mute"]))
    up = infra.start("runtime", "up")
    until(lambda: any(event.event == "spawned" for event in journal_events(infra.data)))
    up.interrupt()
    answer = up.answer()

    assert answer.code == 130
    assert NOTHING_LEFT in answer.out
    assert alive(infra.data) == []


def test_a_second_ctrl_c_does_not_wait_for_a_slow_service(infra: CommandLine) -> None:
    infra.write(stack_file(service("stubborn", "--ignore-term"), ["stubborn"]))
    up = infra.start("runtime", "up")
    up.wait_for("Ctrl-C stops it")
    up.interrupt()
    up.wait_for("press Ctrl-C again to kill all processes immediately")
    up.interrupt()
    answer = up.answer()

    assert answer.code == 130
    assert NOTHING_LEFT in answer.out
    # The supervisor was killed, and did not wait for the service's stop steps.
    assert {event.event for event in journal_events(infra.data)}.isdisjoint({"exited", "stopped"})


def test_down_from_another_process_ends_up_with_exit_code_0(shop: CommandLine) -> None:
    up = shop.start("runtime", "up", "db")
    up.wait_for("Ctrl-C stops it")
    shop("runtime", "down")
    answer = up.answer()

    assert answer.code == 0
    assert "stopped by another process" in answer.err
    assert NOTHING_LEFT in answer.out


def test_a_killed_supervisor_is_reported_and_its_services_are_stopped(
    shop: CommandLine,
) -> None:
    up = shop.start("runtime", "up", "db")
    up.wait_for("Ctrl-C stops it")
    kill(shop("runtime", "status", "--json").json["pid"])
    answer = up.answer()

    assert answer.code == 9
    assert "the supervisor exited unexpectedly" in answer.err
    assert NOTHING_LEFT in answer.out


def test_a_second_up_attaches_and_the_stack_keeps_running_without_the_first(shop: CommandLine) -> None:
    first = shop.start("runtime", "up", "db")
    first.wait_for("Ctrl-C stops it")
    second = shop.start("runtime", "up", "db")
    second.wait_for("the stack keeps running after Ctrl-C")
    first.interrupt()
    first_answer = first.answer()
    status = shop("runtime", "status", "--json").json
    second.interrupt()

    assert "the stack keeps running" in first_answer.err
    assert [service["phase"] for service in status["services"]] == ["ready"]
    assert NOTHING_LEFT in second.answer().out


def test_up_reports_that_a_detached_stack_keeps_running(shop: CommandLine) -> None:
    shop("runtime", "up", "--detach", "db")
    up = shop.start("runtime", "up", "db")
    up.wait_for(f"the stack keeps running after Ctrl-C, `infra runtime down --data {shop.data}` stops it")
    up.interrupt()

    assert up.answer().err == (
        "infra: the stack keeps running, because another client has a lease or because the stack is "
        "detached\n"
    )


def test_a_request_without_services_is_an_error(shop: CommandLine) -> None:
    up = shop("runtime", "up", "--detach", "--skip", "db,api,worker")

    assert up.code == 6
    assert "no service is selected, so no service can be started" in up.err
    assert not shop.data.exists()


def test_a_stopped_service_is_reported_with_the_command_for_its_log(infra: CommandLine) -> None:
    infra.write(stack_file(service("web", restart='"never"'), ["web"]))
    up = infra.start("runtime", "up")
    up.wait_for("Ctrl-C stops it")
    kill(infra("runtime", "status", "--json").json["services"][0]["pid"])
    up.wait_for(f"`infra runtime logs web --data {infra.data}` prints the log of the service")
    up.interrupt()

    assert " s  web  stopped: was killed by signal 9" in up.answer().out


def test_a_crash_is_reported_when_it_happens(shop: CommandLine) -> None:
    up = shop.start("runtime", "up", "db")
    up.wait_for("Ctrl-C stops it")
    kill(shop("runtime", "status", "--json").json["services"][0]["pid"])
    up.wait_for("backoff: was killed by signal 9")
    up.interrupt()

    assert up.answer().code == 130


# --- telemetry ------------------------------------------------------------------------------------

WITHOUT_SERVERS = ("--env", "development", "--skip", "nats,postgres,valkey,caddy,pocketbase,dashboard")
#: it hides a library of the extra `telemetry`
HIDDEN = "import sys\nsys.modules['uvicorn'] = None\n"


def test_without_its_extra_up_reports_the_missing_telemetry_and_continues(infra: CommandLine) -> None:
    db = service("db", ports=f"{{ main = {free_port()} }}")
    infra.write(db)
    infra.write(HIDDEN, "site/sitecustomize.py")
    environ = {"PYTHONPATH": str(infra.root / "site")}

    up = infra.process("runtime", "up", "--detach", *WITHOUT_SERVERS, environ=environ)
    infra.write(f"telemetry = false\ndashboard = false\n{db}")
    silent = infra.process("runtime", "plan", "--env", "development", environ=environ)

    assert up.code == 0
    assert up.err.count("pip install 'pytest-infra[telemetry]'") == 1
    assert "infra: 1 service, ready" in up.out
    assert (silent.code, silent.err) == (0, "")


@pytest.mark.real("telemetry")
def test_up_prints_the_addresses_of_the_telemetry(infra: CommandLine) -> None:
    db, otlp, grpc, query = (free_port() for _ in range(4))
    infra.write(
        service("db", ports=f"{{ main = {db} }}")
        + f"[services.telemetry]\nports = {{ otlp = {otlp}, otlp_grpc = {grpc}, query = {query} }}\n"
    )

    up = infra("runtime", "up", "--detach", *WITHOUT_SERVERS)

    assert (up.code, up.err) == (0, "")
    assert f"telemetry  ready  http://127.0.0.1:{otlp}" in up.out
    assert f"http://127.0.0.1:{query}  (query)" in up.out


# --- the background --------------------------------------------------------------------------------


def test_a_detached_stack_runs_until_down(shop: CommandLine) -> None:
    up = shop("runtime", "up", "--detach")
    status = shop("runtime", "status", "--json").json
    down = shop("runtime", "down")

    assert up.code == 0
    assert f"`infra runtime down --data {shop.data}` stops it" in up.out
    assert (status["leases"], status["stay"]) == (0, True)
    assert down.code == 0
    assert down.out.endswith(f"{NOTHING_LEFT}\n")


def test_with_no_wait_up_returns_before_the_services_are_ready(infra: CommandLine) -> None:
    infra.write(stack_file(service("mute", "--deaf"), ["mute"]))
    up = infra("runtime", "up", "--detach", "--no-wait")

    assert up.code == 0
    assert f"1 service starting; `infra runtime wait --data {infra.data}`" in up.out
    assert infra("runtime", "status", "--json").json["services"][0]["phase"] in {"preparing", "starting"}


def test_no_wait_without_detach_is_an_error(infra: CommandLine) -> None:
    assert infra("runtime", "up", "--no-wait").code == 2


def test_a_failed_detached_start_stops_all_services(infra: CommandLine) -> None:
    infra.write(stack_file(SHOP + service("broken", "--deaf", "--exit-after", "0.01"), ["db", "broken"]))
    up = infra("runtime", "up", "--detach")

    assert up.code == 3
    assert infra("runtime", "status").code == 7
    assert alive(infra.data) == []


# --- which services --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["db"], ["db"]),
        (["api"], ["db", "api"]),
        (["--only", "db,api"], ["db", "api"]),
        (["--skip", "worker"], ["db", "api"]),
        (["--profile", "small"], ["db"]),
    ],
)
def test_the_selected_services_and_their_needs_are_started(
    shop: CommandLine, arguments: list[str], names: list[str]
) -> None:
    shop.write(stack_file(SHOP, ["db", "api", "worker"]) + '\n[profiles]\nsmall = ["db"]\n')

    up = shop("runtime", "up", "--detach", "--json", *arguments)

    assert [service["name"] for service in up.json_lines[-1]["services"]] == names


# --- errors ----------------------------------------------------------------------------------------


def test_a_failed_service_stops_the_stack_and_its_last_log_lines_are_printed(infra: CommandLine) -> None:
    infra.write(
        stack_file(
            SHOP + service("broken", "--deaf", "--exit-after", "0.01", "--status", "5"), ["db", "broken"]
        )
    )
    up = infra("runtime", "up")

    assert up.code == 3
    assert "broken: exited with status 5 before it was ready" in up.err
    assert "  | server on " in up.err
    assert "hint: The complete log: " in up.err
    assert "Traceback" not in up.err
    assert "WHERE" not in up.out
    assert NOTHING_LEFT in up.out


def test_a_port_of_a_foreign_process_is_reported_with_the_process(infra: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as foreign:
        port = foreign.getsockname()[1]
        infra.write(stack_file(service("web", ports=f"{{ main = {port} }}"), ["web"]))
        up = infra("runtime", "up", "--env", "development")

        assert up.code == 4
        assert f"port {port} is taken by pid {os.getpid()}" in up.err


def test_a_missing_program_is_reported(infra: CommandLine) -> None:
    infra.write(stack_file('[services.x]\ncommand = ["${bin.no-such-program}"]\n', ["x"]))
    up = infra("runtime", "up")

    assert up.code == 5
    assert "no-such-program" in up.err
    assert not (infra.data / "events.jsonl").exists()


def test_a_mistake_in_the_stack_file_is_reported_with_its_line(infra: CommandLine) -> None:
    infra.write('use = ["x"]\n\n[services.x]\ncomand = ["true"]\n')
    up = infra("runtime", "up")

    assert up.code == 6
    assert f"{infra.root}/infra.toml:" in up.err


def test_a_data_directory_that_cannot_be_created_is_reported(shop: CommandLine) -> None:
    shop.write("a file", "taken")
    up = shop("runtime", "up", "--data", "taken/data")

    assert up.code == 8


def test_a_running_stack_with_another_specification_is_not_changed(shop: CommandLine) -> None:
    shop("runtime", "up", "--detach", "db")
    shop.write(stack_file(SHOP.replace("18431 }", "18431, more = 18439 }"), ["db"]))
    up = shop("runtime", "up", "db")

    assert up.code == 6
    assert "db is running with another specification (changed: " in up.err
    assert shop("runtime", "status").code == 0


# --- permissions -----------------------------------------------------------------------------------


def test_json_is_the_journal_the_stack_and_the_proof(shop: CommandLine) -> None:
    up = shop.start("runtime", "up", "--json")
    up.wait_for('"event": "stack"')
    up.interrupt()
    lines = up.answer().json_lines

    assert [line["service"] for line in lines if line["event"] == "ready"] == ["db", "api", "worker"]
    assert next(line for line in lines if line["event"] == "stack")["failures"] == []
    assert lines[-1]["event"] == "proof"
    assert lines[-1]["clean"]


def test_a_closed_output_pipe_stops_the_stack_without_a_message(shop: CommandLine) -> None:
    with subprocess.Popen(
        [INFRA, "runtime", "up", "db"],
        cwd=shop.root,
        env=shop.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as up:
        assert up.stdout is not None
        assert up.stderr is not None
        up.stdout.close()
        errors = up.stderr.read()

    assert up.returncode == 141
    assert errors == ""
    assert spawned(shop.data)
    until(lambda: not alive(shop.data))


def test_a_full_output_pipe_blocks_neither_start_nor_stop(shop: CommandLine) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 65536)
    os.set_blocking(writer, True)
    up = subprocess.Popen(
        [INFRA, "runtime", "up", "db"], cwd=shop.root, env=shop.environ, stdout=writer, stderr=writer
    )
    os.close(writer)
    wait = shop("runtime", "wait", "--timeout", "60")
    up.kill()
    up.wait()
    os.close(reader)

    assert wait.code == 0
    until(lambda: not alive(shop.data))


def test_closing_the_terminal_stops_the_stack(shop: CommandLine) -> None:
    up = shop.start("runtime", "up", "db")
    up.wait_for("Ctrl-C stops it")
    up.interrupt(signal.SIGHUP)
    up.process.wait(timeout=PATIENCE)

    until(lambda: not alive(shop.data))
    until(lambda: shop("runtime", "status").code == 7)


def test_up_starts_the_stack_without_standard_streams(shop: CommandLine) -> None:
    closed = subprocess.run(
        ["sh", "-c", f"exec {INFRA} runtime up --detach db >&- 2>&- <&-"],
        cwd=shop.root,
        env=shop.environ,
        check=False,
    )

    assert closed.returncode == 0
    assert shop("runtime", "status").code == 0


def test_up_starts_the_stack_without_home_and_term(shop: CommandLine, tmp_path: Path) -> None:
    del shop.environ["HOME"]
    shop.environ.pop("TERM", None)
    shop.environ["INFRA_CACHE"] = str(tmp_path / "cache")

    assert shop("runtime", "up", "--detach", "db").code == 0


# --- watching --------------------------------------------------------------------------------------


def test_a_changed_file_restarts_the_services_that_watch_it(infra: CommandLine) -> None:
    pytest.importorskip("watchfiles")
    infra.write("one", "src/app/main.py")
    services = service("api", watch='["src/**/*.py"]') + service("db", ports="{ main = 18441 }")
    infra.write(stack_file(services, ["api", "db"]))
    up = infra.start("runtime", "up", "--watch")
    up.wait_for("Ctrl-C stops it")
    before = pids(infra)
    until(lambda: touch(infra) and "restarting api" in up.err)
    until(lambda: pids(infra).get("api") not in (0, None, before["api"]))
    after = pids(infra)
    up.interrupt()

    assert up.answer().code == 130
    assert after["db"] == before["db"]


def test_with_watch_a_failed_service_starts_after_its_file_was_fixed(infra: CommandLine) -> None:
    pytest.importorskip("watchfiles")
    infra.write("import sys; sys.exit(1)", "app.py")
    infra.write(stack_file(FIXABLE, ["x"]))
    up = infra.start("runtime", "up", "--watch")
    up.wait_for("x: exited with status 1 before it was ready")
    until(lambda: infra.write(FIXED, "app.py") and "x  ready" in up.out)
    up.interrupt()

    assert up.answer().code == 130


#: ready when a file exists, which only the fixed program writes
FIXABLE = """
[services.x]
command = ["${bin.python}", "app.py"]
ready = { exec = ["${bin.python}", "-I", "-S", "-c", "import os; os.stat('fixed')"] }
start_timeout = 300
watch = ["*.py"]
"""
FIXED = "import time; open('fixed', 'w').close(); time.sleep(600)"


def touch(infra: CommandLine) -> bool:
    """Write the file; the test repeats this, because the watcher may not be running yet."""
    return infra.write("two", "src/app/main.py").exists()


def pids(infra: CommandLine) -> dict[str, int]:
    services = infra("runtime", "status", "--json").json["services"]
    return {service["name"]: service["pid"] for service in services}


# --- the end ---------------------------------------------------------------------------------------


class EndedStack:
    """A stack that returns the given events and ends."""

    def __init__(self, *events: str) -> None:
        self._events = events

    def events(self) -> list[Event]:
        return [Event(time=1.0, event=event) for event in self._events]


def reported(folder: Path, stack: EndedStack) -> ReportedStack:
    reported_stack = ReportedStack.__new__(ReportedStack)
    reported_stack._paths, reported_stack._report = Paths(str(folder)), Lines([])
    reported_stack._stack, reported_stack._has_ended = stack, False
    return reported_stack


def test_a_stack_that_was_stopped_and_wiped_by_another_process_is_not_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reported(tmp_path / "wiped", EndedStack("stopping", "down")).wait_for_end(None) == 0

    assert "the stack was stopped by another process" in capsys.readouterr().err


def test_a_supervisor_that_exits_without_a_down_event_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SupervisorError, match="the supervisor exited unexpectedly"):
        reported(tmp_path / "wiped", EndedStack("ready")).wait_for_end(None)
