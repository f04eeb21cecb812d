"""The service kit of the kind `mosquitto`: each test gets a topic prefix, with a user."""

from __future__ import annotations

from pytest_infra.kit import KitFixture, ServiceKit

KIT = ServiceKit(
    kind="mosquitto",
    variants=("prefix",),
    units="pytest_infra.services.mosquitto.isolation:units",
    dump="pytest_infra.services.mosquitto.dump:dump",
    install={"paho": "pytest-infra[mosquitto]", "aiomqtt": "pytest-infra[mosquitto]"},
    # Source: the scheme of `mosquitto_pub -L` and MQTT.js.
    urls={"mqtt": "{url}"},
    fixtures=(
        KitFixture(
            name="{service}_client",
            function="pytest_infra.services.mosquitto.clients:client",
            summary='A connected paho-mqtt client: `{service}_client.publish({service}.prefix + "a", 1)`.',
        ),
        KitFixture(
            name="{service}_async_client",
            function="pytest_infra.services.mosquitto.clients:async_client",
            summary="A connected aiomqtt client: `await {service}_async_client.publish(…)`.",
            asynchronous=True,
        ),
    ),
)
