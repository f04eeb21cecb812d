"""Ports: leased without a collision, fixed without a quarrel."""

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
from infra_runtime.host.ports import FIRST, LAST, PortError, Ports, holder, taken

pytestmark = pytest.mark.process


def listener(port: int = 0, host: str = "127.0.0.1") -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, dualstack_ipv6=family == socket.AF_INET6)


@pytest.fixture
def free() -> int:
    """A port that nobody listens on."""
    with listener() as server:
        return int(server.getsockname()[1])


@pytest.fixture
def locks(tmp_path) -> Iterator[str]:
    """The folder of this test's leases: strangers to all others on the machine."""
    return str(tmp_path / "ports")


def narrow(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Leave only so many ports to lease, all of them free."""
    for first in range(FIRST, LAST, size):
        if all(taken(port, name_it=False) is None for port in range(first, first + size)):
            monkeypatch.setattr(ports_module, "FIRST", first)
            monkeypatch.setattr(ports_module, "LAST", first + size - 1)
            return
    pytest.skip(f"nowhere are {size} free ports in a row")


def test_a_leased_port_is_free_and_outside_the_range_of_the_kernel(locks) -> None:
    port = Ports(locks, "/data", leased=True).take("web", "main", 8080)

    assert FIRST <= port <= LAST
    assert taken(port) is None


def test_a_service_keeps_its_port_as_long_as_it_holds_it(locks) -> None:
    ports = Ports(locks, "/data", leased=True)

    assert ports.take("web", "main", 0) == ports.take("web", "main", 0)


def test_where_a_bind_beside_a_listener_succeeds_the_listener_is_asked(monkeypatch) -> None:
    """On a Mac one may bind 127.0.0.1 beside somebody who listens on all addresses."""
    with listener() as stranger:
        monkeypatch.setattr(socket.socket, "bind", lambda *_: None)
        monkeypatch.setattr(sys, "platform", "darwin")

        assert taken(stranger.getsockname()[1], name_it=False) == "a process"


def test_a_port_that_only_root_may_have_is_refused_with_that_reason() -> None:
    first = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    if not first.exists() or int(first.read_text()) <= 80:
        pytest.skip("here everybody may listen on port 80")
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        with pytest.raises(PermissionError, match="ports below 1024 need privileges here: 'port 80'"):
            taken(80)
    finally:
        os.seteuid(user)


def test_two_stacks_share_no_port_and_the_last_one_goes_without(locks, monkeypatch) -> None:
    narrow(monkeypatch, 3)
    one, other = Ports(locks, "/one", leased=True), Ports(locks, "/other", leased=True)

    leased = [one.take("a", "main", 0), other.take("b", "main", 0), one.take("c", "main", 0)]

    assert len(set(leased)) == 3
    with pytest.raises(PortError) as caught:
        other.take("d", "main", 0)
    assert "every other port that tests may lease" in caught.value.holder


def test_a_range_of_a_single_port_is_a_range(locks, monkeypatch) -> None:
    narrow(monkeypatch, 1)

    assert Ports(locks, "/data", leased=True).take("web", "main", 0) == ports_module.FIRST


def test_a_port_that_was_given_back_may_be_leased_again(locks, monkeypatch) -> None:
    narrow(monkeypatch, 1)
    one, other = Ports(locks, "/one", leased=True), Ports(locks, "/other", leased=True)
    port = one.take("web", "main", 0)

    one.give_back("web")

    assert one.all() == []
    assert other.take("web", "main", 0) == port


def test_one_port_of_a_service_may_be_given_back_alone(locks) -> None:
    ports = Ports(locks, "/data", leased=True)
    kept, _ = ports.take("web", "main", 0), ports.take("web", "admin", 0)

    ports.give_back("web", "admin")

    assert ports.all() == [kept]


def test_a_leased_port_that_a_stranger_took_is_chosen_anew(locks) -> None:
    ports = Ports(locks, "/data", leased=True)
    port = ports.take("web", "main", 0)

    with listener(port):
        assert ports.take("web", "main", 0) != port


def test_a_port_on_which_a_stranger_listens_is_never_leased(locks, monkeypatch) -> None:
    narrow(monkeypatch, 2)

    with listener(ports_module.FIRST):
        assert Ports(locks, "/data", leased=True).take("web", "main", 0) == ports_module.LAST


def test_a_fixed_port_is_the_one_that_is_wanted(locks, free) -> None:
    assert Ports(locks, "/data", leased=False).take("web", "main", free) == free


def test_a_fixed_port_of_a_stranger_is_refused_with_pid_and_command(locks) -> None:
    with listener() as stranger, pytest.raises(PortError) as caught:
        Ports(locks, "/data", leased=False).take("web", "main", stranger.getsockname()[1])

    assert re.match(rf"pid {os.getpid()} \(.*python", caught.value.holder)


def test_a_fixed_port_that_was_ours_and_is_a_strangers_now_is_refused(locks, free) -> None:
    ports = Ports(locks, "/data", leased=False)
    ports.take("web", "main", free)

    with listener(free), pytest.raises(PortError, match=str(free)):
        ports.take("web", "main", free)


def test_a_fixed_port_of_another_stack_is_refused_before_anything_listens(locks, free) -> None:
    one = Ports(locks, "/one", leased=False)
    one.take("web", "main", free)

    with pytest.raises(PortError) as caught:
        Ports(locks, "/other", leased=False).take("web", "main", free)

    assert caught.value.holder == "another stack of yours, in /one"


def test_the_lease_of_a_dead_supervisor_is_nobodys(locks, monkeypatch) -> None:
    narrow(monkeypatch, 1)
    code = "import sys; from infra_runtime.host import ports\n"
    code += "ports.FIRST = ports.LAST = int(sys.argv[1])\n"
    code += "print(ports.Ports(sys.argv[2], '/dead', leased=True).take('web', 'main', 0))"
    command = [sys.executable, "-c", code, str(ports_module.FIRST), locks]
    assert int(subprocess.check_output(command)) == ports_module.FIRST

    assert Ports(locks, "/data", leased=True).take("web", "main", 0) == ports_module.FIRST


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::"])
def test_who_listens_is_named_whatever_address_he_chose(host) -> None:
    with listener(host=host) as server:
        port = server.getsockname()[1]

        assert f"pid {os.getpid()} " in holder(port)
        assert taken(port) == holder(port)


def test_a_connection_that_waits_out_its_end_is_no_obstacle() -> None:
    with listener() as server:
        port = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        accepted, _ = server.accept()
        accepted.close()  # who closes first keeps the port in TIME_WAIT
        client.close()

    assert taken(port) is None


def test_on_a_full_disk_a_port_is_leased_all_the_same(locks, monkeypatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    ports = Ports(locks, "/data", leased=True)
    monkeypatch.setattr(os, "write", full)

    assert FIRST <= ports.take("web", "main", 8080) <= LAST


def test_leases_lie_in_a_folder_for_their_owner_alone(locks) -> None:
    Ports(locks, "/data", leased=True).take("web", "main", 0)

    assert Path(locks).stat().st_mode & 0o777 == 0o700
