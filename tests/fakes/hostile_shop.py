"""A stack in which every text of another program contains elements and scripts of a page."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from fakes.dashboard import Site, service
from fakes.dashboard_data import FAILURE, write_report, write_session
from fakes.shop import TRACE, telemetry_answers
from fakes.telemetry import Answers
from infra_runtime.data_directory.checksums import DESCRIPTION
from infra_runtime.data_directory.snapshots import FORMAT
from infra_runtime.messages import Phase, Snapshot

#: also the name of a service and of its log file, so it has no slash
NAME = '"><img src=x onerror="document.title=\'broken\'"><svg onload=alert(1)>{{7*7}}'
#: with escape sequences of terminals, a link to a script, and marks that change the direction of the text
TEXT = (
    f"{NAME}</span><script>alert(1)</script>\x1b[31mred"
    "\x1b]8;;javascript:alert(1)\x07link\x1b]8;;\x07\u202egnp"
)
SCRIPT = "javascript:alert(document.domain)"
#: fields of telemetry whose values are ids or words of a fixed list
_FIXED = frozenset({"trace", "span", "id", "parent", "status", "type", "kind", "level", "fingerprint"})
#: bytes of a line that the pages cut
LONG = 64 << 10


def replaced(value: Any, name: str = "") -> Any:
    """Return data of telemetry with `TEXT` instead of each text."""
    if isinstance(value, str):
        return value if name in _FIXED else TEXT
    if isinstance(value, dict):
        entries = {key: replaced(member, key) for key, member in value.items()}
        is_free = name in {"attributes", "resource", "labels", "annotations"}
        return {**entries, TEXT: TEXT, "url": SCRIPT} if is_free else entries
    if isinstance(value, list):
        return [replaced(member, name) for member in value]
    return value


def hostile_shop(folder: Path, answers: Answers) -> Site:
    """Return the stack; its telemetry service has the answers of the shop with other texts."""
    addresses = {"url": SCRIPT, "admin_url": f"http://127.0.0.1/{TEXT}", NAME: TEXT}
    site = Site(
        folder,
        service(NAME, kind=TEXT, summary=TEXT, exports=addresses, ports={NAME: 1}),
        service("api", phase=Phase.FAILED, reason=TEXT, needs=(NAME,)),
        service("web", phase=Phase.WAITING, reason=TEXT, needs=("api", NAME)),
    )
    site.supervisor.exported = {"telemetry": {"query_url": "http://127.0.0.1:9", "key": "x"}}
    answers |= {path: replaced(answer) for path, answer in telemetry_answers().items()}
    site.settings = {f"services.api.{TEXT}": (TEXT, TEXT), TEXT: (TEXT, "default")}
    line = json.dumps({"level": "error", "msg": TEXT, TEXT: TEXT, "url": SCRIPT, "list": [TEXT]})
    lines = [
        line.encode(),
        TEXT.encode(),
        b"ERROR \xff\xfe\xc3(",
        b"x" * LONG,
        f"a={TEXT} level=info".encode(),
    ]
    for name in (NAME, "api"):
        site.log(name, b"".join(text + b"\n" for text in lines))
    _journal(Path(site.paths.journal))
    _tests(Path(site.paths.data))
    _snapshot(Path(site.paths.data, "snapshots", "default"))
    _api(folder)
    return site


def _journal(path: Path) -> None:
    now = time.time()
    events: list[dict[str, Any]] = [
        {"event": "up", "pid": 1},
        {"event": "wanted", "services": [NAME, "api"], "needs": {NAME: [], "api": [NAME]}},
        *(
            {"event": event, "service": name, "reason": TEXT}
            for event in ("preparing", "spawned", "probe-failed", "ready", "failed")
            for name in (NAME, "api")
        ),
    ]
    lines = (json.dumps({"time": now - 60 + place, **event}) for place, event in enumerate(events))
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _tests(data: Path) -> None:
    failed = {"test": TEXT, "outcome": "failed", "error": TEXT, "worker": TEXT, "trace": TRACE}
    write_session(data, {**failed, "waits": [[TEXT, 0.1]], "counts": {"failed": 1}})
    stack = {"services": [{"name": NAME, "phase": TEXT, "reason": TEXT}]}
    report = write_report(
        data,
        "imported-x",
        test=TEXT,
        failure=f"{FAILURE}\nE       {TEXT}",
        stack=stack,
        dumps={TEXT: TEXT},
        settings={TEXT: TEXT},
    )
    (report / "logs" / f"{NAME}.log").write_text(f"{TEXT}\n", encoding="utf-8")
    whole = replaced(telemetry_answers()[f"traces/{TRACE}"])
    (report / "trace.json").write_text(json.dumps(whole), encoding="utf-8")
    event = {"time": 1_780_000_001.0, "event": "failed", "service": NAME, "reason": TEXT}
    (report / "events.jsonl").write_text(f"{json.dumps(event)}\n", encoding="utf-8")


def _snapshot(folder: Path) -> None:
    (folder / "services" / NAME).mkdir(parents=True)
    snapshot = Snapshot(format=FORMAT, name="default", time=1.0, services={NAME: ""}, executables={})
    (folder / DESCRIPTION).write_text(json.dumps(snapshot.to_json()), encoding="utf-8")


def _api(folder: Path) -> None:
    operation = {"get": {"responses": {"200": {"description": TEXT}}}}
    for name, paths in (("old", [f"/{TEXT}"]), ("new", [])):
        content = {
            "openapi": "3.1.0",
            "info": {"title": TEXT, "version": TEXT},
            "paths": dict.fromkeys(paths, operation),
        }
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    text = '[api.shop]\nsnapshot = "old.json"\nsource = "new.json"\n'
    (folder / "infra.toml").write_text(text, encoding="utf-8")
