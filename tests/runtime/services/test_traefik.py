from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest

from fakes.engine import configuration_of, spec_of
from fakes.project import Project
from infra_runtime.spec import WriteFile


def dynamic(**settings: Any) -> dict[str, Any]:
    """Return the content of the file with the routes."""
    step = spec_of("traefik", **settings).prepare[1]
    assert isinstance(step, WriteFile)
    return json.loads(step.text)["http"]


def test_traefik_sends_no_data_to_its_vendor() -> None:
    assert configuration_of(spec_of("traefik"))["global"] == {
        "checkNewVersion": False,
        "sendAnonymousUsage": False,
    }


def test_traefik_has_neither_a_dashboard_nor_a_further_port() -> None:
    configuration = configuration_of(spec_of("traefik"))

    assert "api" not in configuration
    assert list(configuration["entryPoints"]) == ["http"]


def test_the_first_route_has_the_greatest_priority() -> None:
    routers = dynamic(routes=[{"path": "/", "to": "a"}, {"path": "/long/path", "to": "b"}])["routers"]

    assert routers["infra-health"]["priority"] > routers["route-0"]["priority"]
    assert routers["route-0"]["priority"] > routers["route-1"]["priority"]


def test_a_route_can_be_for_the_hosts_of_a_domain() -> None:
    routers = dynamic(routes=[{"host": "*.localhost", "to": "a"}, {"host": "a.localhost", "to": "a"}])[
        "routers"
    ]

    assert routers["route-0"]["rule"] == r"HostRegexp(`(?i)^[^.]+\.localhost$`) && PathRegexp(`(?i)^/`)"
    assert routers["route-1"]["rule"] == "Host(`a.localhost`) && PathRegexp(`(?i)^/`)"


def test_a_route_to_a_folder_is_an_error_that_names_the_route(project: Project) -> None:
    project.write('use = ["traefik"]\n[[services.traefik.routes]]\npath = "/static/*"\nfiles = "public"\n')

    error = project.error()

    assert (
        "infra.toml:2: services.traefik.routes: the route for /static/* serves the folder 'public'" in error
    )
    assert "no file server" in error


def test_metrics_are_contributed_except_in_production(project: Project) -> None:
    project.write('use = ["traefik"]\n')

    keys = {
        environment: [offer.key for offer in project.resolve(environment=environment).plan.contributions]
        for environment in ("development", "production")
    }

    assert keys == {"development": ["metrics"], "production": []}


@pytest.mark.real("traefik")
def test_a_real_proxy_has_metrics(run) -> None:
    stack = run("traefik")

    with urllib.request.urlopen(f"{stack.traefik.url}/__infra/metrics", timeout=60) as answer:
        assert b"traefik_config_reloads_total" in answer.read()
