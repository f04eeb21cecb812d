"""The OpenAPI document of the JSON API."""

from __future__ import annotations

from typing import Any

from infra_runtime.dashboard.alerts import STATUSES
from infra_runtime.dashboard.api_checks import LEVELS as LEVELS_OF_CHANGES
from infra_runtime.dashboard.live_api import LIVE, PREFIX
from infra_runtime.dashboard.log_export import FORMATS
from infra_runtime.dashboard.log_view import LINES, MOST_LINES
from infra_runtime.dashboard.metrics import PARAMETERS as METRICS_PARAMETERS
from infra_runtime.dashboard.openapi_schemas import SCHEMAS, TEXT, TEXTS, reference
from infra_runtime.dashboard.record_pages import MOST_RECORDS, RECORDS
from infra_runtime.dashboard.search import HITS, MOST_HITS
from infra_runtime.dashboard.session_view import MOST_SESSIONS, MOST_TESTS, OUTCOMES, SESSIONS, SORTS, TESTS
from infra_runtime.dashboard.sessions import Role
from infra_runtime.dashboard.snapshots import ACTIONS as SNAPSHOT_ACTIONS
from infra_runtime.dashboard.stack import ACTIONS
from infra_runtime.dashboard.traces import MOST_TRACES, TRACES
from infra_runtime.dashboard.view import GROUPS
from infra_runtime.logs.record import LEVELS


def document() -> dict[str, Any]:
    """Return the OpenAPI document as JSON data. Source: OpenAPI Specification 3.1."""
    name = _parameter("name", "path", TEXT)
    action = _parameter("action", "path", {"type": "string", "enum": [*ACTIONS]})
    snapshot_action = _parameter("action", "path", {"type": "string", "enum": [*SNAPSHOT_ACTIONS]})
    role = {"type": "string", "enum": [role.name.lower() for role in Role], "default": "admin"}
    filters = [
        _parameter("service", "query", TEXTS),
        _parameter("level", "query", {"type": "string", "enum": ["", *LEVELS]}),
        _parameter("text", "query", TEXT),
        _parameter("grep", "query", TEXT),
        _parameter("correlation", "query", TEXT),
        _parameter("include", "query", TEXTS),
        _parameter("exclude", "query", TEXTS),
        _parameter("since", "query", TEXT),
        _parameter("until", "query", TEXT),
        _parameter("run", "query", TEXT),
        _parameter("stack", "query", TEXT),
    ]
    lines = [*filters, _parameter("before", "query", TEXT), _limit(LINES, MOST_LINES)]
    followed = [*filters, _parameter("after", "query", TEXT)]
    stack_and_run = [_parameter("stack", "query", TEXT), _parameter("run", "query", TEXT)]
    trace = [_parameter("trace", "path", TEXT), *stack_and_run]
    report = [_parameter("report", "path", TEXT)]
    span, text = _parameter("span", "path", TEXT), _parameter("text", "query", TEXT)
    group = _parameter("group", "query", {"type": "string", "enum": ["", *GROUPS]})
    level_of_changes = _parameter("level", "query", {"type": "string", "enum": ["", *LEVELS_OF_CHANGES]})
    traces = [
        *(
            _parameter(name, "query", TEXT)
            for name in ("service", "text", "test", "longer", "since", "until")
        ),
        _parameter("status", "query", {"type": "string", "enum": ["", "unset", "ok", "error"]}),
        *stack_and_run,
        _limit(TRACES, MOST_TRACES),
    ]
    sessions = [text, _limit(SESSIONS, MOST_SESSIONS)]
    tests = [
        _parameter("session", "path", TEXT),
        _parameter("outcome", "query", {"type": "string", "enum": ["", *OUTCOMES]}),
        _parameter("text", "query", TEXT),
        _parameter("sort", "query", {"type": "string", "enum": ["", *SORTS]}),
        _limit(TESTS, MOST_TESTS),
    ]
    alerts = [
        _parameter("status", "query", {"type": "string", "enum": ["", *STATUSES]}),
        *(_parameter(name, "query", TEXT) for name in ("text", "severity", "service", "since", "run")),
    ]
    measured = [_parameter(name, "query", TEXT) for name in METRICS_PARAMETERS]
    records = [
        *(_parameter(name, "query", TEXT) for name in ("service", "text", "trace", "since", "until", "run")),
        _parameter("level", "query", {"type": "string", "enum": ["", *LEVELS]}),
        _limit(RECORDS, MOST_RECORDS),
    ]
    described: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "pytest-infra dashboard", "version": "1"},
        "security": [{"key": []}, {"cookie": []}],
        "paths": {
            "/health": {"get": _operation("Whether the process answers", "Health", is_open=True)},
            "/ready": {"get": _operation("Whether the supervisor answers", "Health", is_open=True)},
            "/status": {"get": _operation("The stack, and the number of services per phase", "Status")},
            "/metrics": {"get": _operation("The metrics of the dashboard itself", "text/plain")},
            "/api/v1/openapi.json": {"get": _operation("This document", "application/json")},
            "/api/v1/search": {
                "get": _operation(
                    "The hits for a text in all signals, such as logs and traces",
                    "Search",
                    [text, _limit(HITS, MOST_HITS)],
                )
            },
            "/api/v1/services": {"get": _operation("All services", "Services", [group, text])},
            "/api/v1/services/{name}": {"get": _operation("One service", "Service", [name])},
            "/api/v1/services/{name}/{action}": {
                "post": _operation("Start, stop or restart a service", "Outcome", [name, action])
            },
            "/api/v1/services/{name}/history": {
                "get": _operation("The newest events of a service", "History", [name])
            },
            "/api/v1/streams/services": {
                "get": _operation(
                    "The services whose state has changed, as server-sent events", "text/event-stream"
                )
            },
            "/api/v1/streams/logs": {
                "get": _operation("New log lines, as server-sent events", "text/event-stream", followed)
            },
            "/api/v1/start": {"get": _operation("The last start with its critical path", "Start")},
            "/api/v1/configuration": {
                "get": _operation("All settings with their sources", "Configuration", [text])
            },
            "/api/v1/logs": {
                "get": _operation("Log lines that match the filter, the oldest first", "Lines", lines)
            },
            **{
                f"/api/v1/logs.{extension}": {
                    "get": _operation("All log lines that match the filter, as a file", media_type, filters)
                }
                for extension, (media_type, _) in FORMATS.items()
            },
            "/api/v1/alerts": {"get": _operation("Alerts, and groups of equal errors", "Alerts", alerts)},
            "/api/v1/apis": {
                "get": _operation(
                    "The checks of the APIs that the stack file declares",
                    "ApiChecks",
                    [level_of_changes, text],
                )
            },
            "/api/v1/metrics": {"get": _operation("The metrics of a time range", "Metrics", measured)},
            "/api/v1/metrics.csv": {
                "get": _operation("The metrics of a time range, one row for each value", "text/csv", measured)
            },
            "/api/v1/tests": {
                "get": _operation("Failure reports of tests, the newest first", "Tests", [text])
            },
            "/api/v1/tests/sessions": {
                "get": _operation("Sessions of pytest, the newest first", "TestSessions", sessions)
            },
            "/api/v1/tests/sessions/{session}": {
                "get": _operation("The tests of a session, by default the newest first", "TestRuns", tests)
            },
            "/api/v1/tests/{report}": {"get": _operation("A failure report with its logs", "Report", report)},
            "/api/v1/tests/imports": {
                "post": _operation(
                    "Import the failure reports in a ZIP file, and return their ids", "Imported"
                )
            },
            "/api/v1/tests/{report}/remove": {
                "post": _operation("Remove an imported failure report", "RemovedReport", report)
            },
            "/api/v1/tests/{report}/archive": {
                "get": _operation("A failure report as a ZIP file", "application/zip", report)
            },
            "/api/v1/tests/{report}/otlp": {
                "get": _operation("The spans of a failure report as OTLP JSON", "Otlp", report)
            },
            "/api/v1/tests/{report}/har": {
                "get": _operation("The HTTP requests of a failure report as HAR", "Har", report)
            },
            "/api/v1/tests/{report}/waterfall": {
                "get": _operation("The spans of a failure report", "Waterfall", report)
            },
            "/api/v1/tests/{report}/spans": {
                "get": _operation("The spans that contain a text", "SpanIds", [*report, text])
            },
            "/api/v1/tests/{report}/spans/{span}": {
                "get": _operation("A span of a failure report", "Span", [*report, span])
            },
            "/api/v1/records": {"get": _operation("The newest log records", "Records", records)},
            "/api/v1/traces": {"get": _operation("The newest traces", "Traces", traces)},
            "/api/v1/traces/{trace}": {"get": _operation("A trace with all its spans", "Trace", trace)},
            "/api/v1/traces/{trace}/otlp": {"get": _operation("A trace as OTLP JSON", "Otlp", trace)},
            "/api/v1/traces/{trace}/har": {
                "get": _operation("The HTTP requests of a trace as HAR", "Har", trace)
            },
            "/api/v1/traces/imports": {
                "post": _operation("Import traces in OTLP JSON, and return their ids", "ImportedTraces")
            },
            "/api/v1/traces/{trace}/waterfall": {
                "get": _operation(
                    "The spans of a trace: for each field, a list with the values of all spans",
                    "Waterfall",
                    trace,
                )
            },
            "/api/v1/traces/{trace}/spans": {
                "get": _operation("The spans that contain a text", "SpanIds", [*trace, text])
            },
            "/api/v1/traces/{trace}/spans/{span}": {
                "get": _operation("A span with its log records", "Span", [*trace, span])
            },
            "/api/v1/snapshots": {"get": _operation("The snapshots, the newest first", "Snapshots")},
            "/api/v1/snapshots/{name}/{action}": {
                "post": _operation(
                    "Save, restore or remove a snapshot", "SnapshotOutcome", [name, snapshot_action]
                )
            },
            "/api/v1/login-links": {
                "post": _operation(
                    "Create a login link, which is valid for one login",
                    "LoginLink",
                    [_parameter("role", "query", role)],
                    status="201",
                )
            },
        },
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "x-dashboard-key"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "infra-1337"},
            },
        },
    }
    paths = described["paths"]
    for path in LIVE:
        parameters = paths[f"{PREFIX}{path}"]["get"]["parameters"]
        summary = f"Server-sent events: the answer of `{PREFIX}{path}`, sent again when it has changed"
        paths[f"{PREFIX}streams/{path}"] = {"get": _operation(summary, "text/event-stream", parameters)}
    return described


def _parameter(name: str, location: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": location, "required": location == "path", "schema": schema}


def _limit(default: int, maximum: int) -> dict[str, Any]:
    schema = {"type": "integer", "minimum": 1, "maximum": maximum, "default": default}
    return _parameter("limit", "query", schema)


def _operation(
    summary: str,
    answer: str,
    parameters: list[dict[str, Any]] | None = None,
    *,
    status: str = "200",
    is_open: bool = False,
) -> dict[str, Any]:
    """Return an operation; `answer` is the name of a schema, or a media type if the answer is not JSON."""
    is_schema = "/" not in answer
    content: dict[str, Any] = (
        {"application/json": {"schema": reference(answer)}} if is_schema else {answer: {}}
    )
    problem = {"application/problem+json": {"schema": reference("Problem")}}
    return {
        "summary": summary,
        "parameters": parameters or [],
        "responses": {
            status: {"description": summary, "content": content},
            "default": {"description": "The request failed", "content": problem},
        },
        **({"security": []} if is_open else {}),
    }
