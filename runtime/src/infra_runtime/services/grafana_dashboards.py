"""The dashboards about the services of a stack: their panels and queries as data, and their JSON for Grafana.

A dashboard contains the metrics about one subject, such as `database`. A stack has the dashboards for the
subjects of its scrape jobs. The queries contain the names of the jobs (except two queries about all
processes) and no variables of Grafana, so that a metrics store can execute the queries without changes.

Sources: Grafana documentation, "JSON model"; for the names of metrics, `infra_runtime.web.metrics`, the
READMEs of node_exporter, postgres_exporter, redis_exporter and prometheus-nats-exporter, and RabbitMQ's list
of metrics (`rabbitmq_prometheus`, `metrics.md`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from string import Template
from typing import Any

from infra_runtime.contributions import Contribution, Metrics, Subject
from infra_runtime.value import frozen

#: the data source of all panels
DATA_SOURCE = {"type": "prometheus", "uid": "infra-metrics"}
#: Grafana's grid has 24 columns
_COLUMNS, _WIDTH, _HEIGHT = 24, 8, 8


@frozen
class Panel:
    """A diagram: title, unit, and a query for each legend; `$jobs` is replaced by the labels of the jobs."""

    title: str
    queries: Mapping[str, str]
    #: an id of Grafana's units, such as `s`, `bytes`, `percent` or `reqps`
    unit: str = "short"


@frozen
class Dashboard:
    """A dashboard about the jobs whose metrics describe the subject."""

    uid: str
    title: str
    subject: Subject
    panels: tuple[Panel, ...]


def _quantile(quantile: float) -> str:
    buckets = "sum by (job, le) (rate(http_request_duration_seconds_bucket{$jobs}[1m]))"
    return f"histogram_quantile({quantile}, {buckets})"


_NO_BUSINESS = "http_.*|grpc_.*|process_.*|python_.*|jobs_.*"
DASHBOARDS = (
    Dashboard(
        uid="infra-api",
        title="API overview",
        subject="application",
        panels=(
            Panel(
                title="Requests",
                queries={"{{job}} {{status}}": "sum by (job, status) (rate(http_requests_total{$jobs}[1m]))"},
                unit="reqps",
            ),
            Panel(
                title="Errors (5xx)",
                queries={
                    "{{job}}": '100 * sum by (job) (rate(http_requests_total{$jobs,status=~"5.."}[1m]))'
                    " / sum by (job) (rate(http_requests_total{$jobs}[1m]))"
                },
                unit="percent",
            ),
            Panel(
                title="Time of requests",
                queries={
                    "{{job}} p50": _quantile(0.5),
                    "{{job}} p95": _quantile(0.95),
                    "{{job}} p99": _quantile(0.99),
                },
                unit="s",
            ),
            Panel(title="Active requests", queries={"{{job}}": "http_active_connections{$jobs}"}),
            Panel(
                title="Size of responses",
                queries={
                    "{{job}}": "sum by (job) (rate(http_response_size_bytes_sum{$jobs}[1m]))"
                    " / sum by (job) (rate(http_response_size_bytes_count{$jobs}[1m]))"
                },
                unit="bytes",
            ),
            Panel(title="Available", queries={"{{job}}": "up{$jobs}"}),
        ),
    ),
    Dashboard(
        uid="infra-business",
        title="Business",
        subject="application",
        panels=(
            Panel(
                title="Counters",
                queries={
                    "{{__name__}}": "sum by (__name__) "
                    f'({{$jobs,__name__=~".+_total",__name__!~"{_NO_BUSINESS}"}})'
                },
            ),
            Panel(
                title="Jobs",
                queries={
                    "{{exported_job}} {{outcome}}": "sum by (exported_job, outcome) (jobs_total{$jobs})"
                },
            ),
            Panel(
                title="Time of jobs",
                queries={
                    "{{exported_job}}": "sum by (exported_job) (job_duration_seconds_sum{$jobs})"
                    " / sum by (exported_job) (job_duration_seconds_count{$jobs})"
                },
                unit="s",
            ),
            Panel(
                title="Time of database queries",
                queries={
                    "{{query}}": "sum by (query) (database_query_duration_seconds_sum{$jobs})"
                    " / sum by (query) (database_query_duration_seconds_count{$jobs})"
                },
                unit="s",
            ),
        ),
    ),
    Dashboard(
        uid="infra-resources",
        title="Resources",
        subject="machine",
        panels=(
            Panel(
                title="Processors in use",
                queries={
                    "{{instance}}": "100 * (1 - avg by (instance) "
                    '(rate(node_cpu_seconds_total{$jobs,mode="idle"}[1m])))'
                },
                unit="percent",
            ),
            Panel(title="Load", queries={"{{instance}}": "node_load1{$jobs}"}),
            Panel(
                title="Memory",
                queries={
                    "total": "node_memory_MemTotal_bytes{$jobs}",
                    "available": "node_memory_MemAvailable_bytes{$jobs}",
                },
                unit="bytes",
            ),
            Panel(
                title="Disks in use",
                queries={
                    "{{device}}": "100 * (1 - max by (device) "
                    '(node_filesystem_avail_bytes{$jobs,fstype!="tmpfs"}'
                    ' / node_filesystem_size_bytes{$jobs,fstype!="tmpfs"}))'
                },
                unit="percent",
            ),
            Panel(
                title="Network",
                queries={
                    "{{device}} received": "rate(node_network_receive_bytes_total{$jobs}[1m])",
                    "{{device}} sent": "rate(node_network_transmit_bytes_total{$jobs}[1m])",
                },
                unit="Bps",
            ),
            # These queries are not limited to some jobs: exporters and servers have metrics of their
            # processes, too.
            Panel(
                title="Memory of processes",
                queries={"{{job}}": "process_resident_memory_bytes"},
                unit="bytes",
            ),
            Panel(
                title="Processor time of processes",
                queries={"{{job}}": "100 * rate(process_cpu_seconds_total[1m])"},
                unit="percent",
            ),
        ),
    ),
    Dashboard(
        uid="infra-postgresql",
        title="PostgreSQL",
        subject="database",
        panels=(
            Panel(
                title="Connections",
                queries={
                    "{{datname}}": "pg_stat_database_numbackends{$jobs}",
                    "largest number": "pg_settings_max_connections{$jobs}",
                },
            ),
            Panel(
                title="Transactions",
                queries={
                    "commits": "sum by (job) (rate(pg_stat_database_xact_commit{$jobs}[1m]))",
                    "rollbacks": "sum by (job) (rate(pg_stat_database_xact_rollback{$jobs}[1m]))",
                },
                unit="ops",
            ),
            Panel(
                title="Blocks found in the cache",
                queries={
                    "{{job}}": "100 * sum by (job) (pg_stat_database_blks_hit{$jobs}) / sum by (job) "
                    "(pg_stat_database_blks_hit{$jobs} + pg_stat_database_blks_read{$jobs})"
                },
                unit="percent",
            ),
            Panel(title="Size", queries={"{{datname}}": "pg_database_size_bytes{$jobs}"}, unit="bytes"),
            Panel(title="Locks", queries={"{{mode}}": "sum by (mode) (pg_locks_count{$jobs})"}),
            Panel(title="Deadlocks", queries={"{{datname}}": "pg_stat_database_deadlocks{$jobs}"}),
        ),
    ),
    Dashboard(
        uid="infra-cache",
        title="Valkey and Redis",
        subject="cache",
        panels=(
            Panel(title="Clients", queries={"{{job}}": "redis_connected_clients{$jobs}"}),
            Panel(
                title="Commands",
                queries={"{{job}}": "rate(redis_commands_processed_total{$jobs}[1m])"},
                unit="ops",
            ),
            Panel(title="Memory", queries={"{{job}}": "redis_memory_used_bytes{$jobs}"}, unit="bytes"),
            Panel(title="Keys", queries={"{{db}}": "redis_db_keys{$jobs}"}),
            Panel(
                title="Hits and misses",
                queries={
                    "hits": "rate(redis_keyspace_hits_total{$jobs}[1m])",
                    "misses": "rate(redis_keyspace_misses_total{$jobs}[1m])",
                },
                unit="ops",
            ),
            Panel(title="Evicted keys", queries={"{{job}}": "redis_evicted_keys_total{$jobs}"}),
        ),
    ),
    Dashboard(
        uid="infra-rabbitmq",
        title="RabbitMQ",
        subject="broker",
        panels=(
            Panel(
                title="Messages",
                queries={
                    "ready": "sum(rabbitmq_queue_messages_ready{$jobs})",
                    "not acknowledged": "sum(rabbitmq_queue_messages_unacked{$jobs})",
                },
            ),
            Panel(
                title="Published",
                queries={
                    "{{job}}": "sum by (job) (rate(rabbitmq_channel_messages_published_total{$jobs}[1m]))"
                },
                unit="ops",
            ),
            Panel(title="Connections", queries={"{{job}}": "rabbitmq_connections{$jobs}"}),
            Panel(title="Queues", queries={"{{job}}": "rabbitmq_queues{$jobs}"}),
        ),
    ),
    Dashboard(
        uid="infra-nats",
        title="NATS",
        subject="messages",
        panels=(
            Panel(title="Connections", queries={"{{job}}": "gnatsd_varz_connections{$jobs}"}),
            Panel(
                title="Messages",
                queries={
                    "received": "rate(gnatsd_varz_in_msgs{$jobs}[1m])",
                    "sent": "rate(gnatsd_varz_out_msgs{$jobs}[1m])",
                },
                unit="ops",
            ),
            Panel(title="Slow consumers", queries={"{{job}}": "gnatsd_varz_slow_consumers{$jobs}"}),
            Panel(title="Memory", queries={"{{job}}": "gnatsd_varz_mem{$jobs}"}, unit="bytes"),
        ),
    ),
)


def rendered(jobs: Mapping[str, Contribution]) -> dict[str, dict[str, Any]]:
    """Return a mapping from uid to dashboard (Grafana's JSON model).

    A subject is a group of metrics, such as `database`. The mapping has the dashboards of each subject about
    which at least one job has metrics; a dashboard shows all these jobs.
    `jobs` maps the name of each job to the contribution with the address of its metrics.
    """
    names: dict[str, list[str]] = {}
    for job, offer in jobs.items():
        if isinstance(offer.value, Metrics):
            names.setdefault(offer.value.subject, []).append(job)
    return {
        dashboard.uid: _dashboard(dashboard, names[dashboard.subject])
        for dashboard in DASHBOARDS
        if dashboard.subject in names
    }


def _dashboard(dashboard: Dashboard, jobs: list[str]) -> dict[str, Any]:
    # A string in PromQL has the same escape sequences as a string in Go.
    pattern = "|".join(re.escape(job) for job in jobs).replace("\\", "\\\\")
    labels = f'job=~"{pattern}"'
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "tags": ["infra"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-15m", "to": "now"},
        "panels": [_panel(panel, number, labels) for number, panel in enumerate(dashboard.panels)],
    }


def _panel(panel: Panel, number: int, labels: str) -> dict[str, Any]:
    per_row = _COLUMNS // _WIDTH
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "datasource": DATA_SOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "gridPos": {
            "x": number % per_row * _WIDTH,
            "y": number // per_row * _HEIGHT,
            "w": _WIDTH,
            "h": _HEIGHT,
        },
        "targets": [
            {
                "refId": chr(ord("A") + position),
                "datasource": DATA_SOURCE,
                "expr": Template(expression).substitute(jobs=labels),
                "legendFormat": legend,
            }
            for position, (legend, expression) in enumerate(panel.queries.items())
        ],
    }
