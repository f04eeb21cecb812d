"""`infra runtime up`: a start, a life, and every way in which that ends."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from fakes.command_line import INFRA, PATIENCE, SHOP, CommandLine, service, stack_file
from fakes.stacks import alive, journal_events, kill, until
from infra_cli.foreground import Held
from infra_cli.up_report import Lines
from infra_runtime.data_directory.paths import Paths
from infra_runtime.errors import SupervisorError
from infra_runtime.messages import Event

NOTHING_LEFT = "0 processes, 0 ports, 0 sockets left"


# --- the foreground --------------------------------------------------------------------------------


def test_up_tells_where_the_stack_answers_and_ctrl_c_ends_with_the_proof(shop: CommandLine) -> None:
    up = shop.begin("runtime", "up")
    up.says("Ctrl-C stops it")
    up.interrupt()
    answer = up.answer()

    assert answer.code == 130
    assert "db       ready  db://127.0.0.1:" in answer.out
    assert answer.out.splitlines()[-1].startswith("infra: 3 services, ready in ")
    assert answer.out.endswith(f"{NOTHING_LEFT}\n")
    assert alive(shop.data) == []


def test_outside_a_terminal_there_are_plain_lines(shop: CommandLine) -> None:
    up = shop.begin("runtime", "up")
    up.says("Ctrl-C stops it")
    up.interrupt()

    assert "\x1b" not in up.answer().out
    assert " s  api     ready\n" in up.out


def test_in_a_terminal_the_start_is_drawn_and_the_table_is_coloured(shop: CommandLine) -> None:
    code, picture = shop.in_terminal("runtime", "up", type_after={"Ctrl-C stops it": "\x03"}, NO_COLOR="")

    assert code == 130
    assert "\x1b[?25l" in picture
    assert "\x1b[32mready\x1b[0m  db://127.0.0.1:" in picture
    assert NOTHING_LEFT in picture


def test_no_color_is_respected(shop: CommandLine) -> None:
    _code, picture = shop.in_terminal("runtime", "up", type_after={"Ctrl-C stops it": "\x03"}, NO_COLOR="1")

    assert "ready  db://127.0.0.1:" in picture
    assert "\x1b[32m" not in picture


def test_a_terminal_that_can_do_nothing_gets_plain_lines(shop: CommandLine) -> None:
    code, picture = shop.in_terminal("runtime", "up", type_after={"Ctrl-C stops it": "\x03"}, TERM="dumb")

    assert code == 130
    assert "\x1b" not in picture


def test_sigterm_ends_it_as_politely_as_ctrl_c(shop: CommandLine) -> None:
    up = shop.begin("runtime", "up", "db")
    up.says("Ctrl-C stops it")
    up.interrupt(signal.SIGTERM)
    answer = up.answer()

    assert answer.code == 143
    assert NOTHING_LEFT in answer.out


def test_ctrl_c_during_the_start_leaves_nothing(infra: CommandLine) -> None:
    infra.write(stack_file(service("mute", "--deaf"), ["mute"]))
    up = infra.begin("runtime", "up")
    until(lambda: any(event.event == "spawned" for event in journal_events(infra.data)))
    up.interrupt()
    answer = up.answer()

    assert answer.code == 130
    assert NOTHING_LEFT in answer.out
    assert alive(infra.data) == []


def test_a_second_ctrl_c_does_not_wait_for_a_service_that_takes_its_time(infra: CommandLine) -> None:
    infra.write(stack_file(service("stubborn", "--ignore-term"), ["stubborn"]))
    up = infra.begin("runtime", "up")
    up.says("Ctrl-C stops it")
    up.interrupt()
    up.says("kills at once")
    up.interrupt()
    answer = up.answer()

    assert answer.code == 130
    assert NOTHING_LEFT in answer.out
    # Nobody waited for its ladder: the supervisor itself was killed.
    assert {event.event for event in journal_events(infra.data)}.isdisjoint({"exited", "stopped", "down"})


def test_down_from_elsewhere_ends_the_foreground_well(shop: CommandLine) -> None:
    up = shop.begin("runtime", "up", "db")
    up.says("Ctrl-C stops it")
    shop("runtime", "down")
    answer = up.answer()

    assert answer.code == 0
    assert "stopped from elsewhere" in answer.err
    assert NOTHING_LEFT in answer.out


def test_a_supervisor_that_is_killed_takes_its_services_along_and_the_foreground_says_so(
    shop: CommandLine,
) -> None:
    up = shop.begin("runtime", "up", "db")
    up.says("Ctrl-C stops it")
    kill(shop("runtime", "status", "--json").json["pid"])
    answer = up.answer()

    assert answer.code == 9
    assert "the supervisor died" in answer.err
    assert NOTHING_LEFT in answer.out


def test_the_second_up_joins_and_the_stack_outlives_the_first(shop: CommandLine) -> None:
    first = shop.begin("runtime", "up", "db")
    first.says("Ctrl-C stops it")
    second = shop.begin("runtime", "up", "db")
    second.says("Ctrl-C leaves it running")
    first.interrupt()
    joined = first.answer()
    status = shop("runtime", "status", "--json").json
    second.interrupt()

    assert "the stack goes on" in joined.err
    assert [each["phase"] for each in status["services"]] == ["ready"]
    assert NOTHING_LEFT in second.answer().out


def test_who_joins_a_stack_that_stays_is_told_that_it_stays(shop: CommandLine) -> None:
    shop("runtime", "up", "--detach", "db")
    up = shop.begin("runtime", "up", "db")
    up.says("Ctrl-C leaves it running, `infra runtime down` stops it")
    up.interrupt()

    assert up.answer().err == "infra: the stack goes on: somebody else holds it, or it was told to stay\n"


def test_an_order_that_leaves_nothing_to_start_is_a_mistake(shop: CommandLine) -> None:
    up = shop("runtime", "up", "--detach", "--skip", "db,api,worker")

    assert up.code == 6
    assert "no service is left to start" in up.err
    assert not shop.data.exists()


def test_a_service_that_gives_up_is_told_with_where_its_last_words_are(infra: CommandLine) -> None:
    infra.write(stack_file(service("web", "--exit-after", "0.2", restart='"never"'), ["web"]))
    up = infra.begin("runtime", "up")
    up.says("`infra runtime logs web` has its last words")
    up.interrupt()

    assert " s  web  stopped: exited with status " in up.answer().out


def test_a_crash_is_told_while_it_happens(shop: CommandLine) -> None:
    up = shop.begin("runtime", "up", "db")
    up.says("Ctrl-C stops it")
    kill(shop("runtime", "status", "--json").json["services"][0]["pid"])
    up.says("backoff: was killed by signal 9")
    up.interrupt()

    assert up.answer().code == 130


# --- the background --------------------------------------------------------------------------------


def test_detached_the_stack_stays_until_down(shop: CommandLine) -> None:
    up = shop("runtime", "up", "--detach")
    status = shop("runtime", "status", "--json").json
    down = shop("runtime", "down")

    assert up.code == 0
    assert "`infra runtime down` stops it" in up.out
    assert (status["leases"], status["stay"]) == (0, True)
    assert down.code == 0
    assert down.out.endswith(f"{NOTHING_LEFT}\n")


def test_without_waiting_up_returns_when_the_order_is_given(infra: CommandLine) -> None:
    infra.write(stack_file(service("mute", "--deaf"), ["mute"]))
    up = infra("runtime", "up", "--detach", "--no-wait")

    assert up.code == 0
    assert "1 service on the way; `infra runtime wait`" in up.out
    assert infra("runtime", "status", "--json").json["services"][0]["phase"] in {"preparing", "starting"}


def test_no_wait_without_detach_is_a_mistake(infra: CommandLine) -> None:
    assert infra("runtime", "up", "--no-wait").code == 2


def test_a_detached_start_that_fails_leaves_no_half_of_a_stack(infra: CommandLine) -> None:
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
def test_services_are_chosen_and_their_needs_come_along(
    shop: CommandLine, arguments: list[str], names: list[str]
) -> None:
    shop.write(stack_file(SHOP, ["db", "api", "worker"]) + '\n[profiles]\nsmall = ["db"]\n')

    up = shop("runtime", "up", "--detach", "--json", *arguments)

    assert [each["name"] for each in up.json_lines[-1]["services"]] == names


# --- what goes wrong -------------------------------------------------------------------------------


def test_a_service_that_fails_ends_everything_with_its_last_lines(infra: CommandLine) -> None:
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


def test_a_port_of_a_stranger_is_named_with_its_holder(infra: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        infra.write(stack_file(service("web", ports=f"{{ main = {port} }}"), ["web"]))
        up = infra("runtime", "up", "--env", "development")

        assert up.code == 4
        assert f"port {port} is taken by pid {os.getpid()}" in up.err


def test_a_missing_program_is_named(infra: CommandLine) -> None:
    infra.write(stack_file('[services.x]\ncommand = ["${bin.no-such-program}"]\n', ["x"]))
    up = infra("runtime", "up")

    assert up.code == 5
    assert "no-such-program" in up.err
    assert not (infra.data / "events.jsonl").exists()


def test_a_mistake_in_the_stack_file_is_told_with_its_line(infra: CommandLine) -> None:
    infra.write('use = ["x"]\n\n[services.x]\ncomand = ["true"]\n')
    up = infra("runtime", "up")

    assert up.code == 6
    assert f"{infra.root}/infra.toml:" in up.err


def test_a_data_directory_that_cannot_be_made_is_named(shop: CommandLine) -> None:
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


# --- who reads -------------------------------------------------------------------------------------


def test_json_is_the_journal_the_stack_and_the_proof(shop: CommandLine) -> None:
    up = shop.begin("runtime", "up", "--json")
    up.says('"event": "stack"')
    up.interrupt()
    lines = up.answer().json_lines

    assert [line["service"] for line in lines if line["event"] == "ready"] == ["db", "api", "worker"]
    assert next(line for line in lines if line["event"] == "stack")["failures"] == []
    assert lines[-1]["event"] == "proof"
    assert lines[-1]["clean"]


def test_a_reader_who_goes_away_ends_the_stack_quietly(shop: CommandLine) -> None:
    with subprocess.Popen(
        [INFRA, "runtime", "up"],
        cwd=shop.root,
        env=shop.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as up:
        assert up.stdout is not None
        assert up.stderr is not None
        up.stdout.readline()
        up.stdout.close()
        complaints = up.stderr.read()

    assert up.returncode == 141
    assert complaints == ""
    until(lambda: not alive(shop.data))


def test_a_pipe_that_is_full_keeps_nothing_from_starting_and_nothing_from_ending(shop: CommandLine) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 65536)
    os.set_blocking(writer, True)
    up = subprocess.Popen(
        [INFRA, "runtime", "up"], cwd=shop.root, env=shop.environ, stdout=writer, stderr=writer
    )
    os.close(writer)
    wait = shop("runtime", "wait", "--timeout", "60")
    up.kill()
    up.wait()
    os.close(reader)

    assert wait.code == 0
    until(lambda: not alive(shop.data))


def test_a_terminal_that_closes_takes_its_stack_along(shop: CommandLine) -> None:
    up = shop.begin("runtime", "up")
    up.says("Ctrl-C stops it")
    up.interrupt(signal.SIGHUP)
    up.process.wait(timeout=PATIENCE)

    until(lambda: not alive(shop.data))
    until(lambda: shop("runtime", "status").code == 7)


def test_without_standard_output_it_works_in_silence(shop: CommandLine) -> None:
    closed = subprocess.run(
        ["sh", "-c", f"exec {INFRA} runtime up --detach >&- 2>&- <&-"],
        cwd=shop.root,
        env=shop.environ,
        check=False,
    )

    assert closed.returncode == 0
    assert shop("runtime", "status").code == 0


def test_without_home_and_terminal_it_works(shop: CommandLine, tmp_path: Path) -> None:
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
    up = infra.begin("runtime", "up", "--watch")
    up.says("Ctrl-C stops it")
    before = pids(infra)
    until(lambda: touch(infra) and "restarting api" in up.err)
    until(lambda: pids(infra).get("api") not in (0, None, before["api"]))
    after = pids(infra)
    up.interrupt()

    assert up.answer().code == 130
    assert after["db"] == before["db"]


def test_under_watch_a_failed_start_waits_for_the_file_that_mends_it(infra: CommandLine) -> None:
    pytest.importorskip("watchfiles")
    infra.write("import sys; sys.exit(1)", "app.py")
    infra.write(stack_file(MENDABLE, ["x"]))
    up = infra.begin("runtime", "up", "--watch")
    up.says("x: exited with status 1 before it was ready")
    until(lambda: infra.write(MENDED, "app.py") and "x  ready" in up.out)
    up.interrupt()

    assert up.answer().code == 130


#: ready when a file is there, which only the mended program writes
MENDABLE = """
[services.x]
command = ["${bin.python}", "app.py"]
ready = { exec = ["${bin.python}", "-I", "-S", "-c", "import os; os.stat('mended')"] }
watch = ["*.py"]
"""
MENDED = "import time; open('mended', 'w').close(); time.sleep(600)"


def touch(infra: CommandLine) -> bool:
    """Write again until it is seen: the watcher needs a moment to begin."""
    return infra.write("two", "src/app/main.py").exists()


def pids(infra: CommandLine) -> dict[str, int]:
    return {each["name"]: each["pid"] for each in infra("runtime", "status", "--json").json["services"]}


# --- the end ---------------------------------------------------------------------------------------


class Ended:
    """A stack that tells these events, and is gone then."""

    def __init__(self, *events: str) -> None:
        self._events = events

    def events(self) -> list[Event]:
        return [Event(time=1.0, event=event) for event in self._events]


def held(folder: Path, stack: Ended) -> Held:
    found = Held.__new__(Held)
    found._paths, found._told, found._stack, found._gone = Paths(str(folder)), Lines([]), stack, False
    return found


def test_an_end_from_elsewhere_that_takes_the_journal_along_is_an_end_like_any_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert held(tmp_path / "wiped", Ended("stopping", "down")).last(None) == 0

    assert "the stack was stopped from elsewhere" in capsys.readouterr().err


def test_a_supervisor_that_is_gone_without_a_word_has_died(tmp_path: Path) -> None:
    with pytest.raises(SupervisorError, match="the supervisor died"):
        held(tmp_path / "wiped", Ended("ready")).last(None)
