"""The object storage: what its programs get. `test_s3.py` has the real server."""

from __future__ import annotations

import json
import signal

from fakes.engine import configuration_of, spec_of
from infra_runtime.spec import ServiceSpec, WriteFile


def file(spec: ServiceSpec, name: str) -> str:
    return next(
        step.text for step in spec.prepare if isinstance(step, WriteFile) and step.path.endswith(name)
    )


def identities(spec: ServiceSpec) -> dict[str, list[str]]:
    """Return a mapping from user to actions."""
    return {
        identity["name"]: identity["actions"] for identity in json.loads(file(spec, "/s3.json"))["identities"]
    }


def arguments(spec: ServiceSpec, program: str) -> list[str]:
    return next(
        started["command"] for started in configuration_of(spec)["programs"] if started["name"] == program
    )


def test_no_program_sends_statistics_or_opens_further_ports() -> None:
    spec = spec_of("s3")

    assert "-telemetry=false" in arguments(spec, "master")
    assert {"-port.iceberg=0", "-port.lance=0"} <= set(arguments(spec, "s3"))


def test_the_http_interface_of_the_master_is_for_tests_only() -> None:
    """Each web page can send requests to a port with a known number."""
    assert "-disableHttp" in arguments(spec_of("s3"), "master")
    assert "-disableHttp" not in arguments(spec_of("s3", accounts=1), "master")


def test_users_for_tests_have_only_their_own_buckets() -> None:
    assert identities(spec_of("s3", accounts=2)) == {
        "${secret.access}": ["Admin"],
        "test1": ["Admin:test1-*"],
        "test2": ["Admin:test2-*"],
    }


def test_only_a_durable_server_is_stopped_with_sigterm() -> None:
    assert [step.signal for step in spec_of("s3").stop] == [signal.SIGTERM]
    assert [(step.signal, step.group) for step in spec_of("s3", durable=False).stop] == [
        (signal.SIGKILL, True)
    ]


def test_the_other_engine_exports_the_address_of_all_services_and_refuses_the_export() -> None:
    spec = spec_of("s3", engine="moto")

    assert spec.exports["endpoint_url"] == spec.exports["url"]
    assert "endpoint_url" not in spec_of("s3").exports
    assert spec.container is not None
    assert "in memory" in spec.container.problem
