"""A stack with the data of a small shop, and a stack with many services, for the pages in a browser."""

from __future__ import annotations

import itertools
import json
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fakes.dashboard import Site, service
from fakes.dashboard_data import write_report, write_session
from fakes.telemetry import Answers
from infra_runtime.dashboard.context import Dashboard
from infra_runtime.dashboard.usage import Usage, UsageMeter
from infra_runtime.data_directory.checksums import DESCRIPTION
from infra_runtime.data_directory.snapshots import FORMAT
from infra_runtime.messages import Phase, Snapshot

SECOND = 10**9
TRACE = "4f2a" * 8
LONG = "recommendation-engine-for-returning-customers-of-the-shop"
#: name, kind, needs, port, processors, MB
SERVICES: tuple[tuple[str, str, tuple[str, ...], int, float, int], ...] = (
    ("postgres", "postgres", (), 5432, 0.021, 58),
    ("valkey", "valkey", (), 6379, 0.004, 12),
    ("nats", "nats", (), 4222, 0.003, 21),
    ("mail", "mail", (), 1025, 0.0, 9),
    ("telemetry", "telemetry", (), 4318, 0.007, 41),
    ("dashboard", "dashboard", (), 1337, 0.005, 44),
    ("migrations", "", ("postgres",), 0, 0.0, 0),
    ("catalogue", "", ("postgres", "valkey"), 8001, 0.043, 96),
    ("orders", "", ("postgres", "nats", "migrations"), 8002, 0.118, 121),
    ("payments", "", ("orders",), 8003, 0.0, 0),
    ("invoices", "", ("nats", "mail"), 8004, 0.012, 74),
    (LONG, "", ("catalogue",), 8005, 0.0, 0),
    ("web", "", ("catalogue", "orders"), 8080, 0.086, 143),
)
STATES: Mapping[str, tuple[Phase, str, int]] = {
    "migrations": (Phase.DONE, "", 0),
    "payments": (
        Phase.FAILED,
        "exited with status 1 four times: KeyError: 'PAYMENTS_API_KEY' (see the log)",
        3,
    ),
    LONG: (Phase.STARTING, "waits until http://127.0.0.1:8005/ready answers with the status 200", 0),
    "invoices": (Phase.READY, "", 1),
}
LINES: Mapping[str, tuple[str, ...]] = {
    "postgres": (
        "LOG:  checkpoint complete: wrote 214 buffers (1.3%); write=21.4 s, sync=0.02 s",
        "LOG:  duration: 212.417 ms  statement: SELECT * FROM orders WHERE customer = 4711",
    ),
    "orders": (
        '{"level": "info", "event": "order accepted", "order": 9817, "trace_id": "4f2a4f2a4f2a4f2a"}',
        "\x1b[32mINFO\x1b[0m  POST /orders 201 in 84 ms",
        "\x1b[33mWARNING\x1b[0m stock of article 77 is low: 2 left",
        "\x1b[31mERROR\x1b[0m payment of order 9818 was declined",
        "Traceback (most recent call last):",
        '  File "/srv/shop/orders.py", line 88, in pay',
        "    raise PaymentDeclined(card)",
        "shop.payments.PaymentDeclined: the card was declined",
    ),
    "catalogue": ("DEBUG cache hit article:77", "INFO  GET /articles?page=3 200 in 12 ms"),
    "web": (
        "INFO  GET /checkout 200 in 141 ms",
        f"INFO  GET /static/{'a-long-name-of-a-picture-' * 6}.avif 304 in 1 ms",
    ),
}


#: the lines in the failure report, with the seconds since the start of the test
FAILURE_LINES: Mapping[str, tuple[tuple[float, dict[str, object]], ...]] = {
    "orders": (
        (0.41, {"level": "info", "event": "order accepted", "order": 9818}),
        (0.83, {"level": "warning", "event": "the payment is tried again", "order": 9818, "attempt": 2}),
        (1.32, {"level": "error", "event": "payment of the order was declined", "order": 9818}),
    ),
    "payments": (
        (0.44, {"level": "info", "event": "charge", "card": "visa", "amount": 49.9}),
        (0.77, {"level": "critical", "event": "KeyError: 'PAYMENTS_API_KEY'"}),
        (1.2, {"level": "critical", "event": "KeyError: 'PAYMENTS_API_KEY'"}),
    ),
}


class Meter(UsageMeter):
    """Figures of processes that do not exist."""

    def measure(self, pids: Mapping[str, int]) -> dict[str, Usage]:
        return {
            name: Usage(cpu=cpu, memory=memory << 20, read=0.0, written=cpu * 900_000)
            for name, _, _, _, cpu, memory in SERVICES
            if memory and pids.get(name)
        }


class Shop(Site):
    """A shop with 13 services, a failed payment, a session of pytest, snapshots and an API."""

    def __init__(self, folder: Path, answers: Answers) -> None:
        super().__init__(folder, *(_service(*fields) for fields in SERVICES))
        self.meter = Meter()
        self.supervisor.exported = {"telemetry": {"query_url": "http://127.0.0.1:4319", "key": "x"}}
        answers |= telemetry_answers()
        self.settings = {
            "services.orders.port": ("8002", "infra.toml:14"),
            "services.orders.command": ("python -m shop.orders", "infra.toml:12"),
            "services.orders.env.DATABASE_URL": ("postgresql://***@127.0.0.1:5432/orders", "infra.toml:16"),
            "services.orders.restart": ("on-failure", "default"),
            "services.orders.stop_seconds": ("10", "default"),
            "telemetry": ("true", "default"),
        }
        now = time.time()
        for place, (name, lines) in enumerate(LINES.items()):
            path = self.log(name, "".join(f"{line}\n" for line in lines * 3))
            os.utime(path, (now, now - 8 + 2 * place))
        self._journal(now - 340)
        self._tests()
        for number, name in enumerate(("before-the-migration", "default")):
            folder = Path(self.paths.data, "snapshots", name)
            services = dict.fromkeys(("postgres", "valkey", "nats"), "")
            for stored in services:
                (folder / "services" / stored).mkdir(parents=True)
                (folder / "services" / stored / "data").write_bytes(b"x" * 1_400_000)
            snapshot = Snapshot(
                format=FORMAT, name=name, time=now - 7200 * (2 - number), services=services, executables={}
            )
            (folder / DESCRIPTION).write_text(json.dumps(snapshot.to_json()), encoding="utf-8")
        self._apis()

    def dashboard(self, port: int = 1337) -> Dashboard:
        """Return the dashboard with the figures of the last 15 minutes."""
        dashboard = super().dashboard(port)
        now = time.time()
        for number in range(180):
            usage = {
                name: Usage(
                    cpu=cpu * (1 + 0.5 * math.sin(number / 9 + place) + 0.3 * math.sin(number / 2.3 * place)),
                    memory=int((memory << 20) * (1 + 0.05 * math.sin(number / 40 + place))),
                    read=0.0,
                    written=900_000 * cpu * (1 + math.sin(number / 5 + place)),
                )
                for place, (name, _, _, _, cpu, memory) in enumerate(SERVICES)
                if memory and name != "dashboard"
            }
            dashboard.stack.history.add(now - 900 + number * 5, usage)
        return dashboard

    def _journal(self, began: float) -> None:
        needs = {name: needs for name, _, needs, *_ in SERVICES if name != "dashboard"}
        events: list[dict[str, Any]] = [
            {"time": began - 0.2, "event": "up", "pid": 1},
            {"time": began, "event": "wanted", "services": [*needs], "needs": needs},
        ]
        ended: dict[str, float] = {}
        for place, (name, own) in enumerate(needs.items()):
            at = began + max((ended[need] for need in own), default=0.01)
            moments = {"preparing": at, "spawned": at + 0.04 + 0.03 * (place % 3)}
            lengths = {"postgres": 0.61, "migrations": 0.34, "orders": 0.52}
            length = lengths.get(name, 0.12 + 0.05 * (place % 4))
            end = {"migrations": "done", "payments": "failed"}.get(name, "ready")
            ended[name] = moments["spawned"] - began + length
            for event, moment in {**moments, end: began + ended[name]}.items():
                details = {"pid": 4000 + place} if event == "spawned" else {}
                if event == "failed":
                    details = {"reason": STATES["payments"][1]}
                events.append({"time": moment, "event": event, "service": name, **details})
        events.sort(key=lambda event: event["time"])
        text = "".join(f"{json.dumps(event)}\n" for event in events)
        Path(self.paths.journal).write_text(text, encoding="utf-8")

    def _tests(self) -> None:
        data = Path(self.paths.data)
        began = time.time() - 58
        states = {name: STATES.get(name, (Phase.READY, "", 0)) for name in ("orders", "payments", "postgres")}
        services = [
            {"name": name, "phase": phase.value, "reason": reason, "restarts": restarts}
            for name, (phase, reason, restarts) in states.items()
        ]
        report = write_report(
            data, "test_order_is_paid", began=began, trace=TRACE, stack={"services": services}
        )
        for name, lines in FAILURE_LINES.items():
            entries = (json.dumps({"time": began + at, **entry}) for at, entry in lines)
            path = report / "logs" / f"{name}.log"
            path.write_text("".join(f"{entry}\n" for entry in entries), encoding="utf-8")
        exit_of_payments = {"service": "payments", "status": 1, "reason": "KeyError: 'PAYMENTS_API_KEY'"}
        events = (
            {"time": began + at, "event": event, **exit_of_payments}
            for at, event in ((0.78, "exited"), (0.79, "backoff"), (1.21, "failed"))
        )
        text = "".join(f"{json.dumps(event)}\n" for event in events)
        (report / "events.jsonl").write_text(text, encoding="utf-8")
        whole = _trace()
        (report / "trace.json").write_text(json.dumps(whole), encoding="utf-8")
        parts, verbs = ("orders", "catalogue", "invoices"), ("created", "listed", "paid", "removed")
        tests = [
            {
                "test": f"tests/test_{part}.py::test_{part}_are_{verb}",
                "outcome": "passed",
                "seconds": 0.05 + 0.11 * (number % 7),
                "worker": f"gw{number % 2}",
                "waits": [["postgres", 0.02 * (number % 4)]] if number % 2 else [],
                "counts": {"passed": number + 1},
            }
            for number, (part, verb) in enumerate(itertools.product(parts, verbs))
        ]
        tests.append(
            {
                "test": "test_shop.py::test_order_is_paid",
                "outcome": "failed",
                "error": "AssertionError: assert 500 == 200",
                "began": began,
                "seconds": 1.5,
                "phases": {"setup": 0.34, "call": 1.09, "teardown": 0.07},
                "waits": [["postgres", 0.12], ["payments", 0.2]],
                "worker": "gw1",
                "trace": TRACE,
                "counts": {"passed": 12, "failed": 1},
            }
        )
        write_session(data, *tests)

    def _apis(self) -> None:
        operation = {"get": {"responses": {"200": {"description": "ok"}}}}
        for name, paths in (("old", ["/articles", "/orders", "/invoices"]), ("new", ["/articles"])):
            information = {"title": "shop", "version": "1"}
            document = {"openapi": "3.1.0", "info": information, "paths": dict.fromkeys(paths, operation)}
            (self.folder / f"{name}.json").write_text(json.dumps(document), encoding="utf-8")
        text = '[api.shop]\nsnapshot = "old.json"\nsource = "new.json"\n'
        (self.folder / "infra.toml").write_text(text, encoding="utf-8")


def crowd(folder: Path) -> Site:
    """Return a stack with 22 services, in all phases and some with long texts, and without other data."""
    phases = [*Phase]
    return Site(
        folder,
        *(
            service(
                f"{LONG}-{number}" if number % 10 == 0 else f"service-{number:03}",
                kind="" if number % 3 else "postgres",
                summary="python -m shop " + "--option=value " * (number % 5),
                phase=phases[number % len(phases)],
                reason="the port 8001 is used by another process of this machine " * (number % 4),
                restarts=number % 7,
                pid=0,
                needs=(f"service-{number - 1:03}",) if number % 10 > 1 else (),
                exports={"url": f"postgresql://user@127.0.0.1:{number}/{'database_' * (number % 6)}"},
                ports={"main": 8000 + number},
            )
            for number in range(22)
        ),
    )


def _service(name: str, kind: str, needs: tuple[str, ...], port: int, _cpu: float, memory: int) -> Any:
    phase, reason, restarts = STATES.get(name, (Phase.READY, "", 0))
    schemes = {"postgres": "postgresql", "valkey": "redis", "nats": "nats", "mail": "smtp"}
    scheme = schemes.get(name, "http")
    exports = {"url": f"{scheme}://127.0.0.1:{port}"} if port else {}
    if name == "mail":
        exports["inbox_url"] = "http://127.0.0.1:8025"
    return service(
        name,
        kind=kind,
        summary="" if kind else f"python -m shop.{name.replace('-', '_')[:14]}",
        phase=phase,
        ready=phase in {Phase.READY, Phase.DONE},
        task=name == "migrations",
        reason=reason,
        restarts=restarts,
        needs=needs,
        seconds=338.0 if phase is Phase.READY else 4.0,
        pid=4000 + port if memory else 0,
        ports={"main": port} if port else {},
        exports=exports,
    )


def _span(number: int, parent: int, service: str, name: str, start: float, end: float, **more: Any) -> Any:
    """Return a span as the telemetry service returns it; `start` and `end` are milliseconds."""
    began = int(time.time() - 42) * SECOND
    return {
        "service": service,
        "name": name,
        "kind": "server",
        "status": "ok",
        "message": "",
        "start": began + int(start * 1e6),
        "end": began + int(end * 1e6),
        "attributes": {"http.route": "/orders", "server.address": "127.0.0.1"},
        "events": [],
        "links": [],
        "trace": TRACE,
        "id": f"{number:016x}",
        "parent": f"{parent:016x}" if parent else "",
        **more,
    }


def _trace() -> dict[str, Any]:
    declined = {
        "status": "error",
        "message": "the card was declined",
        "attributes": {"payment.card": "visa", "payment.amount": 49.9, "http.response.status_code": 402},
    }
    spans = [
        _span(1, 0, "web", "POST /checkout", 0, 141),
        _span(2, 1, "web", "render basket", 3, 14),
        _span(3, 1, "catalogue", "GET /articles", 15, 31),
        _span(4, 3, "catalogue", "valkey GET article:77", 17, 18),
        _span(5, 3, "catalogue", "SELECT articles", 19, 29),
        _span(6, 1, "orders", "POST /orders", 34, 138, status="error", message="500"),
        _span(7, 6, "orders", "INSERT orders", 37, 52),
        _span(8, 6, "orders", "nats publish orders.created", 53, 55),
        _span(9, 6, "payments", "charge the card of the customer of the shop", 58, 130, **declined),
        _span(10, 9, "payments", "POST https://payments.example/charges", 60, 127, **declined),
        _span(11, 8, "invoices", "orders.created process", 57, 84),
        _span(12, 11, "invoices", "smtp send", 62, 81),
    ]
    start = spans[0]["start"]
    logs = [
        {
            "time": start + int(at * 1e6),
            "service": name,
            "severity": severity,
            "level": "error" if severity >= 17 else "info",
            "body": text,
            "span": f"{span:016x}",
            "trace": TRACE,
            "attributes": {},
        }
        for at, name, severity, text, span in (
            (35, "orders", 9, "order 9818 with 3 articles", 6),
            (128, "payments", 17, "the card was declined", 9),
            (134, "orders", 17, "payment of order 9818 was declined", 6),
        )
    ]
    return {"trace": TRACE, "spans": spans, "logs": logs}


def telemetry_answers() -> Answers:
    """Return the answers of the telemetry service of the shop."""
    now = time.time_ns()
    whole = _trace()
    answers = Answers()
    answers[f"traces/{TRACE}"] = whole
    answers["spans"] = {"items": [whole["spans"][8]]}
    answers["logs"] = {"items": [whole["logs"][1]], "more": False, "dropped": 0}
    answers["state"] = {"runs": ["2026-11-28T17-02-11", "2026-11-29T09-14-52"]}
    names = ("POST /checkout", "GET /articles", "orders.created process", "GET /", "GET /articles/77")
    services = (["web", "catalogue", "orders", "payments", "invoices"], ["web", "catalogue"])
    answers["traces"] = {
        "items": [
            {
                "trace": TRACE if not number else f"{number:032x}",
                "name": names[number % 5],
                "service": ("web", "catalogue", "invoices")[number % 3],
                "services": services[number % 2],
                "start": now - (42 + 9 * number) * SECOND,
                "end": now - (42 + 9 * number) * SECOND + (141 - number * 7 % 120) * 10**6,
                "spans": 12 if number % 2 == 0 else 3,
                "logs": 3,
                "errors": 3 if number % 6 == 0 else 0,
            }
            for number in range(14)
        ],
        "more": True,
        "dropped": 0,
    }
    labels = {"alertname": "HighErrorRate", "service": "orders", "severity": "critical", "job": "orders"}
    answers["alerts"] = {
        "items": [
            {
                "start": now - 240 * SECOND,
                "end": 0,
                "status": "firing",
                "name": "HighErrorRate",
                "service": "orders",
                "severity": "critical",
                "labels": labels,
                "annotations": {"summary": "7 % of the requests of orders failed in the last 5 minutes"},
            },
            {
                "start": now - 5400 * SECOND,
                "end": now - 5100 * SECOND,
                "status": "resolved",
                "name": "SlowQueries",
                "service": "postgres",
                "severity": "warning",
                "labels": {"alertname": "SlowQueries"},
                "annotations": {"summary": "The slowest query took 2.1 s"},
            },
        ],
        "more": False,
    }
    answers["errors"] = {
        "items": [
            {
                "fingerprint": f"{place:016x}",
                "service": name,
                "type": kind,
                "message": message,
                "frame": frame,
                "first": now - 3000 * SECOND,
                "last": now - (42 + place * 100) * SECOND,
                "count": count,
                "trace": TRACE,
            }
            for place, (name, kind, message, frame, count) in enumerate(
                (
                    ("orders", "PaymentDeclined", "the card was declined", "shop/orders.py:pay", 14),
                    ("payments", "KeyError", "'PAYMENTS_API_KEY'", "shop/payments.py:main", 4),
                    ("catalogue", "", "cache miss ratio is above 40 %", "", 2),
                )
            )
        ],
        "more": False,
    }
    answers["points"] = {"items": [*_points(now)]}
    return answers


def _points(now: int) -> Any:
    bounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0]
    for place, name in enumerate(("web", "orders", "catalogue")):
        total, counts = 0, [0] * 9
        for number in range(60):
            more = [2, 5, 11, 20 + 9 * place, 8 + number % (5 + place), 3, 1, 0, 0]
            counts = [before + new for before, new in zip(counts, more, strict=True)]
            total = sum(counts)
            yield {
                "name": "http.server.request.duration",
                "type": "histogram",
                "unit": "s",
                "delta": False,
                "monotonic": False,
                "service": name,
                "resource": {},
                "attributes": {"http.request.method": "GET"},
                "start": now - 900 * SECOND,
                "time": now - (60 - number) * 15 * SECOND,
                "count": total,
                "sum": total * 0.05,
                "counts": list(counts),
                "bounds": bounds,
            }
