"""Printed commands select the stack that they are about, in every terminal."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.command_line import CommandLine, service, stack_file
from fakes.suite import free_port

pytestmark = pytest.mark.process

COMMAND = re.compile(r"`infra ([^`]*)`")
#: the options and variables that select a stack
SELECTIONS = [
    ((), {}),
    (("--env", "test"), {}),
    (("--data", "../my data"), {}),
    (("--env", "staging", "--data", "../other"), {}),
    (("-C", "."), {}),
    ((), {"INFRA_ENV": "test"}),
    ((), {"INFRA_DATA": "../elsewhere"}),
]


def services(*names: str) -> str:
    """Return a stack file with these services, on ports that are free."""
    tables = [service(name, ports=f"{{ main = {free_port()} }}") for name in names]
    return stack_file("".join(tables), names)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[CommandLine]:
    """Run `infra` in a project with one service, without variables."""
    line = CommandLine(tmp_path / "project")
    line.write(services("web"))
    del line.environ["INFRA_ENV"]
    yield line
    line.end("../my data", "../other", "../elsewhere")


def printed(text: str, name: str) -> list[str]:
    """Return the words of the printed command with this name."""
    [command] = {words for words in COMMAND.findall(text) if words.startswith(f"runtime {name}")}
    return shlex.split(command)


def elsewhere(shop: CommandLine, words: list[str]) -> CommandLine:
    """Return another terminal; a command without options is for the project's folder."""
    folder = shop.root if "--data" not in words else shop.root.parent / "other terminal"
    line = CommandLine(folder)
    del line.environ["INFRA_ENV"]
    return line


@pytest.mark.parametrize(("options", "environ"), SELECTIONS, ids=str)
def test_the_commands_that_up_and_status_print_work_in_another_terminal(shop, options, environ) -> None:
    without_stack = shop("runtime", "status", *options, environ=environ)
    assert without_stack.code == 7
    started = CommandLine(shop.root)
    del started.environ["INFRA_ENV"]
    up = started(*printed(without_stack.err, "up"), "--detach", "--no-wait")
    assert up.code == 0, up

    wait = printed(up.out, "wait")
    assert elsewhere(shop, wait)(*wait).code == 0
    status = shop("runtime", "status", *options, environ=environ)
    assert status.code == 0
    down = printed(status.out, "down")
    assert elsewhere(shop, down)(*down).code == 0

    again = shop("runtime", "up", "--detach", *options, environ=environ)
    down = printed(again.out, "down")
    assert elsewhere(shop, down)(*down).code == 0


def test_status_without_a_stack_names_the_stack_of_another_environment(shop) -> None:
    shop("runtime", "up", "--detach", "--env", "test")

    for command in ("status", "down"):
        answer = shop("runtime", command)
        assert answer.code == 7
        assert f"no stack is running in {shop.root}/.data" in answer.err
        assert f"A stack is running in {shop.data}: " in answer.err
    words = printed(answer.err, "status")
    assert elsewhere(shop, words)(*words).code == 0
    words = printed(answer.err, "down")
    assert elsewhere(shop, words)(*words).code == 0


def test_status_of_a_stack_mentions_the_stack_of_another_environment(shop) -> None:
    shop("runtime", "up", "--detach", "--env", "test")
    shop("runtime", "up", "--detach")

    answer = shop("runtime", "status")
    alone = shop("runtime", "status", "--env", "test")

    assert f"A stack is running in {shop.data}: " in answer.err
    assert f"A stack is running in {shop.root}/.data: " in alone.err
    assert shop("runtime", "status", "--json").json["environment"] == "development"


def test_a_terminal_with_other_variables_finds_the_same_stack(shop) -> None:
    shop("runtime", "up", "--detach")

    for environ in (
        {"INFRA_RUNTIME_DIR": "/tmp/infra-other-runtime-dir"},
        {"XDG_RUNTIME_DIR": "/run/user/1000"},
        {"TMPDIR": "/var/tmp"},
        {"HOME": "relative"},
        {"HOME": ""},
    ):
        status = shop("runtime", "status", "--json", environ=environ)
        assert status.json["services"][0]["ready"], environ

    down = shop("runtime", "down", environ={"INFRA_RUNTIME_DIR": "/tmp/infra-other-runtime-dir"})
    assert down.code == 0
    assert "0 processes, 0 ports, 0 sockets left" in down.out


def test_a_stack_starts_with_a_relative_home(shop) -> None:
    up = shop("runtime", "up", "--detach", environ={"HOME": "home"})

    assert up.code == 0, up
    assert not (shop.root / "home").exists()


# --- names that the kit uses for its own files -----------------------------------------------------


def test_services_may_have_the_names_of_files_and_folders_of_the_kit(shop) -> None:
    names = ["control", "ports", "snapshot", "infra", "logs", "services", "cache"]
    shop.write(services(*names))

    assert shop("runtime", "up", "--detach").code == 0
    assert shop("runtime", "snapshot", "save").code == 0
    assert shop("runtime", "snapshot", "restore").code == 0
    status = shop("runtime", "status", "--json").json["services"]
    assert {service["name"]: service["ready"] for service in status} == dict.fromkeys(names, True)
    assert "0 processes, 0 ports, 0 sockets left" in shop("runtime", "down").out


def test_a_service_cannot_have_the_name_of_the_supervisors_log(shop) -> None:
    shop.write(services("supervisor"))

    for command in (("config", "validate"), ("runtime", "up", "--detach")):
        answer = shop(*command)
        assert answer.code == 6
        assert (
            "a service cannot have the name 'supervisor': the supervisor writes the file logs/supervisor.log"
            in answer.err
        )
