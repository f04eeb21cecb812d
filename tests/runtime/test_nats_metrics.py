"""The metrics of NATS: the numbers of the monitor's answer in the format of Prometheus."""

from __future__ import annotations

from infra_runtime.nats_metrics import exposition


def test_numbers_are_metrics_also_in_nested_objects() -> None:
    values = {
        "server_id": "NB",
        "connections": 3,
        "cpu": 0.5,
        "tls_required": True,
        "jetstream": {"stats": {"memory": 0, "reserved-storage": 7}, "config": {"max_memory": -1}},
        "tags": [1],
    }

    assert exposition(values).splitlines() == [
        "# TYPE gnatsd_varz_connections gauge",
        "gnatsd_varz_connections 3",
        "# TYPE gnatsd_varz_cpu gauge",
        "gnatsd_varz_cpu 0.5",
        "# TYPE gnatsd_varz_jetstream_stats_memory gauge",
        "gnatsd_varz_jetstream_stats_memory 0",
        "# TYPE gnatsd_varz_jetstream_stats_reserved_storage gauge",
        "gnatsd_varz_jetstream_stats_reserved_storage 7",
    ]
