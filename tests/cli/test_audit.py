"""`infra dev audit verify`: the check of an audit log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infra_cli.main import run
from infra_runtime.web.audit import AuditLog, Head

KEY = "the key of the audit log"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WEB_AUDIT_KEY", KEY)
    return tmp_path / "audit.jsonl"


@pytest.fixture
def head(path: Path) -> Head:
    log = AuditLog(path, key=KEY)
    log.append("order.placed", actor="ada")
    return log.append("order.placed", actor="bob")


def test_an_unchanged_log_is_reported_with_its_hash(
    path: Path, head: Head, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["dev", "audit", "verify", str(path)]) == 0
    assert run(["dev", "audit", "verify", str(path), "--head", head.hash, "--json"]) == 0

    text, _, document = capsys.readouterr().out.partition("\n")
    assert text == f"2 entries are unchanged; the hash of the last entry is {head.hash}"
    assert json.loads(document) == {"file": str(path), "entries": 2, "head": head.hash}


def test_the_error_names_the_changed_line(path: Path, head: Head, capsys: pytest.CaptureFixture[str]) -> None:
    path.write_text(path.read_text(encoding="utf-8").replace("bob", "eve"), encoding="utf-8")

    assert run(["dev", "audit", "verify", str(path)]) == 15
    assert "line 2: the entry was changed" in capsys.readouterr().err


def test_a_log_of_another_key_is_an_error(path: Path, head: Head, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WEB_AUDIT_KEY")

    assert run(["dev", "audit", "verify", str(path)]) == 15


def test_a_missing_file_is_a_usage_error(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["dev", "audit", "verify", str(path)]) == 2
    assert "does not exist" in capsys.readouterr().err
