from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from fakes.project import Project
from infra_runtime import catalogue
from infra_runtime.catalogue import overlaid
from infra_runtime.errors import ConfigurationError, UnknownServiceError
from infra_runtime.manifest import KINDS
from infra_runtime.plan import Plan

JOINED = """
from infra_runtime.binaries import Binary
from infra_runtime.catalogue import Entry, ServiceSettings
from infra_runtime.spec import ServiceSpec

class EchoSettings(ServiceSettings):
    word: str = "hello"

def echo(settings, contributions):
    return ServiceSpec(name="echo", command=("${bin.echo}", settings.word))

ENTRY = Entry(name="echo", summary="says it again", settings=EchoSettings, make=echo,
              binaries=(Binary(name="echo"),))
NOT_AN_ENTRY = 3
"""


@pytest.fixture
def join(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Install a distribution whose entry points are these."""

    def install(points: str) -> None:
        (tmp_path / "joined_echo.py").write_text(JOINED)
        info = tmp_path / "joined_echo-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: joined-echo\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[infra.services]\n{points}\n")
        monkeypatch.syspath_prepend(tmp_path)
        catalogue.joined.cache_clear()

    yield install
    sys.modules.pop("joined_echo", None)
    monkeypatch.undo()
    catalogue.joined.cache_clear()


def test_every_service_of_the_kit_is_pure_and_survives_json(project: Project) -> None:
    """The same settings make the same spec, in every environment."""
    for environment in ("development", "test", "staging", "production"):
        one, two = (project.resolve(environment=environment).plan for _ in range(2))

        assert Plan.from_json(json.loads(json.dumps(one.to_json()))) == one == two


def test_a_spec_refers_and_does_not_contain(project: Project) -> None:
    """No path of this machine and no port is in a plan: that is why every engine can run it."""
    plan = project.resolve().plan
    text = json.dumps(plan.to_json()["services"])

    assert str(project.root) not in text
    assert str(Path.home()) not in text
    # A health check inside a container asks the container itself, whatever the engine binds.
    assert "127.0.0.1" not in json.dumps(plan.without_containers().to_json())


def test_each_service_of_the_kit_exports_what_everybody_looks_for(project: Project) -> None:
    for spec in project.resolve().plan.services:
        assert {"url", "host", "port"} <= spec.exports.keys(), spec.name


def test_a_service_may_join_by_entry_point(project: Project, join) -> None:
    join("echo = joined_echo:ENTRY")
    project.write('use = ["echo"]\n[services.echo]\nword = "hi"\n')

    assert project.spec("echo").command == ("${bin.echo}", "hi")
    assert catalogue.names()[-1] == "echo"


def test_a_joined_service_is_in_the_stack_when_its_settings_are(project: Project, join) -> None:
    join("echo = joined_echo:ENTRY")

    assert "echo" not in project.names()
    project.write('[services.echo]\nword = "hi"\n')
    assert "echo" in project.names()


def test_a_joined_service_cannot_take_the_name_of_one_of_ours(join) -> None:
    join("nats = joined_echo:ENTRY")

    assert catalogue.entry("nats").name == "nats"
    assert catalogue.names() == list(KINDS)


def test_an_entry_point_that_cannot_be_loaded_is_told(project: Project, join) -> None:
    join("echo = joined_echo:NOWHERE")

    assert "the service 'echo' comes from joined_echo:NOWHERE of joined-echo, which cannot be loaded" in (
        project.complaint("echo")
    )


def test_an_entry_point_that_is_something_else_is_told(join) -> None:
    join("echo = joined_echo:NOT_AN_ENTRY")

    with pytest.raises(
        ConfigurationError, match=r"is a int, and should be an infra_runtime\.catalogue\.Entry"
    ):
        catalogue.entry("echo")


def test_an_unknown_service_is_an_error_with_those_there_are() -> None:
    with pytest.raises(UnknownServiceError, match="there are: caddy, nats, pocketbase, postgres, valkey"):
        catalogue.entry("oracle")


def test_options_are_laid_over_tables() -> None:
    base = {"a": {"b": 1, "c": 2}, "d": [1]}

    assert overlaid(base, {"a": {"c": 3}, "d": [2]}) == {"a": {"b": 1, "c": 3}, "d": [2]}
    assert base == {"a": {"b": 1, "c": 2}, "d": [1]}
