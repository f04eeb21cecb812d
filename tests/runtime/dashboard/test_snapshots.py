"""The snapshots: the list, and the actions that save and restore them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("jinja2", reason="the minimal profile has no templates")
pytest.importorskip("starlette", reason="the minimal profile has no web framework")
pytest.importorskip("httpx", reason="the minimal profile has no HTTP client")
pytest.importorskip("jsonschema", reason="the minimal profile has no JSON Schema")

import jsonschema

from fakes.dashboard import KEY, Site, events, service
from infra_runtime.dashboard.openapi import document
from infra_runtime.dashboard.sessions import Role
from infra_runtime.data_directory.checksums import DESCRIPTION
from infra_runtime.data_directory.snapshots import FORMAT
from infra_runtime.messages import Snapshot

HEADERS = {"x-dashboard-key": KEY}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, service("db"), service("api", needs=("db",)))


def write(site: Site, name: str, time: float = 1.0, content: bytes = b"") -> Path:
    """Write a snapshot of one service; return its folder."""
    folder = Path(site.paths.data, "snapshots", name)
    (folder / "services" / "db").mkdir(parents=True)
    (folder / "services" / "db" / "data").write_bytes(content)
    snapshot = Snapshot(format=FORMAT, name=name, time=time, services={"db": ""}, executables={})
    (folder / DESCRIPTION).write_text(json.dumps(snapshot.to_json()), encoding="utf-8")
    return folder


def valid(response: Any, schema: str, status: int = 200) -> dict[str, Any]:
    """Return the answer, which has the shape in the OpenAPI document."""
    assert response.status_code == status
    shape = {"$ref": f"#/components/schemas/{schema}", "components": document()["components"]}
    jsonschema.validate(response.json(), shape)
    return response.json()


def act(site: Site, name: str, action: str) -> Any:
    return site.ask(f"/api/v1/snapshots/{name}/{action}", method="POST", headers=HEADERS)


def test_the_snapshots_are_listed_with_size_and_time_the_newest_first(site: Site) -> None:
    write(site, "before", 1.0)
    write(site, "after", 2.0, b"x" * 1_000_000)

    items = valid(site.ask("/api/v1/snapshots", headers=HEADERS), "Snapshots")["items"]

    assert [(item["name"], item["time"], item["services"]) for item in items] == [
        ("after", 2.0, ["db"]),
        ("before", 1.0, ["db"]),
    ]
    assert items[0]["size"] >= 1_000_000 > items[1]["size"] > 0
    text = site.ask("/snapshots", headers=HEADERS).text
    assert text.index("after") < text.index("before")


def test_a_damaged_snapshot_is_listed_with_its_reason(site: Site) -> None:
    (write(site, "broken") / DESCRIPTION).write_text("{", encoding="utf-8")

    data = valid(site.ask("/api/v1/snapshots", headers=HEADERS), "Snapshots")

    assert (data["items"], [snapshot["name"] for snapshot in data["damaged"]]) == ([], ["broken"])
    assert "infra runtime snapshot remove broken" in site.ask("/snapshots", headers=HEADERS).text


def test_a_stack_without_snapshots_has_the_command(site: Site) -> None:
    assert "infra runtime snapshot save NAME" in site.ask("/snapshots", headers=HEADERS).text


def test_an_action_answers_with_the_services_and_is_recorded(site: Site) -> None:
    for action in ("save", "restore"):
        assert valid(act(site, "before", action), "SnapshotOutcome") == {
            "name": "before",
            "services": ["db", "api"],
            "failures": [],
        }

    assert site.supervisor.acted == [("save", ("before",)), ("restore", ("before",))]
    assert [(entry["action"], entry["actor"], entry["details"]) for entry in site.entries()] == [
        ("snapshot save", "key", {"snapshot": "before"}),
        ("snapshot restore", "key", {"snapshot": "before"}),
    ]


def test_a_snapshot_is_removed_also_a_damaged_one_and_the_removal_is_recorded(site: Site) -> None:
    folder, broken = write(site, "before"), write(site, "broken")
    (broken / DESCRIPTION).write_text("{", encoding="utf-8")

    first = valid(act(site, "before", "remove"), "SnapshotOutcome")
    second = valid(act(site, "broken", "remove"), "SnapshotOutcome")

    assert (first["services"], second["services"]) == (["db"], [])
    assert (folder.exists(), broken.exists()) == (False, False)
    assert [entry["action"] for entry in site.entries()] == ["snapshot remove", "snapshot remove"]


def test_a_viewer_removes_no_snapshot(site: Site) -> None:
    folder = write(site, "before")

    assert site.change("/api/v1/snapshots/before/remove", site.cookie(Role.VIEWER)).status_code == 403
    assert folder.exists()


def test_a_change_of_the_snapshots_is_shown_without_a_reload(site: Site) -> None:
    before, after = events(site, "/stream/snapshots", 2, lambda: write(site, "later"))

    assert "The stack has no snapshot" in before[1]["parts"]["snapshot-list"]
    assert "later" in after[1]["parts"]["snapshot-list"]
    assert 'data-stream="/stream/snapshots"' in site.ask("/snapshots", headers=HEADERS).text


def test_services_that_do_not_start_after_a_restore_are_named(site: Site) -> None:
    data = valid(act(site, "broken", "restore"), "SnapshotOutcome")

    assert data["failures"] == [{"service": "db", "reason": "disk full", "log": []}]


def test_a_refusal_of_the_supervisor_is_a_problem(site: Site) -> None:
    for action in ("restore", "remove"):
        problem = valid(act(site, "missing", action), "Problem", 409)

        assert problem["detail"] == "snapshot missing: the snapshot does not exist"


@pytest.mark.parametrize(
    ("name", "action", "status"),
    [
        (".hidden", "save", 409),
        ("..%2Fx", "restore", 404),
        ("a%20b", "save", 409),
        ("x" * 65, "restore", 409),
        ("before", "delete", 404),
    ],
)
def test_an_invalid_name_or_action_reaches_neither_supervisor_nor_audit_log(
    site: Site, name: str, action: str, status: int
) -> None:
    assert act(site, name, action).status_code == status

    assert site.supervisor.acted == []
    assert not site.audit.exists()


def test_only_operators_change_data(site: Site) -> None:
    path = "/api/v1/snapshots/before/restore"

    refused = site.change(path, site.cookie(Role.VIEWER))
    allowed = site.change(path, site.cookie(Role.OPERATOR))

    assert (refused.status_code, allowed.status_code) == (403, 200)
    assert site.supervisor.acted == [("restore", ("before",))]


def test_a_get_request_restores_no_snapshot(site: Site) -> None:
    assert site.ask("/api/v1/snapshots/before/restore", headers=HEADERS).status_code == 405
    assert site.supervisor.acted == []


def test_no_text_of_a_snapshot_becomes_an_element(site: Site) -> None:
    folder = write(site, "before")
    hostile = "<img src=x>"
    (folder / "services" / hostile).mkdir()
    snapshot = Snapshot(format=FORMAT, name="x", time=1.0, services={hostile: ""}, executables={})
    (folder / DESCRIPTION).write_text(json.dumps(snapshot.to_json()), encoding="utf-8")
    (write(site, "broken") / DESCRIPTION).write_text('{"format": "<img>"}', encoding="utf-8")

    text = site.ask("/snapshots", headers=HEADERS).text

    assert "<img" not in text
    assert "&lt;img" in text
