from __future__ import annotations

import asyncio

import pytest

pytest.importorskip("prometheus_client", reason="needs the extra `web`")

from fakes.asgi import answering, call, raising, request
from infra_runtime.web.asgi import Receive, Scope, Send
from infra_runtime.web.metrics import Measurement, Metrics


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_requests_are_counted_by_method_and_status() -> None:
    metrics = Metrics()

    call(Measurement(answering(201, b"12345"), metrics=metrics), method="POST")

    assert value(metrics, "http_requests_total", method="POST", status="201") == 1
    assert value(metrics, "http_request_duration_seconds_count", method="POST") == 1
    assert value(metrics, "http_response_size_bytes_sum") == 5
    assert value(metrics, "http_active_connections") == 0


def test_an_active_request_is_counted_while_it_runs() -> None:
    metrics, seen = Metrics(), []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(value(metrics, "http_active_connections"))
        await answering()(scope, receive, send)

    call(Measurement(app, metrics=metrics))

    assert seen == [1]


@pytest.mark.parametrize("error", [KeyError(), asyncio.CancelledError()])
def test_a_request_without_a_response_counts_as_500(error: BaseException) -> None:
    metrics = Metrics()

    with pytest.raises(type(error)):
        call(Measurement(raising(error), metrics=metrics))

    assert value(metrics, "http_requests_total", method="GET", status="500") == 1
    assert value(metrics, "http_active_connections") == 0


def test_invented_methods_have_one_label() -> None:
    metrics = Metrics()

    async def run() -> None:
        for number in range(100):
            await request(Measurement(answering(), metrics=metrics), method=f"X{number}")

    asyncio.run(run())

    assert value(metrics, "http_requests_total", method="OTHER", status="200") == 100


def test_queries_are_measured_by_name_and_outcome() -> None:
    metrics = Metrics()

    with metrics.query("find_order"):
        pass
    with pytest.raises(KeyError), metrics.query("find_order"):
        raise KeyError

    for outcome in ("done", "failed"):
        labels = {"query": "find_order", "outcome": outcome}
        assert value(metrics, "database_query_duration_seconds_count", **labels) == 1


def test_jobs_are_counted_by_outcome() -> None:
    metrics = Metrics()

    with metrics.job("mail"):
        assert value(metrics, "jobs_running", job="mail") == 1
    with pytest.raises(KeyError), metrics.job("mail"):
        raise KeyError

    assert value(metrics, "jobs_running", job="mail") == 0
    assert value(metrics, "jobs_total", job="mail", outcome="done") == 1
    assert value(metrics, "jobs_total", job="mail", outcome="failed") == 1
    assert value(metrics, "job_duration_seconds_count", job="mail") == 2


def test_grpc_calls_are_counted_by_code() -> None:
    metrics = Metrics()
    labels = {"grpc_type": "unary", "grpc_service": "shop.Orders", "grpc_method": "Place"}

    with metrics.grpc("shop.Orders", "Place"):
        pass
    with metrics.grpc("shop.Orders", "Place") as grpc_call:
        grpc_call.code = "NOT_FOUND"
    with pytest.raises(KeyError), metrics.grpc("shop.Orders", "Place"):
        raise KeyError

    assert value(metrics, "grpc_server_started_total", **labels) == 3
    assert value(metrics, "grpc_server_handling_seconds_count", **labels) == 3
    for code in ("OK", "NOT_FOUND", "UNKNOWN"):
        assert value(metrics, "grpc_server_handled_total", **labels, grpc_code=code) == 1


def test_a_business_metric_is_created_once() -> None:
    metrics = Metrics(prefix="shop")

    metrics.counter("orders_placed_total", "Placed orders.", ["country"]).labels("DE").inc()
    metrics.counter("orders_placed_total", "Placed orders.", ["country"]).labels("DE").inc(2)
    metrics.gauge("stock", "Items.").set(7)
    metrics.histogram("order_items", "Items of an order.").observe(3)

    assert value(metrics, "shop_orders_placed_total", country="DE") == 3
    assert value(metrics, "shop_stock") == 7
    assert value(metrics, "shop_order_items_sum") == 3


def test_a_business_metric_with_another_declaration_is_an_error() -> None:
    metrics = Metrics()
    metrics.counter("orders_total", "Orders.")

    with pytest.raises(ValueError, match="'orders_total' already exists"):
        metrics.counter("orders_total", "Orders.", ["country"])
    with pytest.raises(ValueError, match="'orders_total' already exists"):
        metrics.gauge("orders_total", "Orders.")


def test_the_exposition_has_all_metrics() -> None:
    metrics = Metrics()
    metrics.counter("orders_total", "Orders.").inc()

    text, content_type = metrics.exposition()

    assert b"orders_total 1.0" in text
    assert content_type.startswith("text/plain")
