from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from fakes.distribution import Distribution
from fakes.project import Project
from infra_runtime.binaries import Binary
from infra_runtime.config import plan_cache, planning


@pytest.fixture
def uncached(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The environments of all resolutions that did not come from the cache."""
    environments: list[str] = []
    real = planning.resolved

    def counted(request: Any, **more: Any) -> Any:
        environments.append(request.environment)
        return real(request, **more)

    monkeypatch.setattr(planning, "resolved", counted)
    return environments


def test_a_cached_resolution_equals_the_first_one(project: Project, uncached: list[str]) -> None:
    project.write('[services.api]\ncommand = ["${bin.python}"]\nenv = { A = "${env.HOME:-}" }\n')

    first = project.resolve()
    second = project.resolve()

    assert first == second
    assert len(uncached) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda project: project.write("profile = 'minimal'\n"),
        lambda project: project.write("use = ['nats']\n", "infra.development.toml"),
        lambda project: project.write("INFRA_PROFILE=minimal\n", ".env"),
    ],
    ids=["stack file", "overlay", ".env"],
)
def test_a_changed_file_causes_a_new_resolution(project: Project, change: Any) -> None:
    project.write("")
    before = project.names()

    change(project)

    assert project.names() != before


def test_a_lower_case_setting_in_dotenv_causes_a_new_resolution(project: Project) -> None:
    project.write("")
    before = project.names()

    project.write("infra_profile=minimal\n", ".env")

    assert project.names() != before


def test_other_arguments_cause_a_new_resolution(project: Project) -> None:
    assert (
        project.names()
        != project.names("nats")
        != project.names(skip=("nats",))
        != project.names(profile="minimal")
    )


def test_a_changed_variable_causes_a_new_resolution(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = project.names()
    monkeypatch.setenv("INFRA_PROFILE", "minimal")

    assert project.names() != before


def test_the_values_of_variables_are_not_cached(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write('[services.api]\ncommand = ["api", "${env.SHOP_A}"]\n')
    for value in ("1", "2"):
        monkeypatch.setenv("SHOP_A", value)

        assert project.resolve().variables == {"SHOP_A": value}


def test_no_value_of_a_variable_or_an_argument_is_written_to_the_cache(
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


def test_a_new_executable_causes_a_new_resolution(
    project: Project, monkeypatch: pytest.MonkeyPatch, uncached: list[str]
) -> None:
    project.write('use = ["api"]\n[services.api]\ncommand = ["${bin.shop-server}"]\n')
    one, two = (project.write("#!/bin/sh\n", f"{folder}/shop-server") for folder in ("one", "two"))
    two.chmod(0o755)
    monkeypatch.setenv("PATH", f"{one.parent}:{two.parent}")
    assert project.resolve(executables=True).binaries == {"shop-server": str(two)}

    one.chmod(0o755)

    assert project.resolve(executables=True).binaries == {"shop-server": str(one)}
    assert len(uncached) == 2


def test_an_installed_library_causes_a_new_resolution(
    project: Project, monkeypatch: pytest.MonkeyPatch, uncached: list[str]
) -> None:
    """A library of an extra can add a service to a plan."""
    packages = project.root / "site-packages"
    packages.mkdir()
    monkeypatch.syspath_prepend(packages)
    os.utime(packages, (1, 1))
    project.resolve()
    project.resolve()
    assert len(uncached) == 1

    (packages / "acme").mkdir()
    project.resolve()

    assert len(uncached) == 2


def test_a_plan_with_a_kind_of_another_distribution_comes_from_the_cache(
    project: Project, acme: Distribution, uncached: list[str]
) -> None:
    project.write("use = ['store', 'words']\n")
    first = project.resolve()
    acme.uninstall()

    assert project.resolve() == first
    assert len(uncached) == 1
    assert "acme_kinds" not in sys.modules


def test_an_edited_module_of_another_distribution_causes_a_new_resolution(
    project: Project, acme: Distribution
) -> None:
    project.write("use = ['store', 'words']\n")
    assert project.spec("store").command[-1] == "VERSION 1"

    module = acme.folder / "acme_kinds.py"
    module.write_text(module.read_text().replace("VERSION 1", "VERSION 12"))
    acme.uninstall()

    assert project.spec("store").command[-1] == "VERSION 12"


def test_another_version_of_a_distribution_causes_a_new_resolution(
    project: Project, acme: Distribution, uncached: list[str]
) -> None:
    project.write("use = ['words']\n")
    project.resolve()

    (acme.folder / "acme_kinds-1.0.dist-info").rename(acme.folder / "acme_kinds-2.0.dist-info")
    acme.uninstall()
    project.resolve()

    assert len(uncached) == 2


def test_an_invalid_cache_file_is_ignored(project: Project, uncached: list[str]) -> None:
    first = project.resolve()
    for path in Path(os.environ["XDG_CACHE_HOME"]).rglob("*.json"):
        path.write_text('{"plan": 3}')

    assert project.resolve() == first
    assert len(uncached) == 2


def test_only_the_newest_cache_files_are_kept(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_cache, "FILE_LIMIT", 2)
    for name in ("nats", "valkey", "caddy"):
        project.resolve(name)

    assert len(list(Path(os.environ["XDG_CACHE_HOME"]).rglob("plans/*.json"))) == 2


def test_without_a_home_folder_nothing_is_cached(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HOME")

    assert project.names("nats") == ["nats"]


def test_a_cache_that_cannot_be_written_is_not_an_error(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The path of the cache is a file, so that even root cannot write into it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(project.write("", "a-file")))

    assert project.names("nats") == ["nats"]


@pytest.mark.process
def test_a_cached_resolution_does_not_import_pydantic(project: Project) -> None:
    """Importing pydantic takes 100 ms, more than the start of the kit's five services."""
    code = (
        "import sys; from infra_runtime.config.resolve import resolve; resolve(executables=False);"
        "print([name for name in ('pydantic', 'tomllib', 'importlib.metadata') if name in sys.modules])"
    )
    for expected in ("['pydantic', 'tomllib', 'importlib.metadata']", "[]"):
        project.write("use = ['nats']\n")
        result = subprocess.run(
            [sys.executable, "-c", code], cwd=project.root, capture_output=True, text=True, check=True
        )

        assert result.stdout.strip() == expected


@pytest.mark.parametrize("beside", [None, Binary(name="a")])
def test_an_executable_with_a_replacement_is_the_same_when_it_is_read_from_the_cache(
    beside: Binary | None,
) -> None:
    written = Binary(
        name="a",
        aliases=("b",),
        major=15,
        features=("maps",),
        feature_files=("{feature}",),
        beside=beside,
        instead=Binary(name="c", instead=Binary(name="d")),
    )

    assert plan_cache._binary(json.loads(json.dumps(asdict(written)))) == written
