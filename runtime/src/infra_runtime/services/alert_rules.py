"""The alerts that a metrics store evaluates for the services of a stack, and the thresholds of these alerts.

Each rule of the table `RULES` applies to the jobs whose metrics it reads, so that a stack without a database
has no rule about a database.

Sources: Prometheus documentation, "Alerting rules", "Query functions"; for the names of metrics, the READMEs
of node_exporter, postgres_exporter and redis_exporter, and `infra_runtime.web.metrics`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from string import Template
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from infra_runtime.catalogue import Seconds
from infra_runtime.contributions import Alert, Contribution, Metrics, Subject
from infra_runtime.value import frozen


class Levels(BaseModel):
    """The levels of an alert, each optional. A value above a level causes an alert with this severity."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    warning: float | None = Field(default=None, gt=0, le=86400)
    critical: float | None = Field(default=None, gt=0, le=86400)

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if self.warning is not None and self.critical is not None and self.warning >= self.critical:
            raise ValueError(
                f"`warning` ({self.warning:g}) should be less than `critical` ({self.critical:g})"
            )
        return self

    def items(self) -> Iterator[tuple[str, float]]:
        """Yield the severity and the value of each level."""
        for severity, value in (("warning", self.warning), ("critical", self.critical)):
            if value is not None:
                yield severity, value


class Percentages(Levels):
    """The levels of an alert, in percent."""

    warning: float | None = Field(default=None, gt=0, le=100)
    critical: float | None = Field(default=None, gt=0, le=100)


class Thresholds(BaseModel):
    """The setting `thresholds`: the levels of the alerts.

    A value in the stack file, such as `p99 = { critical = 2 }`, replaces both default levels of this alert,
    even if the value contains only one level.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: the responses with a 5xx status, in percent of all responses
    error_rate: Percentages = Percentages(warning=1, critical=5)
    #: the duration in seconds that 95 % (`p95`) or 99 % (`p99`) of the requests do not exceed
    p95: Levels = Levels(warning=1)
    p99: Levels = Levels(warning=1, critical=5)
    #: the connections to a database server, in percent of the largest number that the server allows
    connections: Percentages = Percentages(warning=80, critical=95)
    #: the use of processors, memory and disks of the machine, in percent
    cpu: Percentages = Percentages(warning=70, critical=90)
    memory: Percentages = Percentages(warning=80, critical=95)
    disk: Percentages = Percentages(warning=85, critical=95)
    #: the number of restarts of a process within `window`
    restarts: Levels = Levels(warning=3)
    #: the length in seconds of the time range for computing rates, durations and restarts
    window: Seconds = 300.0
    #: the seconds for which the condition of an alert must hold before the alert fires; an alert about
    #: restarts fires at once
    after: float = Field(default=60.0, ge=0, le=86400)


@frozen
class Rule:
    """A row of the table of rules: one alert, with an alerting rule for each level of its threshold."""

    name: str
    #: in PromQL, with `$job` for the labels of the job, and `$window` for the setting `window`
    expression: str
    summary: str
    #: the metrics that the expression reads; empty for a rule about each job
    subject: Subject = ""
    #: the field of `Thresholds` with the levels; if empty, the expression is a condition, and the alert is
    #: critical
    threshold: str = ""
    #: whether the alert fires only after the condition has held for the seconds in the setting `after`
    waits: bool = True


_DISKS = 'fstype!~"tmpfs|ramfs|squashfs|erofs|iso9660|fuse.*"'
_QUANTILE = (
    "histogram_quantile($quantile, "
    "sum by (job, le) (rate(http_request_duration_seconds_bucket{$job}[$window])))"
)
RULES = (
    Rule(
        name="ServiceDown",
        expression="up{$job} == 0",
        summary="{{ $labels.job }} does not answer the requests for its metrics",
    ),
    Rule(
        name="ManyRestarts",
        expression="changes(process_start_time_seconds{$job}[$window])",
        summary='{{ $labels.job }} has been restarted {{ $value | printf "%.0f" }} times',
        threshold="restarts",
        waits=False,
    ),
    Rule(
        name="HighErrorRate",
        expression=(
            '100 * sum by (job) (rate(http_requests_total{$job,status=~"5.."}[$window]))'
            " / sum by (job) (rate(http_requests_total{$job}[$window]))"
        ),
        summary='{{ $labels.job }} answers {{ $value | printf "%.1f" }} % of the requests with a 5xx status',
        subject="application",
        threshold="error_rate",
    ),
    Rule(
        name="SlowRequestsP95",
        expression=_QUANTILE.replace("$quantile", "0.95"),
        summary='5 % of the requests to {{ $labels.job }} take longer than {{ $value | printf "%.2f" }} s',
        subject="application",
        threshold="p95",
    ),
    Rule(
        name="SlowRequestsP99",
        expression=_QUANTILE.replace("$quantile", "0.99"),
        summary='1 % of the requests to {{ $labels.job }} take longer than {{ $value | printf "%.2f" }} s',
        subject="application",
        threshold="p99",
    ),
    Rule(
        name="DatabaseConnectionFailure",
        expression="pg_up{$job} == 0",
        summary="{{ $labels.job }} cannot connect to the database",
        subject="database",
    ),
    Rule(
        name="ManyDatabaseConnections",
        expression=(
            "100 * sum by (job, instance) (pg_stat_database_numbackends{$job})"
            " / max by (job, instance) (pg_settings_max_connections{$job})"
        ),
        summary='{{ $value | printf "%.0f" }} % of the database connections of {{ $labels.job }} are in use',
        subject="database",
        threshold="connections",
    ),
    Rule(
        name="CacheConnectionFailure",
        expression="redis_up{$job} == 0 or increase(redis_rejected_connections_total{$job}[$window]) > 0",
        summary="{{ $labels.job }} cannot connect to the cache, or the cache has refused connections",
        subject="cache",
    ),
    Rule(
        name="HighCpuUse",
        expression=(
            '100 * (1 - avg by (job, instance) (rate(node_cpu_seconds_total{$job,mode="idle"}[$window])))'
        ),
        summary='{{ $value | printf "%.0f" }} % of the processors\' time is in use',
        subject="machine",
        threshold="cpu",
    ),
    Rule(
        name="HighMemoryUse",
        expression="100 * (1 - node_memory_MemAvailable_bytes{$job} / node_memory_MemTotal_bytes{$job})",
        summary='{{ $value | printf "%.0f" }} % of the memory is in use',
        subject="machine",
        threshold="memory",
    ),
    Rule(
        name="DiskNearlyFull",
        expression=(
            f"100 * (1 - max by (job, instance, device) (node_filesystem_avail_bytes{{$job,{_DISKS}}}"
            f" / node_filesystem_size_bytes{{$job,{_DISKS}}}))"
        ),
        summary='{{ $value | printf "%.0f" }} % of the disk {{ $labels.device }} is in use',
        subject="machine",
        threshold="disk",
    ),
)


def alerts(jobs: Mapping[str, Contribution], thresholds: Thresholds) -> Iterator[Contribution]:
    """Yield the alerts for scrape jobs, each as a contribution of the job's service.

    `jobs` maps the name of each job to the contribution with the address of its metrics.
    """
    for job, offer in jobs.items():
        subject = offer.value.subject if isinstance(offer.value, Metrics) else ""
        for rule in RULES:
            if rule.subject in {"", subject}:
                for alert in _of_levels(rule, job, thresholds):
                    yield Contribution(key="alert", value=alert, service=offer.service)


def _of_levels(rule: Rule, job: str, thresholds: Thresholds) -> Iterator[Alert]:
    expression = Template(rule.expression).substitute(job=f'job="{job}"', window=duration(thresholds.window))
    conditions = [("critical", expression)]
    if rule.threshold:
        levels: Levels = getattr(thresholds, rule.threshold)
        conditions = [(severity, f"{expression} > {value:g}") for severity, value in levels.items()]
    for severity, condition in conditions:
        yield Alert(
            name=rule.name,
            expression=condition,
            after=thresholds.after if rule.waits else 0.0,
            severity=severity,
            summary=rule.summary,
        )


def duration(seconds: float) -> str:
    """Return a duration in the notation of Prometheus, such as `1500ms`.

    A duration of more than 0 seconds becomes at least `1ms`.
    """
    return f"{max(round(seconds * 1000), 1) if seconds else 0}ms"
