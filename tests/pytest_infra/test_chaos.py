"""Trouble on purpose is real while it lasts, and over after the test, whatever the test did."""

from __future__ import annotations

import pytest

from fakes.suite import Suite, service

HELP = """
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


@pytest.mark.parametrize("act", ["killed", "stopped"])
@pytest.mark.parametrize("arguments", [(), ("-n2", "--dist", "loadfile")], ids=["serial", "xdist"])
def test_a_service_that_is_taken_away_refuses_and_comes_back_at_its_port(
    suite: Suite, act: str, arguments: tuple[str, ...]
) -> None:
    suite.stack(service("shop"))
    suite.test(
        HELP
        + f"""
def test_trouble(shop, infra_chaos):
    with infra_chaos.{act}("shop"):
        with pytest.raises(OSError):
            connect(shop)
    connect(shop)

def test_trouble_that_fails(shop, infra_chaos):
    with infra_chaos.{act}("shop"):
        assert 0
"""
        + AFTER
    )

    suite.run(*arguments).assert_outcomes(passed=3, failed=1)

    assert suite.await_end() == []


def test_a_frozen_service_answers_nothing_and_is_not_taken_for_dead(suite: Suite) -> None:
    suite.stack(service("shop"))
    suite.test(
        HELP
        + """
def test_trouble(shop, infra_stack, infra_chaos):
    with infra_chaos.paused("shop"):
        [found] = infra_stack.status().services
        assert found.phase == "paused"
        with socket.create_connection(("127.0.0.1", shop.port), timeout=60) as connection:
            connection.settimeout(0.2)
            with pytest.raises(TimeoutError):
                connection.recv(1)
    [found] = infra_stack.status().services
    assert (found.phase, found.restarts) == ("ready", 0)
"""
        + AFTER
    )

    suite.run().assert_outcomes(passed=3)


def test_a_crash_is_over_when_the_service_is_ready_again(suite: Suite) -> None:
    suite.stack(service("shop"))
    suite.test(
        HELP
        + """
def test_trouble(shop, infra_stack, infra_chaos):
    infra_chaos.crash("shop")
    connect(shop)
    assert infra_stack.status().services[0].restarts == 1
"""
    )

    suite.run().assert_outcomes(passed=2)


def test_a_proxy_is_the_tests_alone_and_gone_after_it(suite: Suite) -> None:
    suite.stack(service("shop"))
    suite.test(
        HELP
        + """
def test_trouble(shop, infra_chaos):
    line = infra_chaos.proxy("shop")
    connect(line.endpoint)
    with line.cut():
        connect(shop)
        with pytest.raises(OSError):
            connect(line.endpoint)
    test_trouble.line = line

def test_later(shop):
    with pytest.raises(OSError):
        connect(test_trouble.line.endpoint)
"""
    )

    suite.run("-W", "error").assert_outcomes(passed=3)


def test_a_marker_does_it_while_the_test_runs(suite: Suite) -> None:
    suite.stack(service("shop"))
    suite.test(
        HELP
        + """
@pytest.mark.infra_chaos(kill="shop")
def test_trouble(shop):
    with pytest.raises(OSError):
        connect(shop)
"""
        + AFTER
    )

    suite.run("--strict-markers").assert_outcomes(passed=3)


def test_a_marker_that_asks_for_something_unknown_is_told_what_there_is(suite: Suite) -> None:
    suite.stack(service("shop"))
    suite.test("import pytest\n@pytest.mark.infra_chaos(explode='shop')\ndef test_trouble(): ...\n")

    result = suite.run()

    result.stdout.fnmatch_lines(["*the marker `infra_chaos` takes kill, stop, pause, not 'explode'*"])


def test_trouble_that_nobody_ended_is_over_after_the_test(suite: Suite) -> None:
    suite.stack(service("shop"))
    suite.test(
        HELP
        + """
KEPT = []

def test_trouble(shop, infra_chaos):
    KEPT.append(infra_chaos.paused("shop"))
    KEPT.append(infra_chaos.stopped("shop"))
    for act in KEPT:
        act.__enter__()

def test_after(infra_stack):
    [found] = infra_stack.status().services
    assert found.phase == "ready"
"""
    )

    suite.run().assert_outcomes(passed=3)


@pytest.mark.real("valkey")
@pytest.mark.parametrize("variant", ["database", "prefix"])
def test_after_a_restart_a_test_still_may_do_what_it_might(suite: Suite, variant: str) -> None:
    pytest.importorskip("valkey")
    suite.stack("[services.valkey]\n")
    suite.test(
        """
        import pytest

        @pytest.mark.parametrize("act", ["killed", "stopped"])
        def test_it(valkey, valkey_client, infra_chaos, act):
            with getattr(infra_chaos, act)("valkey"):
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
def test_the_copy_that_a_test_has_of_a_service_is_in_trouble_too(suite: Suite, name: str) -> None:
    suite.stack(f"[services.{name}]\n")
    suite.test(
        f"""
        import socket, pytest

        def test_it({name}, infra_stack, infra_chaos):
            places = [{name}.port, infra_stack.{name}.port]
            assert len(set(places)) == 2
            with infra_chaos.killed("{name}"):
                for port in places:
                    with pytest.raises(OSError):
                        socket.create_connection(("127.0.0.1", port))
            for port in places:
                socket.create_connection(("127.0.0.1", port)).close()
        """
    )

    result = suite.run()

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["infra: 1 service, *"])
