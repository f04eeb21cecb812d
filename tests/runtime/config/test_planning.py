"""The two passes of planning: contributions and specs, independent of the order of tables and variables."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.engine import configuration_of
from fakes.project import Project
from infra_runtime.binaries import Binary, BinarySearch
from infra_runtime.config import planning
from infra_runtime.config.resolve import resolve
from infra_runtime.spec import ServiceSpec

API = """
[services.api]
command = ["api"]
ports = { http = 8000, admin = 8001 }
metrics = "/internal/metrics"
route = "/api/*"
alert = { name = "ApiDown", expression = "up == 0", after = 60 }
log = "json"
"""


def dials(project: Project, name: str = "caddy") -> list[str]:
    routes = configuration_of(project.spec(name))["apps"]["http"]["servers"]["http"]["routes"][1:-1]
    return [route["handle"][-1]["upstreams"][0]["dial"] for route in routes]


# --- services that join a stack ------------------------------------------------------------------------


def services(project: Project, *names: str, **more: Any) -> list[str]:
    return [spec.name for spec in project.resolve(*names, **more).plan.services]


def test_the_log_forwarder_is_added_to_nats_and_other_services_in_development(project: Project) -> None:
    assert services(project, "nats", "valkey") == ["nats", "valkey", "log-forwarder"]
    assert services(project, "nats", "valkey", environment="test") == ["nats", "valkey"]
    assert services(project, "nats") == ["nats"]
    assert services(project, "valkey") == ["valkey"]


def test_a_request_or_a_setting_leaves_the_log_forwarder_out(project: Project) -> None:
    assert services(project, "nats", "valkey", skip=("log-forwarder",)) == ["nats", "valkey"]
    assert services(project, "nats", "valkey", variables_required=False) == ["nats", "valkey"]
    project.write("[services.nats]\nforward_logs = false\n")
    assert services(project, "nats", "valkey") == ["nats", "valkey"]


def test_without_nats_py_the_log_forwarder_is_not_added(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(binary: Binary, *_: object, **__: object) -> BinarySearch:
        return BinarySearch(name=binary.name, binary=binary, setting=None, path="")

    project.write('use = ["nats", "api"]\n[services.api]\ncommand = ["${bin.python}"]\n')
    monkeypatch.setattr(planning, "search", missing)
    monkeypatch.setattr(planning, "sought", lambda *_: ())

    assert services(project, executables=True) == ["nats", "api"]


# --- contributions -----------------------------------------------------------------------------------


@pytest.mark.parametrize("tables", [["[services.caddy]\n", API], [API, "[services.caddy]\n"]])
def test_a_route_reaches_the_proxy_in_any_order_of_tables(project: Project, tables: list[str]) -> None:
    project.write("".join(tables))

    assert dials(project) == ["${api.host}:${api.port}"]


def test_a_contribution_without_a_consumer_is_in_the_plan(project: Project) -> None:
    project.write("use = ['api']\n" + API)

    offers = {offer.key: offer.to_json()["value"] for offer in project.resolve().plan.contributions}

    assert offers["metrics"] == {
        "port": "http",
        "path": "/internal/metrics",
        "subject": "application",
    }
    assert offers["log"] == {"format": "json"}
    assert offers["alert"]["name"] == "ApiDown"


def test_a_port_with_metrics_is_exported(project: Project) -> None:
    project.write(API.replace('"/internal/metrics"', '{ port = "admin" }'))

    assert project.spec("api").exports["admin_port"] == "${port.admin}"


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        ("prometheus", "${port.http}/metrics"),
        ("alertmanager", "${port.http}/metrics"),
        ("etcd", "${port.client}/metrics"),
        ("traefik", "${port.http}/__infra/metrics"),
        ("node-exporter", "${port.http}/metrics"),
    ],
)
def test_a_kind_with_metrics_exports_their_address(project: Project, kind: str, address: str) -> None:
    project.write(f"use = ['{kind}']\n")

    assert project.spec(kind).exports["metrics_url"] == f"http://${{host}}:{address}"


def test_a_kind_exports_no_address_of_metrics_that_are_off(project: Project) -> None:
    project.write("use = ['traefik']\n[services.traefik]\nmetrics = false\n")

    assert "metrics_url" not in project.spec("traefik").exports


@pytest.mark.usefixtures("acme")
def test_a_kind_of_another_distribution_consumes_and_contributes(project: Project) -> None:
    project.write("use = ['store', 'api', 'words']\n" + API)

    plan = project.resolve().plan
    store = next(spec for spec in plan.services if spec.name == "store")

    assert store.command[1:] == ("${api.host?}:${api.http_port?}/internal/metrics", "VERSION 1")
    assert store.summary == "stores metrics"
    assert store.exports["http_port"] == "${port.http}"
    assert [spec.name for spec in plan.providers("metrics-store")] == ["store"]


@pytest.mark.usefixtures("acme")
def test_routes_and_metrics_add_services_to_the_plan_and_other_keys_do_not(project: Project) -> None:
    project.write("use = ['words', 'api']\n" + API)

    assert project.names("caddy") == ["api", "caddy"]
    assert project.names("store") == ["store", "api"]
    assert project.names("words") == ["words"]


@pytest.mark.usefixtures("acme")
def test_a_kind_without_a_table_is_added_if_the_stack_contains_it(project: Project) -> None:
    project.write("use = ['store', 'second']\n[services.second]\nkind = 'store'\nport = 19091\n")

    assert project.names("second") == ["second", "store"]
    assert project.names("store") == ["store", "second"]


@pytest.mark.usefixtures("acme")
def test_a_skipped_service_is_not_added_by_its_contributions(project: Project) -> None:
    project.write("use = ['store', 'api']\n" + API)

    assert project.names("store", skip=("api",)) == ["store"]


@pytest.mark.usefixtures("acme")
def test_two_providers_of_a_role_get_the_same_contributions(project: Project) -> None:
    project.write("use = ['caddy', 'edge']\n[services.edge]\nkind = 'caddy'\n" + API)

    plan = project.resolve().plan

    assert [spec.name for spec in plan.providers("proxy")] == ["caddy", "edge"]
    assert dials(project) == dials(project, "edge") == ["${api.host}:${api.port}"]


def test_an_optional_reference_to_a_kind_outside_the_plan_is_valid_and_a_typo_is_an_error(
    project: Project,
) -> None:
    project.write("use = ['api']\n[services.api]\ncommand = ['api', '${postgres.url?}']\n")
    assert project.names() == ["api"]

    project.write("use = ['api']\n[services.api]\ncommand = ['api', '${postgers.url?}']\n")
    assert "this stack has no service 'postgers'; did you mean 'postgres'?" in project.error()


# --- a command hides a kind ----------------------------------------------------------------------------


def test_a_table_with_a_command_is_a_users_own_service_under_any_name(project: Project) -> None:
    project.write("use = ['valkey']\n[services.valkey]\ncommand = ['mine']\n")

    spec = project.spec("valkey")

    assert (spec.command, spec.kind, spec.summary) == (("mine",), "", "your own")


@pytest.mark.usefixtures("acme")
def test_a_command_hides_a_kind_of_another_distribution(project: Project) -> None:
    project.write("[services.store]\ncommand = ['mine']\n")

    assert project.spec("store").command == ("mine",)


# --- several instances -----------------------------------------------------------------------------------


def test_a_space_in_a_list_of_needs_does_not_change_the_ports(project: Project) -> None:
    """The service `valkey` is the first instance, although it has no table."""
    api = '[services.api]\ncommand = ["api"]\nneeds = "nats, valkey"\n'
    project.write(f'use = ["api", "cache"]\n{api}[services.cache]\nkind = "valkey"\n')

    ports = {spec.name: dict(spec.ports) for spec in project.resolve().plan.services}

    assert (ports["valkey"]["client"], ports["cache"]["client"]) == (6379, 6380)


def test_further_instances_get_the_next_free_ports(project: Project) -> None:
    """Instances are numbered in the order of their names; 5434 is in use by another service of the stack."""
    project.write(
        """
        [services.orders]
        kind = "postgres"
        [services.analytics]
        kind = "postgres"
        [services.api]
        command = ["api"]
        ports = { http = 5434 }
        """
    )

    plan = project.resolve().plan
    ports = {spec.name: spec.ports["client"] for spec in plan.services if spec.kind == "postgres"}
    origin = project.resolve().provenance["services.analytics.ports.client"]

    assert ports == {"postgres": 5432, "analytics": 5433, "orders": 5435}
    assert (origin.value, origin.source) == ("5433", "the next free port for another instance of postgres")
    assert project.resolve("analytics").plan.services[0].ports == {"client": 5433}


def test_without_a_service_named_like_the_kind_the_first_by_name_has_its_ports(project: Project) -> None:
    project.write(
        "use = ['b', 'a']\n[services.a]\nkind = 'valkey'\n[services.b]\nkind = 'valkey'\nport = 7000\n"
    )

    assert [(spec.name, spec.ports["client"]) for spec in project.resolve().plan.services] == [
        ("b", 7000),
        ("a", 6379),
    ]


def test_an_instance_is_a_service_like_any_other(project: Project) -> None:
    project.write(
        """
        use = ["api"]
        profiles.data = ["analytics"]
        [services.analytics]
        kind = "postgres"
        [services.api]
        command = ["api", "${analytics.url}"]
        [environment.test.services.analytics]
        locale = "C"
        """
    )

    resolved = project.resolve(environment="test")

    assert [spec.name for spec in resolved.plan.services] == ["analytics", "api"]
    assert resolved.plan.services[0].kind == "postgres"
    assert project.names(profile="data") == ["analytics"]
    assert resolved.provenance["services.analytics.durable"].source == "default in test"
    assert resolved.provenance["services.analytics.locale"].source.endswith("infra.toml:9")
    assert resolved.provenance["services.analytics.kind"].value == '"postgres"'


def test_each_instance_has_the_executable_of_its_setting(project: Project) -> None:
    project.write("#!/bin/sh\n", "tools/nats").chmod(0o755)
    project.write("#!/bin/sh\n", "other/nats").chmod(0o755)
    project.write(
        """
        use = ["nats", "edge", "same"]
        [services.nats]
        binary = "tools/nats"
        [services.edge]
        kind = "nats"
        binary = "other/nats"
        [services.same]
        kind = "nats"
        binary = "tools/nats"
        """
    )

    resolved = project.resolve(executables=True)

    assert resolved.binaries == {
        "nats-server": str(project.root / "tools/nats"),
        "nats-server@edge": str(project.root / "other/nats"),
    }
    assert [spec.command[0] for spec in resolved.plan.services] == [
        "${bin.nats-server}",
        "${bin.nats-server@edge}",
        "${bin.nats-server}",
    ]
    assert project.resolve(executables=True) == resolved


# --- order -------------------------------------------------------------------------------------------------

TABLES = [
    "[services.caddy]\npatience = 1.0\n",
    '[services.site]\ncommand = ["site", "${api.url?}"]\nports = { http = 8100 }\nroute = "/*"\n',
    '[services.api]\ncommand = ["api", "${postgres.url}"]\nports = { http = 8000 }\nroute = "/api/*"\n',
    '[services.shop]\ncommand = ["shop"]\nports = { http = 8200 }\nroute = "/api/*"\n',
    '[services.analytics]\nkind = "postgres"\n',
    '[services.orders]\nkind = "postgres"\n',
    "[services.nats.options.websocket]\nport = 9222\n",
    "[services.nats.options.mqtt]\nport = 9333\n",
    "[environment.development.services.api.ports]\nadmin = 8001\n",
    "[environment.development.services.analytics]\nlocale = 'C'\n",
]
OVERLAYS = [
    "[services.api.ports]\ngrpc = 8002\n",
    "[services.extra]\ncommand = ['extra']\n",
    "[services.orders.options]\njit = 'on'\n",
]
VARIABLES = {
    "INFRA_SERVICES__EXTRA__PORTS__ZETA": "8101",
    "INFRA_SERVICES__EXTRA__PORTS__ALPHA": "8102",
    "INFRA_SERVICES__ANALYTICS__OPTIONS__WORK_MEM": "8MB",
    "INFRA_SERVICES__ANALYTICS__OPTIONS__JIT": "on",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("order")


@given(
    tables=st.permutations(TABLES),
    overlays=st.permutations(OVERLAYS),
    variables=st.permutations(sorted(VARIABLES)),
)
@settings(max_examples=settings().max_examples // 4)
def test_the_plan_does_not_depend_on_the_order_of_tables_overlays_and_variables(
    folder: Path, tables: list[str], overlays: list[str], variables: list[str]
) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name in [name for name in os.environ if name.startswith("INFRA_")]:
            monkeypatch.delenv(name)

        def digest(tables: list[str], overlays: list[str], variables: list[str]) -> str:
            (folder / "infra.toml").write_text("".join(tables))
            (folder / "infra.development.toml").write_text("".join(overlays))
            for name in variables:
                monkeypatch.delenv(name, raising=False)
            for name in variables:
                monkeypatch.setenv(name, VARIABLES[name])
            return resolve(directory=folder, executables=False).plan.digest

        assert digest(tables, overlays, variables) == digest(TABLES, OVERLAYS, sorted(VARIABLES))


def test_a_chain_of_needs_makes_each_spec_once(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    created_specs: list[str] = []
    original = planning._spec

    def counted(service: planning.ServiceConfiguration, *arguments: Any) -> ServiceSpec:
        created_specs.append(service.name)
        return original(service, *arguments)

    monkeypatch.setattr(planning, "_spec", counted)
    tables = [f"[services.t{n}]\ncommand = ['true']\nneeds = ['t{n + 1}']\n" for n in range(50)]
    project.write("use = ['t0']\n" + "".join(tables) + "[services.t50]\ncommand = ['true']\n")

    names = [spec.name for spec in project.resolve().plan.services]

    assert names == [f"t{n}" for n in reversed(range(51))]
    assert sorted(created_specs) == sorted(names)
