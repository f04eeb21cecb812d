from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fakes.distribution import Distribution
from fakes.project import Project
from infra_runtime.config import plan_cache, planning


@pytest.fixture
def long_way(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every resolution that was not remembered."""
    taken: list[str] = []
    real = planning.resolved

    def counted(request: Any, **more: Any) -> Any:
        taken.append(request.environment)
        return real(request, **more)

    monkeypatch.setattr(planning, "resolved", counted)
    return taken


def test_what_was_resolved_before_comes_back_the_same(project: Project, long_way: list[str]) -> None:
    project.write('[services.api]\ncommand = ["${bin.python}"]\nenv = { A = "${env.HOME:-}" }\n')

    first = project.resolve()
    second = project.resolve()

    assert first == second
    assert len(long_way) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda project: project.write("profile = 'minimal'\n"),
        lambda project: project.write("use = ['nats']\n", "infra.development.toml"),
        lambda project: project.write("INFRA_PROFILE=minimal\n", ".env"),
    ],
    ids=["stack file", "overlay", ".env"],
)
def test_a_changed_file_is_a_new_stack(project: Project, change: Any) -> None:
    project.write("")
    before = project.names()

    change(project)

    assert project.names() != before


def test_other_arguments_are_another_stack(project: Project) -> None:
    assert (
        project.names()
        != project.names("nats")
        != project.names(skip=("nats",))
        != project.names(profile="minimal")
    )


def test_a_changed_variable_is_a_new_stack(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    before = project.names()
    monkeypatch.setenv("INFRA_PROFILE", "minimal")

    assert project.names() != before


def test_variables_of_the_stack_are_read_anew(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write('[services.api]\ncommand = ["api", "${env.SHOP_A}"]\n')
    for value in ("1", "2"):
        monkeypatch.setenv("SHOP_A", value)

        assert project.resolve().variables == {"SHOP_A": value}


def test_no_value_of_a_variable_or_an_argument_is_written_down(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write('[services.api]\ncommand = ["api", "${env.SHOP_A}"]\n')
    monkeypatch.setenv("SHOP_A", "hunter2")
    project.resolve()
    project.resolve(overrides={"services": {"api": {"env": {"B": "hunter2"}}}})
    monkeypatch.setenv("INFRA_SERVICES__API__ENV__C", "hunter2")
    project.resolve()

    written = [path.read_text() for path in Path(os.environ["XDG_CACHE_HOME"]).rglob("*") if path.is_file()]

    assert written
    assert not [text for text in written if "hunter2" in text]


def test_an_executable_that_came_or_went_is_seen(
    project: Project, monkeypatch: pytest.MonkeyPatch, long_way: list[str]
) -> None:
    project.write('use = ["api"]\n[services.api]\ncommand = ["${bin.shop-server}"]\n')
    one, two = (project.write("#!/bin/sh\n", f"{folder}/shop-server") for folder in ("one", "two"))
    two.chmod(0o755)
    monkeypatch.setenv("PATH", f"{one.parent}:{two.parent}")
    assert project.resolve(executables=True).binaries == {"shop-server": str(two)}

    one.chmod(0o755)

    assert project.resolve(executables=True).binaries == {"shop-server": str(one)}
    assert len(long_way) == 2


def test_a_plan_with_a_kind_of_another_distribution_comes_from_the_cache(
    project: Project, acme: Distribution, long_way: list[str]
) -> None:
    project.write("use = ['store', 'words']\n")
    first = project.resolve()
    acme.forget()

    assert project.resolve() == first
    assert len(long_way) == 1
    assert "acme_kinds" not in sys.modules


def test_an_edited_module_of_another_distribution_is_a_new_plan(project: Project, acme: Distribution) -> None:
    project.write("use = ['store', 'words']\n")
    assert project.spec("store").command[-1] == "VERSION 1"

    module = acme.folder / "acme_kinds.py"
    module.write_text(module.read_text().replace("VERSION 1", "VERSION 12"))
    acme.forget()

    assert project.spec("store").command[-1] == "VERSION 12"


def test_another_version_of_a_distribution_is_a_new_plan(
    project: Project, acme: Distribution, long_way: list[str]
) -> None:
    project.write("use = ['words']\n")
    project.resolve()

    (acme.folder / "acme_kinds-1.0.dist-info").rename(acme.folder / "acme_kinds-2.0.dist-info")
    acme.forget()
    project.resolve()

    assert len(long_way) == 2


def test_a_spoiled_memory_is_no_memory(project: Project, long_way: list[str]) -> None:
    first = project.resolve()
    for path in Path(os.environ["XDG_CACHE_HOME"]).rglob("*.json"):
        path.write_text('{"plan": 3}')

    assert project.resolve() == first
    assert len(long_way) == 2


def test_only_the_newest_are_kept(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_cache, "KEPT", 2)
    for name in ("nats", "valkey", "caddy"):
        project.resolve(name)

    assert len(list(Path(os.environ["XDG_CACHE_HOME"]).rglob("plans/*.json"))) == 2


def test_without_a_home_nothing_is_remembered(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HOME")

    assert project.names("nats") == ["nats"]


def test_a_cache_that_cannot_be_written_is_no_reason_to_fail(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file stands where the folder should be: even root cannot write into it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(project.write("", "a-file")))

    assert project.names("nats") == ["nats"]


@pytest.mark.process
def test_what_was_resolved_before_costs_no_pydantic(project: Project) -> None:
    """It takes 100 ms to import, and the five servers of the kit take less to start."""
    code = (
        "import sys; from infra_runtime.config.resolve import resolve; resolve(executables=False);"
        "print([name for name in ('pydantic', 'tomllib', 'importlib.metadata') if name in sys.modules])"
    )
    for expected in ("['pydantic', 'tomllib', 'importlib.metadata']", "[]"):
        project.write("use = ['nats']\n")
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=project.root, capture_output=True, text=True, check=True
        )

        assert done.stdout.strip() == expected
