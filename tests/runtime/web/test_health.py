from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

pytest.importorskip("structlog", reason="needs the extra `web`")

from infra_runtime.web.health import Check, Health


async def working() -> None:
    """A dependency that works."""


async def failing() -> None:
    raise ConnectionError("postgresql://me:hunter2@db/x refused the connection")


async def hanging() -> None:
    await asyncio.Event().wait()


def ready(checks: Mapping[str, Check], **options: Any) -> tuple[int, dict[str, Any]]:
    async def run() -> tuple[int, dict[str, Any]]:
        return await Health(checks, version="1.4", **options).ready()

    return asyncio.run(run())


def test_an_application_whose_dependencies_work_is_ready() -> None:
    status, document = ready({"postgres": working})

    assert status == 200
    assert (document["status"], document["version"]) == ("pass", "1.4")
    assert document["checks"]["postgres"]["status"] == "pass"


def test_one_failed_dependency_makes_the_application_not_ready() -> None:
    status, document = ready({"postgres": failing, "nats": working})

    assert (status, document["status"]) == (503, "fail")
    assert {name: check["status"] for name, check in document["checks"].items()} == {
        "postgres": "fail",
        "nats": "pass",
    }
    assert "reason" not in document["checks"]["postgres"]


def test_the_reason_is_shown_without_its_password() -> None:
    _, document = ready({"postgres": failing}, reasons=True)

    reason = document["checks"]["postgres"]["reason"]
    assert reason.startswith("ConnectionError: postgresql://me:***@db/x")


def test_a_check_that_hangs_fails_at_its_deadline() -> None:
    status, document = ready({"postgres": hanging, "nats": working}, deadline=0, reasons=True)

    assert status == 503
    assert document["checks"]["postgres"]["reason"] == "no result within 0 s"


def test_a_check_that_ignores_its_cancellation_fails_and_is_not_started_again() -> None:
    starts = 0

    async def run() -> list[dict[str, Any]]:
        release = asyncio.Event()

        async def stubborn() -> None:
            nonlocal starts
            starts += 1
            while not release.is_set():
                try:
                    await release.wait()
                except asyncio.CancelledError:
                    continue

        health = Health({"disk": stubborn}, version="1", deadline=0, keep=0, reasons=True)
        documents = [(await health.ready())[1] for _ in range(3)]
        release.set()
        return documents

    documents = asyncio.run(run())

    reasons = [document["checks"]["disk"]["reason"] for document in documents]
    assert reasons == ["no result within 0 s", *["the previous check is still running"] * 2]
    assert starts == 1


def test_many_requests_cause_one_check() -> None:
    starts, now = 0, 0.0

    async def counted() -> None:
        nonlocal starts
        starts += 1
        await asyncio.sleep(0)

    async def run() -> None:
        nonlocal now
        health = Health({"postgres": counted}, version="1", keep=1, clock=lambda: now)
        await asyncio.gather(*(health.ready() for _ in range(50)))
        assert starts == 1
        now = 1.0
        await health.ready()

    asyncio.run(run())

    assert starts == 2


def test_a_cancelled_request_cancels_the_check() -> None:
    ended = []

    async def run() -> None:
        async def check() -> None:
            try:
                await hanging()
            finally:
                ended.append(True)

        task = asyncio.ensure_future(Health({"x": check}, version="1", deadline=600).ready())
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0)
        assert ended == [True]  # before the end of the loop, which cancels all tasks

    asyncio.run(run())


def test_health_does_not_depend_on_the_checks() -> None:
    assert Health({"postgres": failing}, version="1.4").live() == (
        200,
        {"status": "pass", "version": "1.4", "checks": {}},
    )
