"""The OpenAPI document of the JSON API."""

from __future__ import annotations

from typing import Any

from infra_runtime.dashboard.alerts import STATUSES
from infra_runtime.dashboard.api_checks import LEVELS as LEVELS_OF_CHANGES
from infra_runtime.dashboard.log_view import LINES, MOST_LINES
from infra_runtime.dashboard.metrics import PARAMETERS as METRICS_PARAMETERS
from infra_runtime.dashboard.session_view import (
    MOST_SESSIONS,
    MOST_TESTS,
    OUTCOMES,
    SESSIONS,
    SORTS,
    STATES,
    TESTS,
)
from infra_runtime.dashboard.sessions import Role
from infra_runtime.dashboard.snapshots import ACTIONS as SNAPSHOT_ACTIONS
from infra_runtime.dashboard.stack import ACTIONS
from infra_runtime.logs.record import LEVELS
from infra_runtime.messages import Phase

_TEXT: dict[str, Any] = {"type": "string"}
_NUMBER: dict[str, Any] = {"type": "number"}
_INTEGER: dict[str, Any] = {"type": "integer"}
_TEXTS: dict[str, Any] = {"type": "array", "items": _TEXT}
_TEXT_MAP: dict[str, Any] = {"type": "object", "additionalProperties": _TEXT}
_PHASE: dict[str, Any] = {"type": "string", "enum": [phase.value for phase in Phase]}


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


def _reference(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _items(name: str) -> dict[str, Any]:
    return {"type": "array", "items": _reference(name)}


def _nullable(kind: str) -> dict[str, Any]:
    return {"type": [kind, "null"]}


_FAILURES: dict[str, Any] = {"type": "array", "items": _object(service=_TEXT, reason=_TEXT, log=_TEXTS)}
_SCHEMAS = {
    "Health": _object(status={"type": "string", "enum": ["ok", "unavailable"]}),
    "Status": _object(
        environment=_TEXT,
        data=_TEXT,
        supervisor=_INTEGER,
        services={"type": "object", "additionalProperties": _INTEGER},
    ),
    "Service": _object(
        name=_TEXT,
        kind=_TEXT,
        summary=_TEXT,
        phase=_PHASE,
        reason=_TEXT,
        since=_NUMBER,
        restarts=_INTEGER,
        pid=_INTEGER,
        cpu=_nullable("number"),
        memory=_nullable("integer"),
        addresses=_TEXT_MAP,
        ports={"type": "object", "additionalProperties": _INTEGER},
        needs=_TEXTS,
        dependents=_TEXTS,
        actions=_TEXT_MAP,
    ),
    "Services": _object(items=_items("Service")),
    "Outcome": _object(
        services={"type": "array", "items": _object(name=_TEXT, phase=_PHASE, reason=_TEXT)},
        failures=_FAILURES,
    ),
    "Line": _object(
        service=_TEXT,
        offset=_INTEGER,
        time=_NUMBER,
        level={"type": "string", "enum": ["", *LEVELS]},
        text=_TEXT,
        cut={"type": "boolean"},
    ),
    "Lines": _object(
        items=_items("Line"), first=_TEXT, last=_TEXT, has_earlier={"type": "boolean"}, skipped=_INTEGER
    ),
    "Alert": _object(
        name=_TEXT,
        service=_TEXT,
        severity=_TEXT,
        status={"type": "string", "enum": [*STATUSES]},
        start=_NUMBER,
        end=_NUMBER,
        summary=_TEXT,
        labels=_TEXT_MAP,
    ),
    "ErrorGroup": _object(
        fingerprint=_TEXT,
        service=_TEXT,
        type=_TEXT,
        message=_TEXT,
        frame=_TEXT,
        count=_INTEGER,
        first=_NUMBER,
        last=_NUMBER,
        trace=_TEXT,
    ),
    "Alerts": _object(items=_items("Alert"), errors=_items("ErrorGroup"), more={"type": "boolean"}),
    "Finding": _object(
        rule=_TEXT,
        level={"type": "string", "enum": [*LEVELS_OF_CHANGES]},
        method=_TEXT,
        path=_TEXT,
        subject=_TEXT,
        message=_TEXT,
        advice=_TEXT,
        fingerprint=_TEXT,
        file=_TEXT,
        pointer=_TEXT,
        line=_INTEGER,
    ),
    "ApiCheck": _object(
        name=_TEXT,
        base=_TEXT,
        revision=_TEXT,
        verdict={"type": "string", "enum": ["", "breaking", "warning", "compatible"]},
        problem=_TEXT,
        hint=_TEXT,
        accepted=_INTEGER,
        left_out=_INTEGER,
        findings=_items("Finding"),
    ),
    "ApiChecks": _object(items=_items("ApiCheck")),
    "Series": _object(
        name=_TEXT, service=_TEXT, values={"type": "array", "items": _object(time=_NUMBER, value=_NUMBER)}
    ),
    "Chart": _object(
        title=_TEXT,
        unit=_TEXT,
        source={"type": "string", "enum": ["processes", "collected", "received"]},
        left_out=_INTEGER,
        series=_items("Series"),
    ),
    "Metrics": _object(since=_NUMBER, until=_NUMBER, charts=_items("Chart"), problems=_TEXT_MAP),
    "Test": _object(
        id=_TEXT,
        test=_TEXT,
        phase=_TEXT,
        began=_NUMBER,
        seconds=_NUMBER,
        exception=_TEXT,
        folder=_TEXT,
    ),
    "Tests": _object(items=_items("Test"), total=_INTEGER, damaged=_INTEGER),
    "TestSession": _object(
        id=_TEXT,
        state={"type": "string", "enum": [*STATES]},
        began=_NUMBER,
        seconds=_NUMBER,
        tests=_INTEGER,
        selected=_INTEGER,
        workers=_INTEGER,
        selection=_TEXT,
        left_out=_INTEGER,
        counts={"type": "object", "additionalProperties": _INTEGER},
        status=_nullable("integer"),
        python=_TEXT,
        pytest=_TEXT,
    ),
    "TestSessions": _object(items=_items("TestSession"), total=_INTEGER),
    "TestRun": _object(
        test=_TEXT,
        outcome=_TEXT,
        began=_NUMBER,
        seconds=_NUMBER,
        worker=_TEXT,
        error=_TEXT,
        trace=_TEXT,
        phases={"type": "object", "additionalProperties": _NUMBER},
        waits={"type": "array", "items": _object(name=_TEXT, seconds=_NUMBER)},
        links=_object(report=_TEXT, logs=_TEXT, trace=_TEXT),
    ),
    "TestRuns": _object(
        session=_reference("TestSession"),
        items=_items("TestRun"),
        total=_INTEGER,
        running={"type": "array", "items": _object(test=_TEXT, began=_NUMBER)},
    ),
    "Snapshot": _object(name=_TEXT, time=_NUMBER, size=_INTEGER, services=_TEXTS),
    "Snapshots": _object(
        items=_items("Snapshot"), damaged={"type": "array", "items": _object(name=_TEXT, reason=_TEXT)}
    ),
    "SnapshotOutcome": _object(name=_TEXT, services=_TEXTS, failures=_FAILURES),
    "LoginLink": _object(url=_TEXT, role=_TEXT, seconds=_NUMBER),
    "Problem": _object(type=_TEXT, title=_TEXT, status=_INTEGER, detail=_TEXT),
}


def document() -> dict[str, Any]:
    """Return the document. Source: OpenAPI Specification 3.1."""
    name = _parameter("name", "path", _TEXT)
    action = _parameter("action", "path", {"type": "string", "enum": [*ACTIONS]})
    snapshot_action = _parameter("action", "path", {"type": "string", "enum": [*SNAPSHOT_ACTIONS]})
    role = {"type": "string", "enum": [role.name.lower() for role in Role], "default": "admin"}
    lines = [
        _parameter("service", "query", _TEXTS),
        _parameter("level", "query", {"type": "string", "enum": ["", *LEVELS]}),
        _parameter("text", "query", _TEXT),
        _parameter("grep", "query", _TEXT),
        _parameter("correlation", "query", _TEXT),
        _parameter("since", "query", _TEXT),
        _parameter("until", "query", _TEXT),
        _parameter("before", "query", _TEXT),
        _parameter("stack", "query", _TEXT),
        _limit(LINES, MOST_LINES),
    ]
    sessions = _limit(SESSIONS, MOST_SESSIONS)
    tests = [
        _parameter("session", "path", _TEXT),
        _parameter("outcome", "query", {"type": "string", "enum": ["", *OUTCOMES]}),
        _parameter("text", "query", _TEXT),
        _parameter("sort", "query", {"type": "string", "enum": ["", *SORTS]}),
        _limit(TESTS, MOST_TESTS),
    ]
    alerts = [
        _parameter("status", "query", {"type": "string", "enum": ["", *STATUSES]}),
        *(_parameter(name, "query", _TEXT) for name in ("severity", "service", "since")),
    ]
    measured = [_parameter(name, "query", _TEXT) for name in METRICS_PARAMETERS]
    return {
        "openapi": "3.1.0",
        "info": {"title": "pytest-infra dashboard", "version": "1"},
        "security": [{"key": []}, {"cookie": []}],
        "paths": {
            "/health": {"get": _operation("Whether the process answers", "Health", is_open=True)},
            "/ready": {"get": _operation("Whether the supervisor answers", "Health", is_open=True)},
            "/status": {"get": _operation("The stack, and the number of services per phase", "Status")},
            "/api/v1/services": {"get": _operation("All services", "Services")},
            "/api/v1/services/{name}": {"get": _operation("One service", "Service", [name])},
            "/api/v1/services/{name}/{action}": {
                "post": _operation("Start, stop or restart a service", "Outcome", [name, action])
            },
            "/api/v1/logs": {"get": _operation("Lines of the logs, the oldest first", "Lines", lines)},
            "/api/v1/alerts": {"get": _operation("Alerts, and groups of equal errors", "Alerts", alerts)},
            "/api/v1/apis": {"get": _operation("The checks of the declared APIs", "ApiChecks")},
            "/api/v1/metrics": {"get": _operation("The metrics of a time range", "Metrics", measured)},
            "/api/v1/tests": {"get": _operation("Failure reports of tests, the newest first", "Tests")},
            "/api/v1/tests/sessions": {
                "get": _operation("Sessions of pytest, the newest first", "TestSessions", [sessions])
            },
            "/api/v1/tests/sessions/{session}": {
                "get": _operation("The tests of a session, the newest first", "TestRuns", tests)
            },
            "/api/v1/snapshots": {"get": _operation("The snapshots, the newest first", "Snapshots")},
            "/api/v1/snapshots/{name}/{action}": {
                "post": _operation(
                    "Save, restore or remove a snapshot", "SnapshotOutcome", [name, snapshot_action]
                )
            },
            "/api/v1/login-links": {
                "post": _operation(
                    "A link for one login", "LoginLink", [_parameter("role", "query", role)], status="201"
                )
            },
        },
        "components": {
            "schemas": _SCHEMAS,
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "x-dashboard-key"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "infra-1337"},
            },
        },
    }


def _parameter(name: str, place: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": place, "required": place == "path", "schema": schema}


def _limit(default: int, most: int) -> dict[str, Any]:
    schema = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
    return _parameter("limit", "query", schema)


def _operation(
    summary: str,
    answer: str,
    parameters: list[dict[str, Any]] | None = None,
    *,
    status: str = "200",
    is_open: bool = False,
) -> dict[str, Any]:
    content = {"application/json": {"schema": _reference(answer)}}
    problem = {"application/problem+json": {"schema": _reference("Problem")}}
    return {
        "summary": summary,
        "parameters": parameters or [],
        "responses": {
            status: {"description": summary, "content": content},
            "default": {"description": "The request failed", "content": problem},
        },
        **({"security": []} if is_open else {}),
    }
