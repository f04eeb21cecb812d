from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("structlog", reason="needs the extra `web`")

import structlog

from fakes.asgi import Records, answering, call, raising
from infra_runtime.web import logs
from infra_runtime.web.logs import Logger
from infra_runtime.web.middleware import MetaInject

log = structlog.get_logger("shop")


@pytest.fixture
def console(records: Records, capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """Write the log in the format for terminals, and return a function that reads it."""
    logs.configure_logging(style="console")
    return lambda: capsys.readouterr().out


def test_a_request_is_logged_with_its_ids(records: Records) -> None:
    response = call(MetaInject(Logger(answering(201, b"12345"))), "/orders?token=x", method="POST")

    (record,) = records()
    assert record["event"] == "request"
    assert (record["method"], record["path"], record["status"]) == ("POST", "/orders", 201)
    assert (record["bytes"], record["client"], record["level"]) == (5, "192.0.2.1", "info")
    assert record["request_id"] == response.headers["x-request-id"]
    assert record["seconds"] >= 0
    assert "token" not in json.dumps(record)


def test_a_request_that_fails_is_logged_as_an_error(records: Records) -> None:
    with pytest.raises(KeyError):
        call(Logger(raising(KeyError())))

    assert [(record["level"], record["outcome"]) for record in records()] == [("error", "KeyError")]


def test_a_request_that_is_cancelled_is_logged(records: Records) -> None:
    with pytest.raises(asyncio.CancelledError):
        call(Logger(raising(asyncio.CancelledError())))

    assert [record["outcome"] for record in records()] == ["CancelledError"]


def test_requests_of_probes_have_the_level_debug(records: Records) -> None:
    call(Logger(answering()), "/health")

    assert [record["level"] for record in records()] == ["debug"]


def test_the_level_changes_at_run_time(records: Records) -> None:
    logs.set_level("error")
    log.warning("unseen")
    logs.set_level("debug")
    log.debug("seen")

    assert [record["event"] for record in records()] == ["seen"]
    assert logs.current_level() == "debug"


def test_a_record_of_the_standard_library_has_the_same_format(records: Records) -> None:
    logging.getLogger("library").warning("lost %s", "connection")

    (record,) = records()
    assert (record["event"], record["logger"], record["level"]) == ("lost connection", "library", "warning")
    assert record["timestamp"].endswith("Z")


def test_a_bound_logger_keeps_its_values(records: Records) -> None:
    with structlog.contextvars.bound_contextvars(customer="Ada"):
        log.bind(order=7).info("placed")

    (record,) = records()
    assert (record["customer"], record["order"]) == ("Ada", 7)


# --- hostile texts ---------------------------------------------------------------------------------


def test_a_line_break_in_a_path_does_not_start_a_record(records: Records, tmp_path: Path) -> None:
    call(Logger(answering()), '/x\n{"event": "forged", "level": "info"}')

    lines = (tmp_path / "log.jsonl").read_text(encoding="utf-8").split("\n")
    assert [json.loads(line)["event"] for line in lines if "forged" in line] == ["request"]


@pytest.mark.parametrize("hostile", ["\n", "\r\n", "\x1b[2K\r", "\x85", "\u2028", "\u202e", "\x00", "\ud800"])
def test_control_characters_are_escaped_on_a_terminal(console: Callable[[], str], hostile: str) -> None:
    event = f"event{hostile}[critical] forged"
    log.info(event, agent=f"a{hostile}b", nested={f"k{hostile}": [hostile]})

    (line,) = console().splitlines()
    assert hostile not in line
    assert "\\" in line


def test_a_line_in_the_text_of_an_exception_does_not_look_like_a_record(console: Callable[[], str]) -> None:
    error = ValueError("a\n2026-01-01T00:00:00Z [info     ] forged")

    log.error("failed", exc_info=error)

    _, *traceback = console().splitlines()
    assert traceback
    assert [line for line in traceback if not line.startswith("    ")] == []


def test_secrets_are_masked(records: Records) -> None:
    log.info("login", password="hunter2", url="postgresql://me:hunter2@db/x", nested={"api_key": "hunter2"})

    assert "hunter2" not in json.dumps(records())


def test_a_password_in_a_traceback_is_masked(records: Records) -> None:
    log.error("failed", exc_info=ConnectionError("postgresql://me:hunter2@db/x"))

    assert "ConnectionError" in records()[0]["exception"]
    assert "hunter2" not in json.dumps(records())


def test_long_and_deep_values_are_cut(records: Records) -> None:
    deep: list[object] = []
    deep.append(deep)

    log.info("large", text="a" * 100_000, deep=deep)

    assert len(json.dumps(records())) < 10_000


def test_the_log_follows_a_replaced_standard_output(
    console: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    replaced = io.StringIO()
    monkeypatch.setattr(sys, "stdout", replaced)

    log.info("moved")

    assert "moved" in replaced.getvalue()
    assert console() == ""


def test_a_second_configuration_replaces_the_first(records: Records, tmp_path: Path) -> None:
    logs.configure_logging(file=tmp_path / "second.jsonl")
    log.info("moved")

    assert records() == []
    assert "moved" in (tmp_path / "second.jsonl").read_text(encoding="utf-8")
