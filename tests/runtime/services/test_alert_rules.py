"""The alerts that the thresholds of a metrics store cause: which rules exist, and when each of them fires."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from fakes.project import Project
from infra_runtime.binaries import Binary, locate
from infra_runtime.catalogue import entry
from infra_runtime.contributions import Contribution, Metrics, Subject
from infra_runtime.services.alert_rules import RULES, Levels, Percentages, Thresholds, alerts
from infra_runtime.spec import ServiceSpec, WriteFile

JOBS: Mapping[str, Subject] = {"api": "application", "node": "machine", "pg": "database", "redis": "cache"}


def offer(service: str, subject: Subject) -> Contribution:
    return Contribution(key="metrics", service=service, value=Metrics(port="http", subject=subject))


def names(*subjects: Subject, thresholds: Thresholds | None = None) -> set[tuple[str, str]]:
    """Return name and severity of each alert for services with metrics about these subjects."""
    jobs = {f"job{number}": offer(f"job{number}", subject) for number, subject in enumerate(subjects)}
    return {(alert.value.name, alert.value.severity) for alert in alerts(jobs, thresholds or Thresholds())}


def rules(spec: ServiceSpec) -> list[dict[str, Any]]:
    """Return the content of the file with the rules, without its groups."""
    texts = [
        step.text for step in spec.prepare if isinstance(step, WriteFile) and step.path.endswith("/rules.yml")
    ]
    return [rule for text in texts for group in json.loads(text)["groups"] for rule in group["rules"]]


# --- the table -------------------------------------------------------------------------------------


def test_each_threshold_belongs_to_one_rule() -> None:
    levels = {name for name, value in Thresholds() if isinstance(value, Levels)}

    assert sorted(rule.threshold for rule in RULES if rule.threshold) == sorted(levels)


def test_a_service_without_known_metrics_has_the_rules_that_every_service_has() -> None:
    assert names("") == {("ServiceDown", "critical"), ("ManyRestarts", "warning")}
    assert names() == set()


def test_a_level_without_a_value_has_no_rule() -> None:
    thresholds = Thresholds(p99=Levels(critical=3), p95=Levels(), error_rate=Percentages(warning=2))

    assert names("application", thresholds=thresholds) - names("") == {
        ("SlowRequestsP99", "critical"),
        ("HighErrorRate", "warning"),
    }


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"cpu": {"warning": 101}}, "less than or equal to 100"),
        ({"cpu": {"warning": 0}}, "greater than 0"),
        ({"cpu": {"warning": 95, "critical": 90}}, "should be less than `critical`"),
        ({"p99": {"warning": 10**6}}, "less than or equal to 86400"),
        ({"cpus": {"warning": 5}}, "Extra inputs"),
        ({"after": -1}, "greater than or equal to 0"),
        ({"window": 0}, "greater than 0"),
    ],
)
def test_thresholds_that_are_not_valid_are_refused(table: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        Thresholds.model_validate(table)


# --- in a stack ------------------------------------------------------------------------------------


def test_a_stack_has_only_the_rules_of_its_services(project: Project) -> None:
    project.write(
        "use = ['valkey', 'api']\n"
        "[services.api]\ncommand = ['a']\nports = { http = 1 }\nmetrics = '/metrics'\n"
        "[services.prometheus.thresholds]\ncpu = { critical = 50 }\nafter = 2\n"
    )
    spec = project.spec("prometheus", profile="observability")

    by_service: dict[str, set[str]] = {}
    for rule in rules(spec):
        by_service.setdefault(rule["labels"]["service"], set()).add(rule["alert"])

    everywhere = {"ServiceDown", "ManyRestarts"}
    assert by_service["api"] == {*everywhere, "HighErrorRate", "SlowRequestsP95", "SlowRequestsP99"}
    assert by_service["redis-exporter"] == {*everywhere, "CacheConnectionFailure"}
    assert "postgres-exporter" not in by_service
    (cpu,) = [rule for rule in rules(spec) if rule["alert"] == "HighCpuUse"]
    assert (cpu["labels"]["severity"], cpu["for"], cpu["expr"][-4:]) == ("critical", "2000ms", "> 50")


def test_the_setting_alerts_turns_the_rules_off(project: Project) -> None:
    project.write("[services.prometheus]\nalerts = false\n")

    assert rules(project.spec("prometheus", profile="observability")) == []


def test_a_mistake_in_a_threshold_names_the_line_of_the_stack_file(project: Project) -> None:
    project.write("use = ['prometheus']\n[services.prometheus.thresholds]\nmemory = { warning = 200 }\n")

    assert project.error().startswith("infra.toml:")


# --- promtool --------------------------------------------------------------------------------------

#: rule → input series (labels and values at each minute), its alert at 15 minutes, and input without an alert
#: Source: Prometheus documentation, "Unit testing for rules": `0+6x15` are 0, 6, 12, … at 16 minutes.
CASES: Mapping[str, tuple[dict[str, str], str, dict[str, str]]] = {
    "ServiceDown": ({'up{job="api"}': "1x12 0x3"}, "critical", {'up{job="api"}': "1x14 0"}),
    "ManyRestarts": (
        {'process_start_time_seconds{job="api"}': "1x10 2 3 4 5 6"},
        "warning",
        {'process_start_time_seconds{job="api"}': "1x12 2 3 4"},
    ),
    "HighErrorRate": (
        {
            'http_requests_total{job="api",method="GET",status="200"}': "0+90x15",
            'http_requests_total{job="api",method="GET",status="503"}': "0+10x15",
        },
        "both",
        {
            'http_requests_total{job="api",method="GET",status="200"}': "0+1000x15",
            'http_requests_total{job="api",method="GET",status="500"}': "0+9x15",
            'http_requests_total{job="api",method="GET",status="404"}': "0+500x15",
        },
    ),
    "SlowRequestsP95": (
        {
            'http_request_duration_seconds_bucket{job="api",method="GET",le="1"}': "0+90x15",
            'http_request_duration_seconds_bucket{job="api",method="GET",le="2.5"}': "0+100x15",
            'http_request_duration_seconds_bucket{job="api",method="GET",le="+Inf"}': "0+100x15",
        },
        "warning",
        {
            'http_request_duration_seconds_bucket{job="api",method="GET",le="1"}': "0+96x15",
            'http_request_duration_seconds_bucket{job="api",method="GET",le="+Inf"}': "0+100x15",
        },
    ),
    "SlowRequestsP99": (
        {
            'http_request_duration_seconds_bucket{job="api",method="GET",le="1"}': "0+96x15",
            'http_request_duration_seconds_bucket{job="api",method="GET",le="10"}': "0+100x15",
            'http_request_duration_seconds_bucket{job="api",method="GET",le="+Inf"}': "0+100x15",
        },
        "both",
        {
            'http_request_duration_seconds_bucket{job="api",method="GET",le="1"}': "0+995x15",
            'http_request_duration_seconds_bucket{job="api",method="GET",le="+Inf"}': "0+1000x15",
        },
    ),
    "DatabaseConnectionFailure": ({'pg_up{job="pg"}': "0x15"}, "critical", {'pg_up{job="pg"}': "1x15"}),
    "ManyDatabaseConnections": (
        {
            'pg_stat_database_numbackends{job="pg",datname="a"}': "50x15",
            'pg_stat_database_numbackends{job="pg",datname="b"}': "46x15",
            'pg_settings_max_connections{job="pg",server="s"}': "100x15",
        },
        "both",
        {
            'pg_stat_database_numbackends{job="pg",datname="a"}': "79x15",
            'pg_settings_max_connections{job="pg",server="s"}': "100x15",
        },
    ),
    "CacheConnectionFailure": (
        {'redis_up{job="redis"}': "1x15", 'redis_rejected_connections_total{job="redis"}': "0x11 1 2 3 4"},
        "critical",
        {'redis_up{job="redis"}': "1x15", 'redis_rejected_connections_total{job="redis"}': "7x15"},
    ),
    "HighCpuUse": (
        {
            'node_cpu_seconds_total{job="node",cpu="0",mode="idle"}': "0+3x15",
            'node_cpu_seconds_total{job="node",cpu="1",mode="idle"}': "0+3x15",
        },
        "both",
        {'node_cpu_seconds_total{job="node",cpu="0",mode="idle"}': "0+24x15"},
    ),
    "HighMemoryUse": (
        {
            'node_memory_MemAvailable_bytes{job="node"}': "4x15",
            'node_memory_MemTotal_bytes{job="node"}': "100x15",
        },
        "both",
        {
            'node_memory_MemAvailable_bytes{job="node"}': "21x15",
            'node_memory_MemTotal_bytes{job="node"}': "100x15",
        },
    ),
    "DiskNearlyFull": (
        {
            'node_filesystem_avail_bytes{job="node",device="d",fstype="ext4",mountpoint="/"}': "4x15",
            'node_filesystem_size_bytes{job="node",device="d",fstype="ext4",mountpoint="/"}': "100x15",
        },
        "both",
        {
            'node_filesystem_avail_bytes{job="node",device="d",fstype="tmpfs",mountpoint="/run"}': "4x15",
            'node_filesystem_size_bytes{job="node",device="d",fstype="tmpfs",mountpoint="/run"}': "100x15",
        },
    ),
}


def test_each_alert_rule_has_a_test_case() -> None:
    assert CASES.keys() == {rule.name for rule in RULES}


@pytest.mark.real("prometheus", "promtool")
def test_each_rule_fires_above_its_level_and_only_then(tmp_path: Path) -> None:
    """One run of `promtool` evaluates all cases: its start is expensive."""
    kind = entry("prometheus")
    offers = [offer(job, subject) for job, subject in JOBS.items()]
    spec = kind.make(kind.settings.model_validate({}), offers)
    generated = rules(spec)
    groups = {"groups": [{"name": "generated", "rules": generated}]}
    (tmp_path / "rules.yml").write_text(json.dumps(groups), encoding="utf-8")
    tests = []
    for name, (firing, severity, quiet) in CASES.items():
        severities = ("warning", "critical") if severity == "both" else (severity,)
        tests += [_case(name, firing, generated, severities), _case(name, quiet, generated, ())]
    cases = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": tests}
    (tmp_path / "cases.yml").write_text(json.dumps(cases), encoding="utf-8")

    promtool = locate(Binary(name="promtool"))
    result = subprocess.run(
        [promtool, "test", "rules", str(tmp_path / "cases.yml")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert result.returncode == 0, result.stdout + result.stderr


def _case(
    name: str, series: Mapping[str, str], generated: list[dict[str, Any]], severities: tuple[str, ...]
) -> dict[str, Any]:
    """Return a test of `promtool`: the number of alerts with this name at 15 minutes, for each severity.

    The query counts instead of comparing annotations, which contain computed values.
    """
    expected = {
        rule["labels"]["severity"]: int(rule["labels"]["severity"] in severities)
        for rule in generated
        if rule["alert"] == name
    }
    assert set(severities) <= expected.keys()
    return {
        "interval": "1m",
        "input_series": [{"series": key, "values": values} for key, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f'count(ALERTS{{alertname="{name}",alertstate="firing",severity="{severity}"}})',
                "eval_time": "15m",
                "exp_samples": [{"labels": "{}", "value": 1}] if count else [],
            }
            for severity, count in expected.items()
        ],
    }
