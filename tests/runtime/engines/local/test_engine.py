"""The local engine, which runs plans on this machine."""

from __future__ import annotations

import subprocess
from pathlib import Path

from fakes.stacks import resolved, server
from infra_runtime.engines.local.client import raise_failures
from infra_runtime.engines.local.engine import LocalEngine
from infra_runtime.engines.protocol import RunningEngine


def test_the_local_engine_runs_plans() -> None:
    engine: RunningEngine = LocalEngine()

    assert engine.name == "local"


def test_a_stack_that_is_opened_has_no_service_before_it_is_started(data: Path) -> None:
    plan = resolved(data, [server("web")])
    with LocalEngine().open(plan) as stack:
        assert stack.status().services == ()

        raise_failures(stack.up(plan).failures)

        assert stack.status().services["web"].ready


def test_the_process_of_the_supervisor_can_be_started_by_the_caller(data: Path) -> None:
    started: list[subprocess.Popen[bytes]] = []

    def launch(argv: list[str], stdin: int) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(argv, stdin=stdin, start_new_session=True))
        return started[-1]

    with LocalEngine(launch=launch).open(resolved(data, [server("web")])) as stack:
        assert [process.pid for process in started] == [stack.status().pid]
