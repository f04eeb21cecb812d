from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

pytest.importorskip("structlog", reason="needs the extra `web`")

from fakes.asgi import Records, answering, raising, request
from fakes.clock import Clock
from infra_runtime.web.alerting import Alert, Alerting
from infra_runtime.web.asgi import Application
from infra_runtime.web.middleware import MetaInject


def alerts_of(
    app: Application,
    requests: Callable[[Application, Clock], Awaitable[None]],
    error: type[BaseException] | None = None,
) -> list[Alert]:
    """Send requests, and return the alerts."""
    alerts: list[Alert] = []
    clock = Clock()

    async def notify(alert: Alert) -> None:
        alerts.append(alert)
        if error:
            raise error

    async def run() -> None:
        await requests(MetaInject(Alerting(app, notify=notify, interval=60, clock=clock)), clock)
        await asyncio.sleep(0)

    asyncio.run(run())
    return alerts


async def one(app: Application, _: Clock) -> None:
    await request(app, "/orders")


def test_a_response_with_503_causes_an_alert() -> None:
    (alert,) = alerts_of(answering(503), one)

    assert (alert.failure, alert.method, alert.path, alert.count) == ("status 503", "GET", "/orders", 1)
    assert alert.request_id == alert.correlation_id != ""


@pytest.mark.parametrize("status", [200, 404, 429])
def test_another_response_causes_no_alert(status: int) -> None:
    assert alerts_of(answering(status), one) == []


@pytest.mark.parametrize("error", [KeyError(), asyncio.CancelledError()])
def test_an_exception_and_a_timeout_are_alerts_and_are_raised(error: BaseException) -> None:
    async def requests(app: Application, _: Clock) -> None:
        with pytest.raises(type(error)):
            await request(app)

    assert [alert.failure for alert in alerts_of(raising(error), requests)] == [type(error).__name__]


def test_the_same_failure_is_reported_once_per_interval_with_its_count() -> None:
    async def requests(app: Application, clock: Clock) -> None:
        for clock.now in (0, 1, 59, 60):
            await request(app)

    assert [alert.count for alert in alerts_of(answering(500), requests)] == [1, 3]


def test_a_receiver_that_fails_does_not_change_the_response(records: Records) -> None:
    async def requests(app: Application, _: Clock) -> None:
        assert (await request(app)).status == 500

    alerts_of(answering(500), requests, error=ValueError)

    assert [record["event"] for record in records()] == ["alert_not_sent"]
