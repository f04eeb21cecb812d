"""The service kit of the kind `rabbitmq`: each test gets a virtual host with the declared topology."""

from __future__ import annotations

from pytest_infra.kit import KitFixture, Parameter, ServiceKit

KIT = ServiceKit(
    kind="rabbitmq",
    variants=("vhost",),
    units="pytest_infra.services.rabbitmq.isolation:units",
    dump="pytest_infra.services.rabbitmq.dump:dump",
    leftover="pytest_infra.services.rabbitmq.isolation:unkept",
    unit_name=r"test-(?P<owner>[a-z0-9]+)-\d+",
    install={"pika": "pytest-infra[rabbitmq]", "aio_pika": "pytest-infra[rabbitmq]"},
    # Source: Celery documentation, "Using RabbitMQ", accepts the same URL.
    urls={"amqp": "{url}", "pika": "{url}", "kombu": "{url}"},
    parameters=(
        Parameter(
            name="topology",
            read="pytest_infra.services.rabbitmq.isolation:read",
            summary="a TOML file with the tables `exchanges` and `queues`, or these tables",
        ),
    ),
    fixtures=(
        KitFixture(
            name="{service}_channel",
            function="pytest_infra.services.rabbitmq.clients:channel",
            summary="A channel of pika with publisher confirms, in the test's virtual host.",
        ),
        KitFixture(
            name="{service}_async_channel",
            function="pytest_infra.services.rabbitmq.clients:async_channel",
            summary="A channel of aio-pika with publisher confirms, in the test's virtual host.",
            asynchronous=True,
        ),
    ),
)
