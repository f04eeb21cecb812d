"""Faults that `infra_chaos` causes: the service fails during the fault, and works again after the test."""

from __future__ import annotations

import pytest

from fakes.suite import Suite, service

BEFORE = """
import os, socket, time, pytest

def connect(shop):
    socket.create_connection(("127.0.0.1", shop.port), timeout=60).close()

def test_before(shop):
    connect(shop)
"""
AFTER = """
def test_after(shop):
    connect(shop)
"""


@pytest.mark.parametrize("fault", ["killed", "stopped"])
@pytest.mark.parametrize("arguments", [(), ("-n2", "--dist", "loadfile")], ids=["serial", "xdist"])
def test_a_killed_or_stopped_service_refuses_connections_and_restarts_on_its_port(
    suite: Suite, fault: str, arguments: tuple[str, ...]
) -> None:
    suite.stack(service("shop"))
    suite.test(
        BEFORE
        + f"""
def test_fault(shop, infra_chaos):
    with infra_chaos.{fault}("shop"):
        with pytest.raises(OSError):
            connect(shop)
    connect(shop)

def test_fault_that_fails(shop, infra_chaos):
    with infra_chaos.{fault}("shop"):
        assert 0
"""
        + AFTER
    )

    suite.run(*arguments).assert_outcomes(passed=3, failed=1)

    assert suite.await_end() == []


def test_a_paused_service_does_not_answer_and_is_not_restarted(suite: Suite) -> None:
    suite.stack(service("shop"))
    suite.test(
        BEFORE
        + """
def test_fault(shop, infra_stack, infra_chaos):
    with infra_chaos.paused("shop"):
        [shop_status] = infra_stack.status().services
        assert shop_status.phase == "paused"
        with socket.create_connection(("127.0.0.1", shop.port), timeout=60) as connection:
            connection.settimeout(0.2)
            with pytest.raises(TimeoutError):
                connection.recv(1)
    [shop_status] = infra_stack.status().services
    assert (shop_status.phase, shop_status.restarts) == ("ready", 0)
"""
        + AFTER
    )

    suite.run().assert_outcomes(passed=3)


def test_crash_returns_when_the_service_is_ready_again(suite: Suite) -> None:
    suite.stack(service("shop"))
    suite.test(
        BEFORE
        + """
def test_fault(shop, infra_stack, infra_chaos):
    infra_chaos.crash("shop")
    connect(shop)
    assert infra_stack.status().services[0].restarts == 1
"""
    )

    suite.run().assert_outcomes(passed=2)


def test_a_proxy_affects_only_its_test_and_is_closed_after_it(suite: Suite) -> None:
    suite.stack(service("shop"))
    suite.test(
        BEFORE
        + """
def test_fault(shop, infra_chaos):
    proxy = infra_chaos.proxy("shop")
    connect(proxy.endpoint)
    with proxy.cut():
        connect(shop)
        with pytest.raises(OSError):
            connect(proxy.endpoint)
    test_fault.proxy = proxy

def test_later(shop):
    with pytest.raises(OSError):
        connect(test_fault.proxy.endpoint)
"""
    )

    suite.run("-W", "error").assert_outcomes(passed=3)


def test_the_marker_causes_a_fault_while_the_test_runs(suite: Suite) -> None:
    suite.stack(service("shop"))
    suite.test(
        BEFORE
        + """
@pytest.mark.infra_chaos(kill="shop")
def test_fault(shop):
    with pytest.raises(OSError):
        connect(shop)
"""
        + AFTER
    )

    suite.run("--strict-markers").assert_outcomes(passed=3)


def test_the_error_for_an_unknown_fault_in_the_marker_lists_the_known_ones(suite: Suite) -> None:
    suite.stack(service("shop"))
    suite.test("import pytest\n@pytest.mark.infra_chaos(explode='shop')\ndef test_fault(): ...\n")

    result = suite.run()

    result.stdout.fnmatch_lines(["*the marker `infra_chaos` takes kill, stop, pause, not 'explode'*"])


def test_a_fault_that_the_test_did_not_end_ends_after_the_test(suite: Suite) -> None:
    suite.stack(service("shop"))
    suite.test(
        BEFORE
        + """
OPEN_FAULTS = []

def test_fault(shop, infra_chaos):
    OPEN_FAULTS.append(infra_chaos.paused("shop"))
    OPEN_FAULTS.append(infra_chaos.stopped("shop"))
    for fault in OPEN_FAULTS:
        fault.__enter__()

def test_after(infra_stack):
    [shop_status] = infra_stack.status().services
    assert shop_status.phase == "ready"
"""
    )

    suite.run().assert_outcomes(passed=3)


@pytest.mark.real("valkey")
@pytest.mark.parametrize("variant", ["database", "prefix"])
def test_a_unit_can_be_used_after_the_service_was_restarted(suite: Suite, variant: str) -> None:
    pytest.importorskip("valkey")
    suite.stack("[services.valkey]\n")
    suite.test(
        """
        import pytest

        @pytest.mark.parametrize("fault", ["killed", "stopped"])
        def test_it(valkey, valkey_client, infra_chaos, fault):
            with getattr(infra_chaos, fault)("valkey"):
                pass
            assert valkey_client.set(valkey.prefix + "stock", 1, nx=True)

        def test_crash(valkey, valkey_client, infra_chaos):
            infra_chaos.crash("valkey")
            assert valkey_client.set(valkey.prefix + "stock", 1, nx=True)
        """
    )

    suite.run("-o", f"infra_isolation=valkey: {variant}").assert_outcomes(passed=3)


@pytest.mark.real("pocketbase", "caddy")
@pytest.mark.parametrize("name", ["pocketbase", "caddy"])
def test_a_fault_also_affects_the_copy_of_the_service_that_the_test_uses(suite: Suite, name: str) -> None:
    suite.stack(f"[services.{name}]\n")
    suite.test(
        f"""
        import socket, pytest

        def test_it({name}, infra_stack, infra_chaos):
            ports = [{name}.port, infra_stack.{name}.port]
            assert len(set(ports)) == 2
            with infra_chaos.killed("{name}"):
                for port in ports:
                    with pytest.raises(OSError):
                        socket.create_connection(("127.0.0.1", port))
            for port in ports:
                socket.create_connection(("127.0.0.1", port)).close()
        """
    )

    result = suite.run()

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["infra: 1 service, *"])
