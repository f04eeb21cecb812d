"""Leased and fixed ports, and the processes that hold ports."""

from __future__ import annotations

import errno
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra_runtime.host import ports as ports_module
from infra_runtime.host.ports import FIRST, LAST, PortError, Ports, holder, listeners, taken

pytestmark = pytest.mark.process


def listener(port: int = 0, host: str = "127.0.0.1") -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, dualstack_ipv6=family == socket.AF_INET6)


@pytest.fixture
def free() -> int:
    """Return a port without a listener."""
    with listener() as server:
        return int(server.getsockname()[1])


@pytest.fixture
def locks(tmp_path) -> Iterator[str]:
    """Return a folder for lock files, separate from those of other stacks on the machine."""
    return str(tmp_path / "ports")


def narrow(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Reduce the range of leased ports to `size` free ports."""
    for first in range(FIRST, LAST, size):
        if all(taken(port, name_it=False) is None for port in range(first, first + size)):
            monkeypatch.setattr(ports_module, "FIRST", first)
            monkeypatch.setattr(ports_module, "LAST", first + size - 1)
            return
    pytest.skip(f"there are no {size} consecutive free ports")


def test_a_leased_port_is_free_and_outside_the_range_of_the_kernel(locks) -> None:
    port = Ports(locks, "/data", leased=True).take("web", "main", 8080)

    assert FIRST <= port <= LAST
    assert taken(port) is None


def test_a_service_keeps_its_port_as_long_as_it_holds_it(locks) -> None:
    ports = Ports(locks, "/data", leased=True)

    assert ports.take("web", "main", 0) == ports.take("web", "main", 0)


def test_a_listener_is_found_by_a_connection_on_systems_where_a_second_bind_succeeds(monkeypatch) -> None:
    """On macOS a bind to 127.0.0.1 succeeds despite a listener on all addresses."""
    with listener() as foreign:
        monkeypatch.setattr(socket.socket, "bind", lambda *_: None)
        monkeypatch.setattr(sys, "platform", "darwin")

        assert taken(foreign.getsockname()[1], name_it=False) == "a process"


def test_a_port_that_needs_privileges_is_an_error_with_that_reason() -> None:
    first = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    if not first.exists() or int(first.read_text()) <= 80:
        pytest.skip("on this machine all users may listen on port 80")
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        with pytest.raises(PermissionError, match="privileges to listen on ports below 1024: 'port 80'"):
            taken(80)
    finally:
        os.seteuid(user)


def test_two_stacks_never_share_a_port_and_a_full_range_is_an_error(locks, monkeypatch) -> None:
    narrow(monkeypatch, 3)
    one, other = Ports(locks, "/one", leased=True), Ports(locks, "/other", leased=True)

    leased = [one.take("a", "main", 0), other.take("b", "main", 0), one.take("c", "main", 0)]

    assert len(set(leased)) == 3
    with pytest.raises(PortError) as caught:
        other.take("d", "main", 0)
    assert "every other port up to" in caught.value.holder


def test_a_range_of_a_single_port_is_a_range(locks, monkeypatch) -> None:
    narrow(monkeypatch, 1)

    assert Ports(locks, "/data", leased=True).take("web", "main", 0) == ports_module.FIRST


def test_a_port_can_be_leased_again_after_its_lease_ended(locks, monkeypatch) -> None:
    narrow(monkeypatch, 1)
    one, other = Ports(locks, "/one", leased=True), Ports(locks, "/other", leased=True)
    port = one.take("web", "main", 0)

    one.give_back("web")

    assert other.take("web", "main", 0) == port


def test_the_lease_of_a_single_port_of_a_service_can_end(locks, monkeypatch) -> None:
    narrow(monkeypatch, 2)
    one, other = Ports(locks, "/one", leased=True), Ports(locks, "/other", leased=True)
    main, admin = one.take("web", "main", 0), one.take("web", "admin", 0)

    one.give_back("web", "admin")

    assert other.take("web", "main", 0) == admin
    assert one.take("web", "main", 0) == main


def test_another_port_replaces_a_leased_port_of_a_foreign_process(locks) -> None:
    ports = Ports(locks, "/data", leased=True)
    port = ports.take("web", "main", 0)

    with listener(port):
        assert ports.take("web", "main", 0) != port


def test_a_port_with_a_foreign_listener_is_never_leased(locks, monkeypatch) -> None:
    narrow(monkeypatch, 2)

    with listener(ports_module.FIRST):
        assert Ports(locks, "/data", leased=True).take("web", "main", 0) == ports_module.LAST


def test_a_fixed_port_is_the_requested_one(locks, free) -> None:
    assert Ports(locks, "/data", leased=False).take("web", "main", free) == free


def test_a_fixed_port_of_a_foreign_process_is_an_error_with_pid_and_command(locks) -> None:
    with listener() as foreign, pytest.raises(PortError) as caught:
        Ports(locks, "/data", leased=False).take("web", "main", foreign.getsockname()[1])

    assert re.match(rf"pid {os.getpid()} \(.*python", caught.value.holder)


def test_a_held_fixed_port_is_an_error_when_a_foreign_process_listens_on_it(locks, free) -> None:
    ports = Ports(locks, "/data", leased=False)
    ports.take("web", "main", free)

    with listener(free), pytest.raises(PortError, match=str(free)):
        ports.take("web", "main", free)


def test_a_fixed_port_of_another_stack_is_an_error_before_a_process_listens(locks, free) -> None:
    one = Ports(locks, "/one", leased=False)
    one.take("web", "main", free)

    with pytest.raises(PortError) as caught:
        Ports(locks, "/other", leased=False).take("web", "main", free)

    assert caught.value.holder == "another stack of this user, with the data directory /one"


def test_another_port_replaces_a_fixed_port_in_use_if_it_may_differ(locks, free) -> None:
    one, other = Ports(locks, "/one", leased=False), Ports(locks, "/other", leased=False)
    one.take("web", "main", free, True)

    with listener() as foreign:
        used = foreign.getsockname()[1]
        first = one.take("tool", "main", used, True)
        second = other.take("tool", "main", free, True)
        again = other.take("tool", "main", free, True)

    assert len({free, used, first, second}) == 4
    assert again == second


def test_a_free_fixed_port_is_the_requested_one_also_if_it_may_differ(locks, free) -> None:
    assert Ports(locks, "/data", leased=False).take("web", "main", free, True) == free


def test_the_lease_of_a_dead_supervisor_ends(locks, monkeypatch) -> None:
    narrow(monkeypatch, 1)
    code = "import sys; from infra_runtime.host import ports\n"
    code += "ports.FIRST = ports.LAST = int(sys.argv[1])\n"
    code += "print(ports.Ports(sys.argv[2], '/dead', leased=True).take('web', 'main', 0))"
    command = [sys.executable, "-c", code, str(ports_module.FIRST), locks]
    assert int(subprocess.check_output(command)) == ports_module.FIRST

    assert Ports(locks, "/data", leased=True).take("web", "main", 0) == ports_module.FIRST


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::"])
def test_the_listener_is_named_for_each_kind_of_address(host) -> None:
    with listener(host=host) as server:
        port = server.getsockname()[1]

        assert f"pid {os.getpid()} " in holder(port)
        assert taken(port) == holder(port)


def test_every_socket_that_listens_on_an_address_and_port_is_counted() -> None:
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as one:
        port = one.getsockname()[1]
        with socket.create_server(("127.0.0.1", port), reuse_port=True):
            assert listeners("127.0.0.1", port) == 2
        assert listeners("127.0.0.1", port) == 1
    assert listeners("127.0.0.1", port) == 0


def test_lsof_counts_the_listening_sockets_on_systems_without_proc(tmp_path, monkeypatch) -> None:
    lsof = tmp_path / "lsof"
    lsof.write_text('#!/bin/sh\n[ "$2" = -iTCP@127.0.0.1:8080 ] && printf "p7\\nf5\\nf9\\n"\n')
    lsof.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(sys, "platform", "darwin")

    assert listeners("127.0.0.1", 8080) == 2
    assert listeners("127.0.0.1", 8081) == 0


def test_a_connection_in_time_wait_does_not_block_a_port() -> None:
    with listener() as server:
        port = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        accepted, _ = server.accept()
        accepted.close()  # the side that closes first keeps the port in TIME_WAIT
        client.close()

    assert taken(port) is None


def test_a_port_can_be_leased_on_a_full_disk(locks, monkeypatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    ports = Ports(locks, "/data", leased=True)
    monkeypatch.setattr(os, "write", full)

    assert FIRST <= ports.take("web", "main", 8080) <= LAST


def test_the_folder_of_the_lock_files_has_mode_0700(locks) -> None:
    Ports(locks, "/data", leased=True).take("web", "main", 0)

    assert Path(locks).stat().st_mode & 0o777 == 0o700


# --- the lock files --------------------------------------------------------------------------------

#: leases the only port 300 times, and fails when another process has its lock at the same time
CONTENDER = """
import os, sys
from infra_runtime.host import file_lock, ports
locks, mark, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
ports.FIRST = ports.LAST = port
leases = 0
while leases < 300:
    stack = ports.Ports(locks, "/data", leased=True)
    try:
        stack.take("web", "main", 0)
    except ports.PortError:
        continue
    os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
    os.unlink(mark)
    stack.close()
    leases += 1
"""


def test_two_processes_that_remove_lock_files_never_have_the_same_port(locks, tmp_path, monkeypatch) -> None:
    narrow(monkeypatch, 1)
    arguments = [locks, str(tmp_path / "mark"), str(ports_module.FIRST)]

    processes = [subprocess.Popen([sys.executable, "-c", CONTENDER, *arguments]) for _ in range(3)]

    assert [process.wait(timeout=120) for process in processes] == [0, 0, 0]
    assert [*Path(locks).iterdir()] == []


@pytest.mark.parametrize("leased", [True, False])
def test_the_end_of_a_lease_removes_its_lock_file(locks, free, leased) -> None:
    ports = Ports(locks, "/data", leased=leased)
    ports.take("web", "main", free)
    assert len([*Path(locks).iterdir()]) == 1

    ports.give_back("web")

    assert [*Path(locks).iterdir()] == []


def test_closing_removes_the_lock_files_of_killed_stacks_and_not_those_of_running_stacks(locks) -> None:
    running, killed = Ports(locks, "/running", leased=True), Ports(locks, "/killed", leased=True)
    port = running.take("web", "main", 0)
    killed.take("web", "main", 0)
    for _, descriptor in killed._held.values():
        os.close(descriptor)

    Ports(locks, "/other", leased=True).close()

    assert [file.name for file in Path(locks).iterdir()] == [str(port)]
    running.close()


def test_a_fixed_port_whose_file_is_just_being_removed_is_free(locks, free, monkeypatch) -> None:
    Path(locks).mkdir()
    removing = ports_module.file_lock.acquire(f"{locks}/{free}")
    monkeypatch.setattr(
        ports_module.time, "sleep", lambda _: ports_module.file_lock.remove(removing, f"{locks}/{free}")
    )

    assert Ports(locks, "/data", leased=False).take("web", "main", free) == free
