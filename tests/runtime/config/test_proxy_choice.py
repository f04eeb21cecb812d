"""The setting `proxy` selects the kind of the service `proxy`, with the same routes."""

from __future__ import annotations

import json

import pytest

from fakes.project import Project
from infra_runtime.config.resolve import Resolved
from infra_runtime.errors import ConfigurationError
from infra_runtime.spec import encode

API = '[services.api]\ncommand = ["api"]\nports = { http = 8000 }\nroute = "/api/*"\n'
FILES = '[[services.proxy.routes]]\npath = "/legacy/*"\nto = "127.0.0.1:9000"\n'
KINDS = ("caddy", "nginx", "traefik")


def proxies(resolved: Resolved) -> list[tuple[str, str]]:
    """Return name and kind of the proxies of a plan."""
    return [(spec.name, spec.kind) for spec in resolved.plan.providers("proxy")]


@pytest.mark.parametrize("kind", KINDS)
def test_the_selected_proxy_replaces_the_proxy_of_the_default_stack(project: Project, kind: str) -> None:
    project.write(f'proxy = "{kind}"\n{API}{FILES}')

    resolved = project.resolve()

    assert proxies(resolved) == [("proxy", kind)]
    assert "${api.host}:${api.port}" in json.dumps(encode(project.spec("proxy")))
    assert "127.0.0.1:9000" in json.dumps(encode(project.spec("proxy")))
    assert [spec.name for spec in resolved.plan.services if not spec.kind] == ["api"]


@pytest.mark.parametrize("use", ['use = ["caddy"]\n', 'use = ["traefik", "nginx"]\n', 'use = ["proxy"]\n'])
def test_kinds_of_proxies_in_lists_stand_for_the_selected_proxy(project: Project, use: str) -> None:
    project.write(f'proxy = "nginx"\n{use}{API}')

    assert project.names() == ["api", "proxy"]


def test_a_profile_of_the_stack_file_has_the_selected_proxy(project: Project) -> None:
    project.write('proxy = "nginx"\n[profiles]\nweb = ["caddy"]\n' + API)

    assert proxies(project.resolve(profile="web")) == [("proxy", "nginx")]


def test_without_the_setting_nothing_changes(project: Project) -> None:
    project.write(API)

    assert proxies(project.resolve()) == [("caddy", "caddy")]


def test_a_variable_has_priority_over_the_stack_file(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(f'proxy = "caddy"\n{API}')
    monkeypatch.setenv("INFRA_PROXY", "traefik")

    assert proxies(project.resolve()) == [("proxy", "traefik")]


def test_an_environment_can_have_another_proxy(project: Project) -> None:
    project.write(f'proxy = "caddy"\n{API}[environment.production]\nproxy = "nginx"\n')

    assert proxies(project.resolve(environment="production")) == [("proxy", "nginx")]
    assert proxies(project.resolve(environment="test")) == [("proxy", "caddy")]


def test_services_refer_to_the_selected_proxy(project: Project) -> None:
    project.write(f'proxy = "nginx"\n{API}[services.shop]\ncommand = ["shop", "${{proxy.url}}"]\n')

    assert project.names("shop", skip=["telemetry"]) == ["api", "proxy", "shop"]


def test_settings_of_the_kind_apply_unless_the_proxy_has_its_own(project: Project) -> None:
    project.write(
        'proxy = "nginx"\n[services.proxy]\nport = 8888\n'
        '[services.nginx]\nworkers = 2\nport = 7777\nbinary = "bin/nginx"\n[services.caddy]\nhttps = true\n'
    )

    spec = project.spec("proxy")

    assert spec.ports == {"http": 8888}
    assert "worker_processes 2;" in spec.command[-1]
    assert spec.command[0] == "${bin.nginx}"
    origins = project.resolve().provenance
    assert origins["services.proxy.workers"].source.endswith("infra.toml:5")
    assert origins["services.proxy.port"].source.endswith("infra.toml:3")


def test_the_selected_proxy_has_the_default_port_of_its_kind(project: Project) -> None:
    """The table of the kind is not a second instance, which would get the next port."""
    project.write('proxy = "nginx"\n[services.nginx]\nworkers = 2\n')

    assert project.spec("proxy").ports == {"http": 8081}


def test_an_instance_with_a_kind_is_not_replaced(project: Project) -> None:
    project.write(
        f'proxy = "nginx"\n{API}[services.edge]\nkind = "caddy"\n[services.traefik]\nkind = "traefik"\n'
    )

    assert sorted(proxies(project.resolve())) == [
        ("edge", "caddy"),
        ("proxy", "nginx"),
        ("traefik", "traefik"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('proxy = "ngnix"\n', "infra.toml:1: 'ngnix' is not a kind of proxy; did you mean 'nginx'?"),
        ('proxy = "postgres"\n', "infra.toml:1: 'postgres' is not a kind of proxy"),
        ("proxy = 1\n", "infra.toml:1: proxy: "),
        (
            'proxy = "nginx"\n[services.api]\ncommand = ["api"]\nenv = { URL = "${caddy.url}" }\n',
            "infra.toml:4: api needs caddy, but the proxy of this stack is the service `proxy`",
        ),
        (
            'proxy = "nginx"\n[services.api]\ncommand = ["api"]\nneeds = ["nginx"]\n',
            "infra.toml:4: api needs nginx, but the proxy of this stack is the service `proxy`",
        ),
        (
            'proxy = "nginx"\n[services.caddy]\nroutes = [{ to = "127.0.0.1:1" }]\n',
            "infra.toml:3: the routes are settings of caddy, but the proxy of this stack is",
        ),
        (
            'proxy = "nginx"\n[services.proxy]\ncommand = ["mine"]\n',
            "infra.toml:2: the setting `proxy` selects the kind of the service `proxy`, but the table",
        ),
        ('use = ["proxy"]\n', "infra.toml:1: unknown service 'proxy'"),
        (
            'proxy = "nginx"\n[services.nginx]\nwrkers = 1\n',
            "infra.toml:3: services.nginx.wrkers: unknown key",
        ),
    ],
)
def test_a_contradiction_is_an_error_with_its_line(project: Project, text: str, message: str) -> None:
    project.write(text)

    assert project.error().startswith(message)


@pytest.mark.parametrize("text", ['use = ["proxy"]\n', f'{API}env = {{ P = "${{proxy.url}}" }}\n'])
def test_without_the_setting_the_error_for_the_name_proxy_has_a_hint(project: Project, text: str) -> None:
    project.write(text)

    with pytest.raises(ConfigurationError) as caught:
        project.resolve()

    assert "Select the proxy" in caught.value.hint


def test_a_replaced_proxy_cannot_be_requested(project: Project) -> None:
    project.write(f'proxy = "nginx"\n{API}')

    assert project.error("caddy").startswith("the request contains caddy, but the proxy of this stack is")


def test_a_service_of_the_user_can_be_called_proxy(project: Project) -> None:
    project.write('[services.proxy]\ncommand = ["mine"]\n')

    assert project.spec("proxy").kind == ""
