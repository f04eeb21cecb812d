"""The schemas of the answers in the OpenAPI document of the JSON API."""

from __future__ import annotations

from typing import Any

from infra_runtime.dashboard.alerts import STATUSES
from infra_runtime.dashboard.api_checks import LEVELS as LEVELS_OF_CHANGES
from infra_runtime.dashboard.session_view import STATES
from infra_runtime.dashboard.view import GROUPS
from infra_runtime.logs.record import LEVELS
from infra_runtime.messages import Phase

TEXT: dict[str, Any] = {"type": "string"}
_NUMBER: dict[str, Any] = {"type": "number"}
_INTEGER: dict[str, Any] = {"type": "integer"}
_FLAG: dict[str, Any] = {"type": "boolean"}
_NUMBERS: dict[str, Any] = {"type": "array", "items": _NUMBER}
_INTEGERS: dict[str, Any] = {"type": "array", "items": _INTEGER}
TEXTS: dict[str, Any] = {"type": "array", "items": TEXT}
_TEXT_MAP: dict[str, Any] = {"type": "object", "additionalProperties": TEXT}
_PHASE: dict[str, Any] = {"type": "string", "enum": [phase.value for phase in Phase]}


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


def reference(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _items(name: str) -> dict[str, Any]:
    return {"type": "array", "items": reference(name)}


def _nullable(kind: str) -> dict[str, Any]:
    return {"type": [kind, "null"]}


_FAILURES: dict[str, Any] = {"type": "array", "items": _object(service=TEXT, reason=TEXT, log=TEXTS)}
SCHEMAS = {
    "Health": _object(status={"type": "string", "enum": ["ok", "unavailable"]}),
    "Status": _object(
        environment=TEXT,
        data=TEXT,
        supervisor=_INTEGER,
        services={"type": "object", "additionalProperties": _INTEGER},
    ),
    "Service": _object(
        name=TEXT,
        kind=TEXT,
        group={"type": "string", "enum": [*GROUPS]},
        summary=TEXT,
        phase=_PHASE,
        reason=TEXT,
        since=_NUMBER,
        restarts=_INTEGER,
        errors=_INTEGER,
        pid=_INTEGER,
        cpu=_nullable("number"),
        memory=_nullable("integer"),
        addresses=_TEXT_MAP,
        ports={"type": "object", "additionalProperties": _INTEGER},
        needs=TEXTS,
        dependents=TEXTS,
        actions=_TEXT_MAP,
    ),
    "Services": _object(items=_items("Service")),
    "History": _object(
        items={"type": "array", "items": _object(time=_NUMBER, event=TEXT, detail=TEXT)},
        probes={
            "type": "array",
            "items": _object(time=_NUMBER, seconds=_NUMBER, is_ready=_FLAG, reason=TEXT),
        },
    ),
    "Start": _object(
        began=_NUMBER,
        seconds=_NUMBER,
        critical_path=TEXTS,
        services={
            "type": "array",
            "items": _object(
                name=TEXT,
                outcome=TEXT,
                ended=_NUMBER,
                phases={"type": "object", "additionalProperties": _NUMBER},
            ),
        },
    ),
    "Configuration": _object(items={"type": "array", "items": _object(key=TEXT, value=TEXT, source=TEXT)}),
    "Outcome": _object(
        services={"type": "array", "items": _object(name=TEXT, phase=_PHASE, reason=TEXT)},
        failures=_FAILURES,
    ),
    "Line": _object(
        service=TEXT,
        offset=_INTEGER,
        time=_NUMBER,
        level={"type": "string", "enum": ["", *LEVELS]},
        continues=_FLAG,
        text=TEXT,
        cut=_FLAG,
    ),
    "Lines": _object(items=_items("Line"), first=TEXT, last=TEXT, has_earlier=_FLAG, skipped=_INTEGER),
    "Alert": _object(
        name=TEXT,
        service=TEXT,
        severity=TEXT,
        status={"type": "string", "enum": [*STATUSES]},
        start=_NUMBER,
        end=_NUMBER,
        summary=TEXT,
        labels=_TEXT_MAP,
    ),
    "ErrorGroup": _object(
        fingerprint=TEXT,
        service=TEXT,
        type=TEXT,
        message=TEXT,
        frame=TEXT,
        count=_INTEGER,
        first=_NUMBER,
        last=_NUMBER,
        trace=TEXT,
    ),
    "Search": _object(text=TEXT, signals=_items("SignalHits")),
    "SignalHits": _object(
        signal=TEXT,
        items={
            "type": "array",
            "items": _object(title=TEXT, detail=TEXT, service=TEXT, time=_NUMBER, link=TEXT),
        },
        more=_FLAG,
        link=TEXT,
        part=TEXT,
        problem=TEXT,
    ),
    "Alerts": _object(items=_items("Alert"), errors=_items("ErrorGroup"), more=_FLAG),
    "Finding": _object(
        rule=TEXT,
        level={"type": "string", "enum": [*LEVELS_OF_CHANGES]},
        method=TEXT,
        path=TEXT,
        subject=TEXT,
        message=TEXT,
        advice=TEXT,
        fingerprint=TEXT,
        file=TEXT,
        pointer=TEXT,
        line=_INTEGER,
    ),
    "ApiCheck": _object(
        name=TEXT,
        base=TEXT,
        revision=TEXT,
        verdict={"type": "string", "enum": ["", "breaking", "warning", "compatible"]},
        problem=TEXT,
        hint=TEXT,
        accepted=_INTEGER,
        left_out=_INTEGER,
        findings=_items("Finding"),
    ),
    "ApiChecks": _object(items=_items("ApiCheck")),
    "Series": _object(
        name=TEXT, service=TEXT, values={"type": "array", "items": _object(time=_NUMBER, value=_NUMBER)}
    ),
    "Chart": _object(
        title=TEXT,
        unit=TEXT,
        source={"type": "string", "enum": ["processes", "collected", "received"]},
        left_out=_INTEGER,
        series=_items("Series"),
    ),
    "Metrics": _object(since=_NUMBER, until=_NUMBER, charts=_items("Chart"), problems=_TEXT_MAP),
    "Test": _object(
        id=TEXT,
        test=TEXT,
        phase=TEXT,
        began=_NUMBER,
        seconds=_NUMBER,
        exception=TEXT,
        folder=TEXT,
    ),
    "Tests": _object(items=_items("Test"), total=_INTEGER, damaged=_INTEGER),
    "TestSession": _object(
        id=TEXT,
        state={"type": "string", "enum": [*STATES]},
        began=_NUMBER,
        seconds=_NUMBER,
        tests=_INTEGER,
        selected=_INTEGER,
        workers=_INTEGER,
        selection=TEXT,
        left_out=_INTEGER,
        counts={"type": "object", "additionalProperties": _INTEGER},
        status=_nullable("integer"),
        python=TEXT,
        pytest=TEXT,
    ),
    "TestSessions": _object(items=_items("TestSession"), total=_INTEGER),
    "TestRun": _object(
        test=TEXT,
        outcome=TEXT,
        began=_NUMBER,
        seconds=_NUMBER,
        worker=TEXT,
        error=TEXT,
        trace=TEXT,
        phases={"type": "object", "additionalProperties": _NUMBER},
        waits={"type": "array", "items": _object(name=TEXT, seconds=_NUMBER)},
        links=_object(report=TEXT, logs=TEXT, trace=TEXT),
    ),
    "TestRuns": _object(
        session=reference("TestSession"),
        items=_items("TestRun"),
        total=_INTEGER,
        running={"type": "array", "items": _object(test=TEXT, began=_NUMBER)},
    ),
    "TraceSummary": _object(
        trace=TEXT,
        name=TEXT,
        service=TEXT,
        services=TEXTS,
        start=_NUMBER,
        duration=_NUMBER,
        spans=_INTEGER,
        logs=_INTEGER,
        errors=_INTEGER,
    ),
    "Traces": _object(items=_items("TraceSummary"), more=_FLAG, dropped=_INTEGER),
    "TraceLog": _object(time=_NUMBER, service=TEXT, level=TEXT, text=TEXT),
    "Span": _object(
        id=TEXT,
        name=TEXT,
        service=TEXT,
        kind=TEXT,
        status=TEXT,
        message=TEXT,
        start=_NUMBER,
        duration=_NUMBER,
        attributes=_TEXT_MAP,
        events={"type": "array", "items": _object(name=TEXT, time=_NUMBER, attributes=_TEXT_MAP)},
        links={"type": "array", "items": _object(trace=TEXT, span=TEXT)},
        logs=_items("TraceLog"),
    ),
    "Trace": _object(
        trace=TEXT,
        spans={"type": "array", "items": {"allOf": [reference("Span"), _object(parent=TEXT)]}},
        logs=_items("TraceLog"),
    ),
    "Waterfall": _object(
        trace=TEXT,
        name=TEXT,
        start=_NUMBER,
        duration=_NUMBER,
        left_out=_INTEGER,
        names=TEXTS,
        services=TEXTS,
        id=TEXTS,
        name_of=_INTEGERS,
        service_of=_INTEGERS,
        depth=_INTEGERS,
        offset=_NUMBERS,
        length=_NUMBERS,
        error={"type": "array", "items": _FLAG},
    ),
    "SpanIds": _object(items=TEXTS),
    "Report": _object(
        id=TEXT,
        folder=TEXT,
        test=TEXT,
        phase=TEXT,
        began=_NUMBER,
        seconds=_NUMBER,
        exception=TEXT,
        failure=TEXT,
        trace=TEXT,
        services={
            "type": "array",
            "items": _object(name=TEXT, phase=TEXT, reason=TEXT, restarts=_INTEGER),
        },
        dumps=_TEXT_MAP,
        settings=_TEXT_MAP,
        axis=reference("Axis"),
        logs={
            "type": "array",
            "items": _object(
                service=TEXT,
                left_out=_INTEGER,
                lines={"type": "array", "items": _object(level=TEXT, text=TEXT)},
            ),
        },
    ),
    "Axis": _object(
        seconds=_NUMBER,
        phases={"type": "object", "additionalProperties": _NUMBER},
        waits={"type": "array", "items": _object(name=TEXT, seconds=_NUMBER)},
        events=_items("Moment"),
        lines=_items("Moment"),
    ),
    "Moment": _object(service=TEXT, seconds=_NUMBER, text=TEXT),
    "Otlp": _object(resourceSpans={"type": "array", "items": {"type": "object"}}),
    "Records": _object(items=_items("Record"), more=_FLAG, dropped=_INTEGER),
    "Record": _object(
        time=_NUMBER, service=TEXT, level=TEXT, text=TEXT, trace=TEXT, span=TEXT, attributes=_TEXT_MAP
    ),
    "Har": _object(log=_object(version=TEXT, entries={"type": "array", "items": {"type": "object"}})),
    "Imported": _object(items=TEXTS),
    "RemovedReport": _object(id=TEXT, test=TEXT),
    "ImportedTraces": _object(items=TEXTS, rejected=_INTEGER),
    "Snapshot": _object(name=TEXT, time=_NUMBER, size=_INTEGER, services=TEXTS),
    "Snapshots": _object(
        items=_items("Snapshot"), damaged={"type": "array", "items": _object(name=TEXT, reason=TEXT)}
    ),
    "SnapshotOutcome": _object(name=TEXT, services=TEXTS, failures=_FAILURES),
    "LoginLink": _object(url=TEXT, role=TEXT, seconds=_NUMBER),
    "Problem": _object(type=TEXT, title=TEXT, status=_INTEGER, detail=TEXT),
}
