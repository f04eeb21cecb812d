from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from fakes.engine import spec_of
from fakes.project import Project
from fakes.samples import every
from infra_runtime import catalogue
from infra_runtime.catalogue import overlaid
from infra_runtime.errors import ConfigurationError, UnknownServiceError
from infra_runtime.manifest import KINDS
from infra_runtime.plan import Plan

MODULE = """
from infra_runtime.binaries import Binary
from infra_runtime.catalogue import Entry, ServiceSettings
from infra_runtime.spec import ServiceSpec

class EchoSettings(ServiceSettings):
    word: str = "hello"

def echo(settings, contributions):
    return ServiceSpec(name="echo", command=("${bin.echo}", settings.word))

ENTRY = Entry(name="echo", summary="prints a word", settings=EchoSettings, make=echo,
              binaries=(Binary(name="echo"),))
NOT_AN_ENTRY = 3
"""


@pytest.fixture
def install_kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function that installs a distribution with the given entry points."""

    def install(points: str) -> None:
        (tmp_path / "acme_echo.py").write_text(MODULE)
        info = tmp_path / "acme_echo-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-echo\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[infra.services]\n{points}\n")
        monkeypatch.syspath_prepend(tmp_path)
        catalogue.joined.cache_clear()

    yield install
    sys.modules.pop("acme_echo", None)
    monkeypatch.undo()
    catalogue.joined.cache_clear()


def test_every_kind_of_the_kit_is_pure_and_the_same_after_json(project: Project) -> None:
    """The same settings make the same spec, in every environment."""
    for environment in ("development", "test", "staging", "production"):
        plan, again = (project.resolve(environment=environment).plan for _ in range(2))

        assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan == again


def test_a_plan_contains_references_instead_of_local_values(project: Project) -> None:
    """Every engine can run a plan, because it contains no path of this machine and no port."""
    plan = project.resolve().plan
    text = json.dumps(plan.to_json()["services"])

    assert str(project.root) not in text
    assert str(Path.home()) not in text
    # The container parts contain 127.0.0.1, because a health check runs inside the container.
    assert "127.0.0.1" not in json.dumps(plan.without_containers().to_json())


def test_each_service_of_the_kit_exports_url_host_and_port(project: Project) -> None:
    for spec in project.resolve().plan.services:
        assert {"url", "host", "port"} <= spec.exports.keys(), spec.name


@every(sorted(KINDS))
def test_each_kind_of_the_kit_has_the_start_timeout_of_its_settings(kind: str) -> None:
    assert spec_of(kind, start_timeout=7.0).start_timeout == 7.0


def test_another_distribution_adds_a_kind_by_entry_point(project: Project, install_kinds) -> None:
    install_kinds("echo = acme_echo:ENTRY")
    project.write('use = ["echo"]\n[services.echo]\nword = "hi"\n')

    assert project.spec("echo").command == ("${bin.echo}", "hi")
    assert catalogue.names()[-1] == "echo"


def test_a_kind_of_another_distribution_is_in_the_stack_if_it_has_a_table(
    project: Project, install_kinds
) -> None:
    install_kinds("echo = acme_echo:ENTRY")

    assert "echo" not in project.names()
    project.write('[services.echo]\nword = "hi"\n')
    assert "echo" in project.names()


def test_another_distribution_cannot_replace_a_kind_of_the_kit(install_kinds) -> None:
    install_kinds("nats = acme_echo:ENTRY")

    assert catalogue.entry("nats").name == "nats"
    assert catalogue.names() == list(KINDS)


def test_an_entry_point_that_cannot_be_loaded_is_reported(project: Project, install_kinds) -> None:
    install_kinds("echo = acme_echo:NOWHERE")

    assert "the kind 'echo' cannot be loaded from acme_echo:NOWHERE of acme-echo: " in (project.error("echo"))


def test_an_entry_point_that_is_not_an_entry_is_reported(install_kinds) -> None:
    install_kinds("echo = acme_echo:NOT_AN_ENTRY")

    with pytest.raises(
        ConfigurationError, match=r"should be an infra_runtime\.catalogue\.Entry, but is a int"
    ):
        catalogue.entry("echo")


def test_an_unknown_kind_is_an_error_with_the_existing_kinds() -> None:
    with pytest.raises(UnknownServiceError, match=f"known names: {', '.join(sorted(KINDS))}"):
        catalogue.entry("oracle")


def test_options_are_merged_table_by_table() -> None:
    base = {"a": {"b": 1, "c": 2}, "d": [1]}

    assert overlaid(base, {"a": {"c": 3}, "d": [2]}) == {"a": {"b": 1, "c": 3}, "d": [2]}
    assert base == {"a": {"b": 1, "c": 2}, "d": [1]}
