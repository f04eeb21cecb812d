from __future__ import annotations

import json
import urllib.request

import pytest

from fakes.engine import made, written


def test_jetstream_keeps_its_streams_in_the_data_directory() -> None:
    assert written(made("nats"))["jetstream"] == {"store_dir": "${data}/jetstream"}


def test_it_listens_on_the_address_of_the_engine() -> None:
    configuration = written(made("nats"))

    assert configuration["listen"] == "${host}:${port.client}"
    assert configuration["http"] == "${host}:${port.monitor}"


def test_it_is_ready_when_jetstream_is_ready() -> None:
    probe = made("nats").ready

    assert (probe.port, probe.path) == ("monitor", "/healthz?js-enabled-only=true")


def test_options_are_merged_into_the_configuration() -> None:
    configuration = written(made("nats", options={"max_payload": 1000, "jetstream": {"max_mem": "64MB"}}))

    assert configuration["max_payload"] == 1000
    assert configuration["jetstream"] == {"store_dir": "${data}/jetstream", "max_mem": "64MB"}


def test_ports_are_the_documented_ones_unless_they_are_set() -> None:
    assert made("nats").ports == {"client": 4222, "monitor": 8222}
    assert made("nats", port=4333).ports == {"client": 4333, "monitor": 8222}
    assert made("nats", ports={"monitor": 8333}).ports == {"client": 4222, "monitor": 8333}


@pytest.mark.real("nats")
def test_a_real_server_uses_its_options(run) -> None:
    stack = run("nats", options={"max_payload": 4096})

    with urllib.request.urlopen(f"{stack.nats.monitor_url}/varz", timeout=60) as answer:
        state = json.load(answer)

    assert state["max_payload"] == 4096
    assert state["host"] == "127.0.0.1"
