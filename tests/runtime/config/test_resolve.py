from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from fakes.project import Project
from infra_runtime.catalogue import entry
from infra_runtime.config import default_stack
from infra_runtime.config.resolve import data_directory, is_test_environment
from infra_runtime.errors import BinaryMissingError, UnknownServiceError
from infra_runtime.manifest import KINDS

DEFAULT_STACK = ["nats", "postgres", "valkey", "caddy", "pocketbase"]


IS_MISSING = default_stack._is_missing


@pytest.fixture(autouse=True)
def no_telemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests do not depend on the extras of the environment."""
    has_telemetry(monkeypatch, installed=False)


def has_telemetry(monkeypatch: pytest.MonkeyPatch, *, installed: bool) -> None:
    has_extras(monkeypatch, *(["telemetry"] if installed else []))


def has_extras(monkeypatch: pytest.MonkeyPatch, *kinds: str) -> None:
    """Install the extras of these kinds only."""
    monkeypatch.setattr(default_stack, "_is_missing", lambda kind: kind.name not in kinds)


# --- which services --------------------------------------------------------------------------------


def test_without_a_stack_file_the_stack_has_the_default_services(project: Project) -> None:
    assert project.names() == ["nats", "postgres", "valkey", "caddy", "pocketbase"]


def test_without_use_the_stack_has_the_default_services_and_the_users_own(project: Project) -> None:
    project.write('[services.api]\ncommand = ["api"]\n')

    assert project.names() == [*DEFAULT_STACK, "api"]


def test_the_stack_has_the_services_that_use_lists(project: Project) -> None:
    project.write('use = ["valkey", "nats"]\n')

    assert project.names() == ["valkey", "nats"]


def test_named_services_add_the_services_that_they_need(project: Project) -> None:
    project.write(
        """
        [services.migrate]
        command = ["migrate", "${postgres.url}"]
        task = true
        [services.api]
        command = ["api"]
        needs = ["migrate"]
        """
    )

    assert project.names("api") == ["postgres", "migrate", "api"]


def test_skipped_services_are_not_in_the_plan(project: Project) -> None:
    assert project.names(skip=("caddy", "pocketbase")) == ["nats", "postgres", "valkey"]


def test_a_needed_service_cannot_be_skipped(project: Project) -> None:
    project.write('[services.api]\ncommand = ["api", "${postgres.url}"]\n')

    assert "api needs postgres, but the request skips postgres" in project.error(skip=("postgres",))


def test_the_profile_minimal_has_nats_and_postgres(project: Project) -> None:
    assert project.names(profile="minimal") == ["nats", "postgres"]


def test_the_profile_messaging_has_the_servers_of_messages(project: Project) -> None:
    assert project.names(profile="messaging") == ["nats", "mosquitto", "kafka", "rabbitmq"]


def test_the_profile_observability_has_the_exporters_of_the_servers_in_the_stack(project: Project) -> None:
    metrics = {"prometheus", "alertmanager", "node-exporter", "telemetry", "mail"}
    project.write("use = ['valkey', 'api']\n[services.api]\ncommand = ['a']\nports.http = 1\nmetrics = '/'\n")

    assert {*project.names(profile="observability")} == {*metrics, "redis-exporter", "valkey", "api"}

    local = {"telemetry"}
    assert {*project.names(profile="observability", variables_required=False)} == {
        *(metrics - local),
        *("redis-exporter", "valkey", "api"),
    }

    project.write(
        "use = []\n[services.main]\nkind = 'postgres'\n[services.postgres-exporter]\ntarget = 'main'\n"
    )

    assert {*project.names(profile="observability")} == {*metrics, "postgres-exporter", "main"}


def test_the_profile_everything_has_each_installable_kind_but_one_proxy_and_the_services_with_a_table(
    project: Project,
) -> None:
    project.write("[services.api]\ncommand = ['api']\n")

    plan = project.resolve(profile="everything").plan

    names = {spec.name for spec in plan.services}
    missing = {kind.name for kind in KINDS.values() if not kind.external} - names
    assert names - KINDS.keys() == {"api"}
    assert len(plan.providers("proxy")) == 1
    assert not any(KINDS[name].external for name in names & KINDS.keys())
    assert all("proxy" in entry(kind).roles for kind in missing)


def test_a_request_with_a_profile_has_the_specs_of_the_profile(project: Project) -> None:
    whole = project.resolve(profile="observability").plan
    alone = project.resolve("prometheus", profile="observability").plan

    assert {spec.name: spec for spec in alone.services}.items() <= {
        spec.name: spec for spec in whole.services
    }.items()


def test_a_profile_of_the_stack_file_is_used(project: Project) -> None:
    project.write('[profiles]\ncache = ["valkey"]\n')

    assert project.names(profile="cache") == ["valkey"]


def test_a_profile_takes_precedence_over_use_and_full_has_all_services(project: Project) -> None:
    project.write('use = ["nats"]\n')

    assert project.names(profile="full") == DEFAULT_STACK


def test_an_unknown_name_in_the_request_is_an_error(project: Project) -> None:
    with pytest.raises(UnknownServiceError, match="this stack has no service 'postgress'"):
        project.resolve("postgress")
    with pytest.raises(UnknownServiceError, match="this stack has no service 'postgress'"):
        project.resolve(skip=("postgress",))


# --- telemetry -------------------------------------------------------------------------------------


def test_with_its_extra_the_telemetry_is_part_of_the_default_stack_in_development(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_telemetry(monkeypatch, installed=True)
    project.write('[services.api]\ncommand = ["api"]\n')

    resolved = project.resolve()

    names = [spec.name for spec in resolved.plan.services]
    assert names[: len(DEFAULT_STACK) + 2] == [*DEFAULT_STACK, "telemetry", "api"]
    assert not [remark for remark in resolved.remarks if "telemetry" in remark]
    for environment in ("test", "staging", "production"):
        assert "telemetry" not in project.names(environment=environment)


def test_the_default_stack_of_an_own_service_has_the_telemetry(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_telemetry(monkeypatch, installed=True)
    project.write('[services.api]\ncommand = ["api"]\n')

    assert project.names("api") == ["api", "telemetry"]
    assert project.names("nats") == ["nats"]
    assert project.names("api", skip=["telemetry"]) == ["api"]


@pytest.mark.real("telemetry")
def test_the_telemetry_of_this_environment_is_found(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(default_stack, "_is_missing", IS_MISSING)

    assert project.names()[: len(DEFAULT_STACK) + 1] == [*DEFAULT_STACK, "telemetry"]


def test_without_its_extra_a_remark_names_the_command_that_installs_the_telemetry(project: Project) -> None:
    remark, _ = project.resolve().remarks
    cached, _ = project.resolve().remarks

    assert "pip install 'pytest-infra[telemetry]'" in remark
    assert cached == remark


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("telemetry = false", {}),
        ("use = ['nats']", {}),
        ("", {"environment": "test"}),
        ("", {"skip": ["telemetry"]}),
        ("", {"profile": "minimal"}),
    ],
)
def test_a_stack_without_telemetry_by_choice_has_no_remark(
    project: Project, text: str, options: dict[str, Any]
) -> None:
    project.write(f"dashboard = false\n{text}")

    assert project.resolve(**options).remarks == ()


@pytest.mark.parametrize(
    ("text", "options", "names"),
    [
        ("", {}, [*DEFAULT_STACK, "dashboard"]),
        ("[services.dashboard]\nport = 1400\n", {}, [*DEFAULT_STACK, "dashboard"]),
        ("dashboard = false", {}, DEFAULT_STACK),
        ("", {"environment": "test"}, DEFAULT_STACK),
        ("", {"environment": "production"}, DEFAULT_STACK),
        ("", {"variables_required": False}, DEFAULT_STACK),
        ("use = ['nats']", {}, ["nats"]),
    ],
)
def test_with_its_extra_the_dashboard_is_part_of_the_default_stack_in_development(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    options: dict[str, Any],
    names: list[str],
) -> None:
    has_extras(monkeypatch, "dashboard")
    project.write(text)

    assert project.names(**options) == names


def test_without_its_extra_a_remark_names_the_command_that_installs_the_dashboard(project: Project) -> None:
    _, remark = project.resolve().remarks

    assert "pip install 'pytest-infra[web]'" in remark
    assert "`dashboard = false`" in remark


def test_the_setting_telemetry_excludes_the_service_and_its_variables(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_telemetry(monkeypatch, installed=True)
    api = '[services.api]\ncommand = ["api"]\n'
    project.write(f"[services.telemetry]\n{api}")
    with_telemetry = project.spec("api").env

    project.write(f"telemetry = false\n[services.telemetry]\n{api}")

    assert "OTEL_SERVICE_NAME" in with_telemetry
    assert project.names() == [*DEFAULT_STACK, "api"]
    assert project.spec("api").env == {}


def test_a_table_replaces_the_telemetry_of_the_default_stack(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_telemetry(monkeypatch, installed=True)
    project.write('[services.collector]\nkind = "telemetry"\n')

    assert project.names() == [*DEFAULT_STACK, "collector"]


# --- environments ----------------------------------------------------------------------------------


def test_development_is_the_default_with_fixed_ports_and_its_own_data(project: Project) -> None:
    result = project.resolve()

    assert (result.environment, result.plan.environment, result.plan.ports) == (
        "development",
        "development",
        "fixed",
    )
    assert result.data == project.root / ".data"


def test_the_test_environment_leases_ports_and_has_its_own_data(project: Project) -> None:
    result = project.resolve(environment="test")

    assert result.plan.ports == "leased"
    assert result.data == project.root / ".data-test"


def test_a_variable_or_dotenv_sets_the_environment(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write("INFRA_ENV=staging\n", ".env")
    assert project.resolve().environment == "staging"

    monkeypatch.setenv("INFRA_ENV", "production")
    assert project.resolve().environment == "production"
    assert project.resolve(environment="test").environment == "test"


def test_an_unknown_environment_is_reported_with_the_nearest_name(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFRA_ENV", "prodution")

    assert project.error() == "INFRA_ENV: unknown environment 'prodution'; did you mean 'production'?"


def test_the_variable_infra_env_marks_the_test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFRA_ENV", "test")
    assert is_test_environment()

    monkeypatch.setenv("INFRA_ENV", "development")
    assert not is_test_environment()


def test_an_overlay_table_applies_in_its_environment_only(project: Project) -> None:
    project.write('use = ["nats"]\n[environment.test]\nuse = ["valkey"]\n')

    assert project.names() == ["nats"]
    assert project.names(environment="test") == ["valkey"]


def test_an_overlay_file_takes_precedence_over_the_overlay_table(project: Project) -> None:
    project.write('use = ["nats"]\n[environment.test]\nuse = ["valkey"]\n')
    project.write('use = ["postgres"]\n', "infra.test.toml")

    assert project.names(environment="test") == ["postgres"]
    assert project.names() == ["nats"]


def test_caddy_uses_port_80_in_production(project: Project) -> None:
    assert project.spec("caddy", environment="production").ports == {"http": 80}


# --- the data directory ----------------------------------------------------------------------------


def test_the_data_directory_is_beside_the_stack_file(project: Project) -> None:
    project.write("")
    below = project.root / "src"
    below.mkdir()

    assert project.resolve(directory=below).data == project.root / ".data"


def test_the_data_directory_is_found_without_resolving(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client can attach to a stack although its stack file has a mistake."""
    project.write('use = ["unknown"]\n')

    assert data_directory(project.root) == project.root / ".data"
    assert data_directory(project.root, environment="test") == project.root / ".data-test"
    assert data_directory(project.root, data=Path("/elsewhere")) == Path("/elsewhere")

    monkeypatch.setenv("INFRA_DATA", "/by/variable")
    assert data_directory(project.root) == Path("/by/variable")


def test_the_data_directory_of_an_explicit_directory_needs_no_working_directory(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = project.root / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    assert data_directory(project.root) == project.root / ".data"


def test_a_data_directory_in_dotenv_is_relative_to_that_file(project: Project) -> None:
    project.write("INFRA_DATA=state\n", ".env")

    assert data_directory(project.root) == project.root / "state"


# --- precedence and provenance ---------------------------------------------------------------------

KEY = "services.postgres.port"


def test_each_source_takes_precedence_over_the_next(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sources are added from the lowest precedence to the highest."""

    def port(**more: object) -> tuple[str, str]:
        origin = project.resolve(**more).provenance[KEY]
        return origin.value, origin.source.replace(f"{project.root}/", "")

    assert port() == ("null", "default")

    project.write("[services.postgres]\nport = 5001\n")
    assert port() == ("5001", "infra.toml:2")

    project.write(
        "[services.postgres]\nport = 5001\n[environment.development.services.postgres]\nport = 5002\n"
    )
    assert port() == ("5002", "infra.toml:4")

    project.write("[services.postgres]\nport = 5003\n", "infra.development.toml")
    assert port() == ("5003", "infra.development.toml:2")

    project.write("INFRA_SERVICES__POSTGRES__PORT=5004\n", ".env")
    assert port() == ("5004", ".env: INFRA_SERVICES__POSTGRES__PORT")

    monkeypatch.setenv("INFRA_SERVICES__POSTGRES__PORT", "5005")
    assert port() == ("5005", "INFRA_SERVICES__POSTGRES__PORT")

    overrides = {"services": {"postgres": {"port": 5006}}}
    assert port(overrides=overrides) == ("5006", "--services.postgres.port")


def test_the_spec_has_the_value_of_the_source_with_the_highest_precedence(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write("[services.postgres]\nport = 5001\n")
    monkeypatch.setenv("INFRA_SERVICES__POSTGRES__PORT", "5005")

    assert project.spec("postgres").ports == {"client": 5005}


def test_defaults_of_an_environment_have_it_as_their_source(project: Project) -> None:
    result = project.resolve(environment="test").provenance["services.postgres.durable"]

    assert (result.value, result.source) == ("false", "default in test")


def test_every_setting_has_a_source(project: Project) -> None:
    result = project.resolve().provenance

    assert {"environment", "data", "use", "profile", "services.nats.ports.client"} <= result.keys()
    assert result["environment"].source == "default"
    assert all(origin.source for origin in result.values())


def test_the_provenance_contains_no_secret(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write(
        """
        [services.api]
        command = ["api"]
        env = { API_KEY = "hunter2", URL = "https://me:hunter2@example.com" }
        """
    )
    monkeypatch.setenv("INFRA_SERVICES__API__ENV__DB_PASSWORD", "hunter2")

    output = repr(project.resolve().provenance)

    assert "hunter2" not in output
    assert "DB_PASSWORD" in output


# --- variables -------------------------------------------------------------------------------------

WITH_VARIABLE = '[services.api]\ncommand = ["api"]\nenv = { A = "${env.SHOP_A}" }\n'


def test_a_variable_that_is_not_set_is_reported_with_its_location(project: Project) -> None:
    project.write(WITH_VARIABLE)

    text = project.error()

    assert text.startswith("infra.toml:1: api refers to ${env.SHOP_A}, but the variable SHOP_A is not set")


def test_a_variable_is_read_from_the_environment_or_else_from_dotenv(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(WITH_VARIABLE)
    project.write("SHOP_A=from the file\n", ".env")
    assert project.resolve().variables == {"SHOP_A": "from the file"}

    monkeypatch.setenv("SHOP_A", "from outside")
    assert project.resolve().variables == {"SHOP_A": "from outside"}


def test_a_variable_with_a_default_may_be_unset(project: Project) -> None:
    project.write(WITH_VARIABLE.replace("SHOP_A", "SHOP_A:-none"))

    assert project.resolve().variables == {}


# --- executables -----------------------------------------------------------------------------------


def test_a_missing_executable_is_an_error_with_the_extra_that_installs_it(project: Project) -> None:
    project.write('use = ["nats"]\n[services.nats]\nbinary = "tools/nats"\n')

    with pytest.raises(BinaryMissingError) as caught:
        project.resolve(executables=True)

    assert str(project.root / "tools/nats") in str(caught.value)
    assert "pytest-infra[nats]" in caught.value.hint


def test_a_relative_executable_starts_at_the_folder_of_the_stack_file(project: Project) -> None:
    program = project.write("#!/bin/sh\n", "tools/nats")
    program.chmod(0o755)
    project.write('use = ["nats"]\n[services.nats]\nbinary = "tools/nats"\n')

    assert project.resolve(executables=True).binaries == {"nats-server": str(program)}


def test_a_users_own_service_can_use_any_executable(project: Project) -> None:
    project.write('use = ["api"]\n[services.api]\ncommand = ["${bin.python}", "-c", "pass"]\n')

    result = project.resolve(executables=True).binaries["python"]

    assert os.access(result, os.X_OK)
