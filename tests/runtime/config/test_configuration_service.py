from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import infra_runtime as infra
from fakes.project import Project
from infra_runtime.config.configuration_service import read_bucket
from infra_runtime.errors import ConfigurationError


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a running NATS server."""
    folder: Path = tmp_path_factory.mktemp("nats")
    with infra.start("nats", environment="test", directory=folder, data=folder / "data") as stack:
        yield stack.nats.url


def fill(url: str, bucket: str, **values: str) -> str:
    """Create a bucket with values and return its URL; `__` in a name stands for a dot."""

    async def work() -> None:
        import nats

        connection = await nats.connect(url)
        store = await connection.jetstream().create_key_value(bucket=bucket)
        for name, value in values.items():
            await store.put(name.replace("__", "."), value.encode())
        await connection.close()

    asyncio.run(work())
    return f"{url}/{bucket}"


@pytest.mark.real("nats")
def test_a_bucket_is_returned_as_nested_tables(server: str) -> None:
    url = fill(server, "tables", services__nats__port="4999", profile="minimal", use='["nats"]')

    assert read_bucket(url) == {"services": {"nats": {"port": 4999}}, "profile": "minimal", "use": ["nats"]}


@pytest.mark.real("nats")
def test_an_empty_bucket_has_no_values(server: str) -> None:
    assert read_bucket(fill(server, "empty")) == {}


@pytest.mark.real("nats")
def test_the_stack_file_takes_precedence_over_the_configuration_service(
    project: Project, server: str
) -> None:
    url = fill(server, "weak", services__nats__port="4999", services__valkey__port="6999")
    project.write(f"config_service = {json.dumps(url)}\n[services.nats]\nport = 4001\n")

    provenance = project.resolve().provenance

    assert provenance["services.nats.port"].value == "4001"
    assert provenance["services.valkey.port"].value == "6999"
    assert provenance["services.valkey.port"].source == "configuration service: services.valkey.port"


@pytest.mark.real("nats")
def test_the_configuration_service_is_read_at_each_resolution(
    project: Project, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFRA_CONFIG_SERVICE", fill(server, "first", profile="minimal"))
    assert project.names() == ["nats", "postgres"]

    monkeypatch.setenv("INFRA_CONFIG_SERVICE", fill(server, "second", use="valkey"))
    assert project.names() == ["valkey"]


@pytest.mark.real("nats")
def test_a_bucket_can_be_read_inside_a_running_loop(server: str) -> None:
    url = fill(server, "loop", profile="minimal")

    async def inside() -> object:
        return read_bucket(url)

    assert asyncio.run(inside()) == {"profile": "minimal"}


@pytest.mark.real("nats")
def test_a_missing_bucket_is_reported(server: str) -> None:
    with pytest.raises(ConfigurationError, match="/nowhere: the configuration service cannot be read"):
        read_bucket(f"{server}/nowhere")


@pytest.mark.real("nats")
def test_a_key_below_a_value_is_reported(server: str) -> None:
    url = fill(server, "conflict", services="1", services__nats="2")

    problem = r"the key 'services\.nats' is not allowed: the value of 'services' is not a JSON object"
    with pytest.raises(ConfigurationError, match=problem):
        read_bucket(url)


@pytest.mark.real("nats")
def test_a_missing_server_is_reported_without_its_password() -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_bucket("nats://me:hunter2@127.0.0.1:1/bucket")

    assert str(caught.value).startswith("nats://127.0.0.1:1/bucket: the configuration service cannot be read")
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize(
    "url", ["nats://me:hunter2@127.0.0.1:x/bucket", "nats://me:hunter2/@127.0.0.1/bucket", "nats://[/b"]
)
def test_an_invalid_address_is_an_error_without_its_password(url: str) -> None:
    with pytest.raises(ConfigurationError, match="should be a URL nats://HOST:PORT/BUCKET") as caught:
        read_bucket(url)

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1/bucket", "nats://127.0.0.1:4222", "bucket"])
def test_an_address_without_a_bucket_is_an_error(url: str) -> None:
    with pytest.raises(ConfigurationError, match="should be a URL nats://HOST:PORT/BUCKET"):
        read_bucket(url)


def test_the_settings_mask_the_address_of_the_configuration_service(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from infra_runtime.config.environment import StackSettings

    stack = StackSettings(config_service="nats://me:hunter2@127.0.0.1/bucket")

    assert "hunter2" not in repr(stack)
