"""The asynchronous variants of `start`, `attach` and `Stack`."""

from __future__ import annotations

import copy
import inspect

import pytest

import infra_runtime as infra
from fakes.stacks import alive
from infra_runtime.errors import StartError

#: what `astart` does, and what reads events from a blocking iterator
WITHOUT_TWIN = {"up", "events"}


def test_whatever_a_stack_can_do_its_twin_can() -> None:
    public = {name for name in vars(infra.Stack) if not name.startswith("_")} - WITHOUT_TWIN

    assert public == {name for name in vars(infra.AsyncStack) if not name.startswith("_")}


def test_waiting_methods_are_coroutines() -> None:
    waits = {name for name, method in vars(infra.AsyncStack).items() if inspect.iscoroutinefunction(method)}

    assert {"restart", "snapshot", "restore", "pause", "down", "close"} <= waits
    assert all(getattr(infra.AsyncStack, name).__doc__ for name in waits)
    assert waits.isdisjoint({"endpoints", "env", "data"})


@pytest.mark.asyncio
async def test_a_stack_is_started_joined_and_stopped_without_blocking_the_loop(web) -> None:
    async with infra.astart(**web) as stack:
        port = stack.web.port
        await stack.restart("web")
        await stack.wait("web", timeout=60)
        assert stack["web"].port == port
        assert stack.env()["WEB_PORT"] == str(port)

        async with infra.aattach(web["data"]) as other:
            assert other.web.port == port
            assert (await other.status()).leases == 2

        await stack.stop("web")
        await stack.start("web")
        await stack.down()

    assert alive(web["data"]) == []


@pytest.mark.asyncio
async def test_a_snapshot_is_saved_and_restored(web) -> None:
    async with infra.astart(**web) as stack:
        kept = stack.web.data / "kept"
        kept.write_text("then")
        await stack.snapshot()
        kept.write_text("now")

        await stack.restore()

        assert kept.read_text() == "then"


@pytest.mark.asyncio
async def test_a_start_that_fails_raises_and_leaves_nothing(web, project) -> None:
    project.write("use = ['broken']\n[services.broken]\ncommand = ['false']\nports = { http = 8000 }\n")

    with pytest.raises(StartError, match="broken: exited with status 1"):
        async with infra.astart(**web):
            pass

    assert alive(web["data"]) == []


@pytest.mark.asyncio
async def test_an_unknown_service_is_named(web) -> None:
    async with infra.astart(**web) as stack:
        with pytest.raises(AttributeError, match="wbe"):
            _ = stack.wbe
        assert copy.copy(stack).data == stack.data
