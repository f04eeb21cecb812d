"""A plan as Compose files: valid, complete and reproducible; settings without equivalent are errors."""

from __future__ import annotations

import http.server
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.project import Project, empty_project
from fakes.samples import sample
from infra_runtime.config.request import ENVIRONMENTS
from infra_runtime.engines.compose import FIRST_LINE, Compose, Folders
from infra_runtime.engines.protocol import Engine
from infra_runtime.engines.references import host_name
from infra_runtime.engines.yaml_text import dump
from infra_runtime.errors import ConfigurationError
from infra_runtime.plan import Plan
from infra_runtime.spec import Container, HttpProbe, ServiceSpec, TcpProbe

jsonschema = pytest.importorskip("jsonschema", reason="the minimal profile has no schema validator")
yaml = pytest.importorskip("yaml", reason="the minimal profile has no YAML parser")

#: jsonschema does not recognise the spelling of "draft-07" in this schema
SCHEMA = jsonschema.Draft7Validator(
    json.loads((Path(__file__).parent / "compose-spec.json").read_text("utf-8"))
)
#: attributes whose lists an overlay replaces. Source: Compose Specification, "Merge", "Shell commands"
REPLACED = {"command", "entrypoint", "test"}
API = """\
[services.api]
command = ["${bin.uvicorn}", "shop:app", "--host", "${host}", "--port", "${port.http}"]
ports = { http = 8000 }
"""
IMAGE = '[services.api.container]\nimage = "registry.example/shop/api:1.2"\n'
SEARCH = """\
[services.search]
image = "ghcr.io/acme/search:1.2"
ports = { http = 9200 }
container_ports = { http = 80 }
env = { LISTEN = "${host}:${port.http}" }
volumes = { "/var/lib/search" = "${data}", "/etc/search.yml" = "config/search.yml" }
ready = { exec = ["search", "ping"] }
user = "1000"
cwd = "/srv"
"""
STACKS = {
    "the default stack": "",
    "HTTPS, files and a host": (
        "[services.caddy]\nhttps = true\nroutes = [{ files = 'public' },"
        " { path = '/db/*', host = 'db.example', to = '192.0.2.1:80' }]\n"
    ),
    "nginx with a folder": (
        "use = ['nginx']\nproxy = 'nginx'\n"
        "[services.proxy]\nroutes = [{ path = '/f/*', strip = true, files = 'public' }]\n"
        + API
        + "route = { path = '/api/*', strip = true }\n"
    ),
    "Traefik": "use = ['proxy']\nproxy = 'traefik'\n"
    + API
    + "route = { path = '/api/*', host = 'x.test' }\n",
    "settings of every kind": (
        "use = ['postgres', 'nats', 'valkey', 'caddy']\n"
        "[services.postgres]\nport = 5433\nversion = 16\nenv = { TZ = 'UTC' }\n"
        "options = { work_mem = '8MB' }\n"
        "[services.nats.options]\nmax_payload = 1024\n[services.valkey]\ndurable = false\n"
    ),
    "a user's own service, generated": "use = ['api']\n" + API,
    "in a named image": (
        "use = ['api']\n" + API + 'ready = { http = "/health" }\n' + IMAGE + 'health_client = "curl"\n'
    ),
    "from a Dockerfile": (
        "use = ['api']\n"
        + API
        + 'ready = { exec = ["${bin.check}", "--fast"] }\nstop = { signal = "INT", seconds = 2.5 }\n'
        '[services.api.container]\nbuild = "images/api"\ndockerfile = "Prod.Dockerfile"\nroot = "/srv"\n'
    ),
    "a task, secrets, routes and variables": (
        "[services.migrate]\ncommand = ['${bin.python}', '-m', 'shop']\ntask = true\n"
        "env = { DATABASE_URL = '${postgres.url}' }\n" + API + "needs = ['migrate']\nroute = '/api/*'\n"
        "watch = ['shop/**/*.py', 'settings.toml']\n"
        "env = { DB = '${postgres.url}', N = '${nats.url}', K = '${env.KEY:-n$o}', D = '${data}',"
        " P = '1$$' }\n"
        "ready = { http = '/health', contains = 'ok', status = [200, 299] }\n"
    ),
    "two instances of a kind, and an optional reference": (
        "use = ['cache', 'valkey', 'api']\n[services.cache]\nkind = 'valkey'\nport = 6390\n"
        + API
        + "env = { CACHE = '${cache.url}', N = '${nats.url?}' }\n"
    ),
    "with an image": "use = ['search']\n" + SEARCH,
    "only in production": (
        "use = ['valkey']\n[environment.production]\nuse = ['valkey', 'caddy']\n" + API + "route = '/'\n"
    ),
}


def engine(**more: Any) -> Compose:
    return Compose(**{"project": "shop", "requirements": "requirements.txt", **more})


def run(argv: list[str], cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)


def read(text: str) -> Any:
    """Parse YAML, with libyaml if it is installed, because libyaml is ten times as fast."""
    return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def plans(project: Project) -> list[Plan]:
    return [
        project.resolve(environment=environment, variables_required=False).plan
        for environment in ENVIRONMENTS
    ]


def render(project: Project, text: str, **more: Any) -> Mapping[str, str]:
    project.write(text)
    return engine(**more).render_environments(plans(project))


def complete(project: Project, text: str, environment: str = "development", **more: Any) -> dict[str, Any]:
    """Return the single file of an environment, parsed."""
    project.write(text)
    plan = project.resolve(environment=environment, variables_required=False).plan
    return read(engine(**more).render(plan)["compose.yaml"])


def error_of(
    project: Project, text: str, environment: str = "development", **more: Any
) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        complete(project, text, environment, **more)
    return caught.value


def merged(base: Any, over: Any) -> Any:
    """Merge as Compose does: tables by key, lists concatenated, commands replaced."""
    if not isinstance(base, dict) or not isinstance(over, dict):
        return over
    result = dict(base)
    for key, value in over.items():
        if isinstance(value, list) and isinstance(base.get(key), list) and key not in REPLACED:
            result[key] = [*base[key], *value]
        else:
            result[key] = merged(base[key], value) if key in base else value
    return result


# --- every stack -----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """A stack as Compose files."""

    project: Project
    plans: list[Plan]
    #: the base and the overlays
    files: Mapping[str, str]
    #: environment → its single file, parsed
    documents: Mapping[str, Any]


@pytest.fixture(scope="module", params=sample([*STACKS]))
def rendered(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rendered]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        project = empty_project(tmp_path_factory.mktemp("rendered"), monkeypatch)
        files = render(project, STACKS[request.param])
        resolved = plans(project)
        documents = {plan.environment: read(engine().render(plan)["compose.yaml"]) for plan in resolved}
        yield Rendered(project=project, plans=resolved, files=files, documents=documents)


def test_base_and_overlay_are_valid_and_merge_to_the_complete_file(rendered: Rendered) -> None:
    base = read(rendered.files["compose.yaml"])
    SCHEMA.validate(base)

    for environment, whole in rendered.documents.items():
        over = read(rendered.files[f"compose.{environment}.yaml"]) or {}
        assert merged(base, over) == whole
        SCHEMA.validate(whole)
        SCHEMA.validate(over)


def test_the_schema_detects_a_misspelled_key() -> None:
    assert SCHEMA.is_valid({"services": {"api": {"image": "api:1"}}})
    assert not SCHEMA.is_valid({"services": {"api": {"image": "api:1", "helthcheck": {}}}})


def test_the_same_stack_gives_the_same_bytes(rendered: Rendered) -> None:
    assert engine().render_environments(plans(rendered.project)) == rendered.files


def test_no_file_has_a_path_of_this_machine_or_an_argument_of_the_local_engine(rendered: Rendered) -> None:
    text = "".join(rendered.files.values())

    assert str(rendered.project.root) not in text
    assert "initdb --" not in text
    assert not [word for word in ("bin.", "/cluster", "${host}", "${data}", ".sock,") if word in text]
    assert all(file.startswith(FIRST_LINE) for file in rendered.files.values())


def test_a_file_defines_everything_that_it_refers_to(rendered: Rendered) -> None:
    for document in rendered.documents.values():
        services = document["services"].values()
        volumes = {
            volume["source"]
            for service in services
            for volume in service.get("volumes", [])
            if volume["type"] == "volume"
        }
        assert volumes == set(document.get("volumes", {}))
        assert {name for service in services for name in service.get("secrets", [])} == set(
            document.get("secrets", {})
        )
        configs = {config["source"] for service in services for config in service.get("configs", [])}
        assert configs == set(document.get("configs", {}))
        needs = {name for service in services for name in service.get("depends_on", {})}
        assert needs <= set(document["services"])


@pytest.mark.process
@pytest.mark.parametrize("text", STACKS.values(), ids=STACKS)
def test_docker_compose_reads_the_exported_file(project: Project, text: str) -> None:
    docker = shutil.which("docker")
    if not docker or run([docker, "compose", "version"]).returncode:
        pytest.skip("the plugin `docker compose` is not installed")
    folder = project.root / "compose"
    folder.mkdir()
    for name, content in render(project, text).items():
        (folder / name).write_text(content)
    (folder / "secrets").mkdir()
    for name in engine().secrets(plans(project)):
        (folder / "secrets" / name).write_text("secret")
    for environment in ENVIRONMENTS:
        files = ["-f", "compose.yaml", "-f", f"compose.{environment}.yaml"]
        answer = run(
            [docker, "compose", *files, "config", "-q"],
            cwd=folder,
        )
        assert answer.returncode == 0, answer.stderr


def test_compose_implements_the_engine_protocol() -> None:
    compose: Engine = engine()

    assert compose.name == "compose"


# --- the services of the kit -----------------------------------------------------------------------


def test_postgres_reads_its_password_from_a_file(project: Project) -> None:
    document = complete(project, "use = ['postgres']")
    service = document["services"]["postgres"]

    assert service["environment"]["POSTGRES_PASSWORD_FILE"] == "/run/secrets/postgres-password"
    assert service["secrets"] == ["postgres-password"]
    assert document["secrets"] == {"postgres-password": {"file": "./secrets/postgres-password"}}
    assert service["healthcheck"]["test"][:2] == ["CMD", "pg_isready"]


@pytest.mark.parametrize(
    ("version", "target"), [(17, "/var/lib/postgresql/data"), (18, "/var/lib/postgresql")]
)
def test_the_volume_of_postgres_is_mounted_at_the_data_folder_of_its_image(
    project: Project, version: int, target: str
) -> None:
    service = complete(project, f"use = ['postgres']\n[services.postgres]\nversion = {version}\n")[
        "services"
    ]["postgres"]

    assert service["volumes"] == [{"type": "volume", "source": "postgres-data", "target": target}]
    assert service["image"].startswith(f"postgres:{version}.")


def test_a_locale_that_the_image_does_not_have_is_an_error(project: Project) -> None:
    text = "use = ['postgres']\n[services.postgres]\nlocale = 'de_DE.UTF-8'\n"

    assert "the official image does not have the locale 'de_DE.UTF-8'" in str(error_of(project, text))
    assert complete(project, f"{text}image = 'mirror.example/postgres:18-de'\n")


def test_a_kind_without_an_image_is_left_out_with_a_note(project: Project) -> None:
    files = render(project, "")

    assert "# Not exported, because its kind has no container image: pocketbase" in files["compose.yaml"]
    assert "pocketbase" not in read(files["compose.yaml"])["services"]
    assert engine().notes(plans(project)) == ["pocketbase is not exported: its kind has no container image."]


def test_a_folder_that_caddy_serves_is_mounted(project: Project) -> None:
    text = "use = ['caddy']\n[services.caddy]\nroutes = [{ files = 'public' }]\n"
    document = complete(project, text, folders=Folders(project="../..", output="deploy/compose"))
    mount = document["services"]["caddy"]["volumes"][1]

    assert (mount["source"], mount["target"], mount["read_only"]) == ("../../public", "/srv/public", True)
    assert '"root": "/srv/public"' in document["configs"]["caddy-caddy.json"]["content"]


def test_files_with_equal_names_in_different_folders_are_different_configs(project: Project) -> None:
    document = complete(project, "use = ['grafana']\n")

    files = {
        config["target"]: document["configs"][config["source"]]["content"]
        for config in document["services"]["grafana"]["configs"]
    }
    assert "datasources" in json.loads(files["/etc/grafana/infra/datasources/infra.yaml"])
    assert "providers" in json.loads(files["/etc/grafana/infra/dashboards/infra.yaml"])


def test_the_password_of_the_accounts_for_tests_is_in_a_secret(project: Project) -> None:
    text = "use = ['nats', 'api']\n" + API + "env = { P = '${nats.account_password}' }\n"
    document = complete(project, text, "test")

    content = document["configs"]["nats-nats-server.conf"]["content"]
    assert '"password": $$INFRA_ACCOUNTS_PASSWORD' in content
    assert document["secrets"] == {"nats-accounts": {"file": "./secrets/nats-accounts"}}
    assert document["services"]["nats"]["secrets"] == document["services"]["api"]["secrets"]


def test_a_server_without_accounts_for_tests_needs_no_secret(project: Project) -> None:
    assert "secrets" not in complete(project, "use = ['nats']", "development")


# --- order, ports, secrets -------------------------------------------------------------------------


def test_the_condition_of_a_dependency_depends_on_the_needed_service(project: Project) -> None:
    document = complete(project, STACKS["a task, secrets, routes and variables"])["services"]

    assert document["api"]["depends_on"] == {
        "migrate": {"condition": "service_completed_successfully"},
        "nats": {"condition": "service_healthy"},
        "postgres": {"condition": "service_healthy"},
    }
    assert document["caddy"]["depends_on"] == {"api": {"condition": "service_healthy"}}
    assert document["migrate"]["restart"] == "no"
    assert "healthcheck" not in document["migrate"]


def test_ports_are_published_locally_and_in_production_for_public_services_only(project: Project) -> None:
    text = "use = ['postgres', 'caddy']"
    ports = {
        environment: {
            name: service.get("ports")
            for name, service in complete(project, text, environment)["services"].items()
        }
        for environment in ENVIRONMENTS
    }

    fixed = {"published": "5432", "host_ip": "127.0.0.1", "protocol": "tcp"}
    assert ports["development"]["postgres"] == [{"target": 5432, **fixed}]
    assert ports["test"]["postgres"] == [{"target": 5432, "host_ip": "127.0.0.1", "protocol": "tcp"}]
    assert ports["production"]["postgres"] is None
    assert ports["production"]["caddy"][0] == {"target": 80, "published": "80", "protocol": "tcp"}


def test_a_stack_without_a_public_service_is_noted(project: Project) -> None:
    project.write("use = ['valkey']")

    notes = engine().notes(plans(project))
    assert [note for note in notes if "No port is published in production" in note]


@pytest.mark.process
def test_a_secret_is_read_from_its_file_and_is_not_in_the_yaml(project: Project, tmp_path: Path) -> None:
    """The test runs the script with the secret's file in another folder."""
    document = complete(project, STACKS["a task, secrets, routes and variables"])
    service = document["services"]["migrate"]
    shell, option, script, name = service["entrypoint"]
    (tmp_path / "postgres-password").write_text("s3cr$t'x\n")
    script = script.replace("$$", "$").replace("/run/secrets", str(tmp_path))
    show = [sys.executable, "-c", "import os; print(os.environ['DATABASE_URL'])"]

    answer = run([shell, option, script, name, *show])

    assert answer.stdout == "postgresql://postgres:s3cr$t'x@postgres:5432/postgres\n"
    assert service["secrets"] == ["postgres-password"]
    assert "DATABASE_URL" not in service["environment"]


@pytest.mark.parametrize(
    ("kind", "variable", "program"),
    [
        ("pgbouncer", "DB_PASSWORD", ["/entrypoint.sh", "/usr/bin/pgbouncer"]),
        ("postgres-exporter", "DATA_SOURCE_PASS", ["/bin/postgres_exporter"]),
    ],
)
def test_the_script_that_reads_a_secret_runs_the_entry_point_of_the_image(
    project: Project, kind: str, variable: str, program: list[str]
) -> None:
    service = complete(project, f"use = ['{kind}']")["services"][kind]
    shell, _, script, _, *entrypoint = service["entrypoint"]

    assert (shell, script.splitlines()[-1]) == ("/bin/sh", 'exec "$$@"')
    assert f'{variable}="$$(cat /run/secrets/postgres-password)"' in script
    assert [*entrypoint, *service["command"]][: len(program)] == program


@pytest.mark.process
def test_a_program_does_not_start_without_its_secret(project: Project, tmp_path: Path) -> None:
    shell, option, script, name = complete(project, STACKS["a task, secrets, routes and variables"])[
        "services"
    ]["migrate"]["entrypoint"]
    script = script.replace("$$", "$").replace("/run/secrets", str(tmp_path / "absent"))

    answer = run([shell, option, script, name, "echo", "started"])

    assert answer.returncode != 0
    assert "started" not in answer.stdout


def test_compose_reads_variables_and_a_dollar_is_escaped(project: Project) -> None:
    api = complete(project, STACKS["a task, secrets, routes and variables"])["services"]["api"]
    text = "use = ['api']\n" + API + "env = { A = '${env.MUST_BE_SET}' }\n"

    assert api["environment"]["K"] == "${KEY:-n$$o}"
    assert api["environment"]["P"] == "1$$"
    assert complete(project, text)["services"]["api"]["environment"]["A"].startswith("${MUST_BE_SET:?")


@pytest.mark.parametrize(
    ("env", "problem"),
    [
        ("{ A = '${postgres.socket_url}' }", "path inside another container"),
        ("{ A = '${caddy.root_certificate}' }", "path inside another container"),
        ("{ A = '${caddy.https_url}' }", "localhost is the container itself"),
        ("{ A = '${pocketbase.url}' }", "pocketbase has no container image"),
        ("{ A = '${postgres.password} ${env.B}' }", "contains a secret and a reference"),
        ("{ 'a-b' = '${postgres.password}' }", "a shell cannot set a variable with this name"),
    ],
)
def test_a_reference_without_a_value_in_a_container_is_an_error(
    project: Project, env: str, problem: str
) -> None:
    error = error_of(project, f"use = ['api']\n{API}env = {env}\n[services.caddy]\nhttps = true\n")

    assert problem in str(error)
    assert error.where.startswith("services.api.env.")


def test_a_secret_in_a_command_is_an_error(project: Project) -> None:
    text = "use = ['api']\n[services.api]\ncommand = ['run', '--password', '${postgres.password}']\n"
    error = error_of(project, text)

    assert "which only `env` can contain" in str(error)
    assert error.where == "services.api.command"


def test_an_optional_reference_has_the_value_or_is_empty() -> None:
    server = ServiceSpec(
        name="traces", command=(), ports={"main": 4317}, exports={"url": "http://${host}:${port.main}"},
        container=Container(image="traces:1"),
    )  # fmt: skip
    api = ServiceSpec(
        name="api",
        command=("api",),
        container=Container(image="api:1", entrypoint=(), command=("api",), env={"TRACES": "${traces.url?}"}),
    )

    def environment(*services: ServiceSpec) -> str:
        plan = Plan(environment="test", root="/", services=services)
        return read(engine().render(plan)["compose.yaml"])["services"]["api"]["environment"]["TRACES"]

    assert environment(server, api) == "http://traces:4317"
    assert environment(replace(server, container=None), api) == ""


def test_two_instances_of_a_kind_are_two_services(project: Project) -> None:
    document = complete(project, STACKS["two instances of a kind, and an optional reference"])

    assert set(document["services"]) == {"cache", "valkey", "api"}
    assert set(document["volumes"]) == {"cache-data", "valkey-data"}
    assert document["services"]["cache"]["ports"][0]["published"] == "6390"
    assert document["services"]["api"]["environment"]["CACHE"] == "redis://cache:6379/0"
    assert document["services"]["api"]["environment"]["N"] == ""
    assert list(document["services"]["api"]["depends_on"]) == ["cache"]


def test_a_name_becomes_a_valid_host_name() -> None:
    assert host_name("my_api") == "my-api"
    assert len(host_name("a" * 80)) == 63
    assert host_name("a" * 80) != host_name("a" * 81)


def test_different_names_have_different_host_names(project: Project) -> None:
    text = "use = ['a-b', 'a_b']\n" + "".join(
        f"[services.{name}]\ncommand = ['run']\nports = {{ http = {port} }}\n"
        for name, port in (("a-b", 1), ("a_b", 2))
    )

    names = list(complete(project, text)["services"])
    assert names[0] == "a-b"
    assert names[1].startswith("a-b-")


# --- a user's own services -------------------------------------------------------------------------


def test_without_an_image_a_dockerfile_is_generated(project: Project) -> None:
    files = render(project, "use = ['api']\n" + API)

    assert "FROM python:3." in files["Dockerfile"]
    assert "requirements.txt" in files["Dockerfile"]
    assert "compose/secrets" in files["Dockerfile.dockerignore"].splitlines()
    api = read(files["compose.yaml"])["services"]["api"]
    assert api["build"] == {"context": "..", "dockerfile": "compose/Dockerfile"}


@pytest.mark.parametrize("image", ["A B:x y", "acme/api:${env.TAG}", "acme/Api"])
def test_a_name_that_is_not_the_name_of_an_image_is_an_error(project: Project, image: str) -> None:
    text = f"use = ['api']\n[services.api]\ncommand = ['run']\ncontainer.image = '{image}'\n"

    assert "is not the name of an image" in error_of(project, text).message


@pytest.mark.parametrize(
    "image",
    [
        "acme/api",
        f"acme/api@sha256:{'a' * 64}",
        f"reg:5000/acme/api:1@sha512:{'a' * 128}",
        "[::1]:5000/api:1",
    ],
)
def test_the_name_of_an_image_is_kept(project: Project, image: str) -> None:
    text = f"use = ['api']\n[services.api]\ncommand = ['run']\ncontainer.image = '{image}'\n"

    assert complete(project, text)["services"]["api"]["image"] == image


def test_a_service_without_an_image_and_without_requirements_is_an_error(project: Project) -> None:
    error = error_of(project, "use = ['api']\n" + API, requirements="")

    assert "api has no image, and a Dockerfile cannot be generated" in str(error)
    assert "[services.api.container]" in error.hint


@pytest.mark.parametrize(
    ("ready", "container", "problem"),
    [
        ("{ http = '/' }", "", "the image contains no known program for HTTP requests"),
        ("{ tcp = true }", "", "the image contains no known program for TCP connections"),
        ("{ tcp = true }", "health_client = 'curl'\n", "for TCP connections (curl cannot be used)"),
        ("{ http = '/', contains = 'x' }", "health_client = 'wget'\n", "wget supports neither"),
        (
            "{ postgres = true }",
            "health_client = 'python'\n",
            "no program for the probe PostgresProbe is known",
        ),
    ],
)
def test_a_probe_without_a_command_in_the_image_is_an_error(
    project: Project, ready: str, container: str, problem: str
) -> None:
    error = error_of(project, f"use = ['api']\n{API}ready = {ready}\n{IMAGE}{container}")

    assert problem in str(error)
    assert error.where == "services.api.ready"


def test_a_health_command_of_the_stack_file_is_not_changed(project: Project) -> None:
    text = f"use = ['api']\n{API}ready = {{ postgres = true }}\n{IMAGE}health = ['ask', '${{port.http}}']\n"

    assert complete(project, text)["services"]["api"]["healthcheck"]["test"] == ["CMD", "ask", "8000"]


def test_a_service_with_an_image_keeps_its_image_and_settings(project: Project) -> None:
    text = "use = ['search', 'reader']\n" + SEARCH
    text += "[services.reader]\nimage = 'acme/reader'\nnetwork = 'host'\nentrypoint = '/bin/read'\n"
    text += "command = ['--follow']\nenv = { URL = '${search.url}' }\n"

    services = complete(project, text)["services"]

    assert services["search"] == {
        "image": "ghcr.io/acme/search:1.2",
        "working_dir": "/srv",
        "user": "1000",
        "environment": {"INFRA_ENV": "development", "LISTEN": "0.0.0.0:80"},
        "ports": [{"target": 80, "published": "9200", "host_ip": "127.0.0.1", "protocol": "tcp"}],
        "volumes": [
            {"type": "volume", "source": "search-data", "target": "/var/lib/search"},
            {
                "type": "bind",
                "source": "../config/search.yml",
                "target": "/etc/search.yml",
                "read_only": True,
                "bind": {"create_host_path": False},
            },
        ],
        "healthcheck": services["search"]["healthcheck"],
        "restart": "on-failure",
        "stop_signal": "SIGTERM",
        "stop_grace_period": "10s",
    }
    assert services["search"]["healthcheck"]["test"] == ["CMD", "search", "ping"]
    assert services["reader"]["environment"]["URL"] == "http://search:80"
    assert (services["reader"]["entrypoint"], services["reader"]["command"]) == (["/bin/read"], ["--follow"])


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('options = ["--memory=64m"]', "the key `options` contains options of the local"),
        ('volumes = { "/a" = "${data}/a" }', "only one volume with the path ${data}"),
        ('volumes = { "/a" = { path = "a", writable = true } }', "a volume that is writable"),
        ('volumes = { "/a" = { path = "/a", outside = true } }', "outside of the project"),
    ],
)
def test_a_setting_of_an_image_that_compose_cannot_have_is_an_error(
    project: Project, line: str, problem: str
) -> None:
    error = error_of(project, f"use = ['search']\n[services.search]\nimage = 'a/b:1'\n{line}\n")

    assert problem in error.message
    assert error.where == "services.search.container"


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("image = 'a:1'\nbuild = '.'\n", "must have either `image`, or `build`"),
        ("health = ['a']\nhealth_client = 'curl'\n", "set only one of `health` (a whole command)"),
        ("root = 'app'\n", "in the image, should be an absolute path"),
    ],
)
def test_a_contradictory_container_table_is_reported(project: Project, table: str, problem: str) -> None:
    project.write(f"use = ['api']\n{API}[services.api.container]\n{table}")

    assert problem in project.error()


def test_changed_files_are_synchronised_in_development_only(project: Project) -> None:
    text = STACKS["a task, secrets, routes and variables"]
    watch = complete(project, text)["services"]["api"]["develop"]["watch"]

    assert watch[0] == {
        "path": "../shop", "action": "sync+restart", "target": "/app/shop", "include": ["**/*.py"],
    }  # fmt: skip
    assert watch[1] == {"path": "../settings.toml", "action": "sync+restart", "target": "/app/settings.toml"}
    assert "develop" not in complete(project, text, "production")["services"]["api"]


def test_a_command_that_listens_on_loopback_is_noted(project: Project) -> None:
    project.write("use = ['api']\n[services.api]\ncommand = ['serve', '--host', '127.0.0.1']\n")

    assert [
        note for note in engine().notes(plans(project)) if "127.0.0.1, which is the container itself" in note
    ]


# --- health checks from probes, which the tests run -------------------------------------------------


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status = int(self.path.strip("/"))
        self.send_response(status)
        self.send_header("Location", "http://192.0.2.1/")
        self.end_headers()
        self.wfile.write(self.headers.get("X-Word", "nothing").encode())

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def check(probe: HttpProbe | TcpProbe, port: int, client: str) -> list[str]:
    """Return the command of the health check for a service on that port."""
    spec = ServiceSpec(
        name="api", command=(), ports={"http": port}, ready=probe,
        container=Container(image="api:1", entrypoint=(), health_client=client),
    )  # fmt: skip
    plan = Plan(environment="test", root="/", services=(spec,))
    model = read(engine().render(plan)["compose.yaml"])
    mark, *argv = [word.replace("$$", "$") for word in model["services"]["api"]["healthcheck"]["test"]]
    assert mark == "CMD"
    return [sys.executable if argv[0] == "python" else argv[0], *argv[1:]]


def succeeds(argv: list[str]) -> bool:
    return run(argv).returncode == 0


@pytest.mark.process
@pytest.mark.parametrize("client", ["python", "curl", "wget"])
def test_an_http_check_has_the_result_of_the_probe(port: int, client: str) -> None:
    if client != "python" and not shutil.which(client):
        pytest.skip(f"{client} is not installed")

    assert succeeds(check(HttpProbe(port="http", path="/200"), port, client))
    assert not succeeds(check(HttpProbe(port="http", path="/503"), port, client))


@pytest.mark.process
def test_python_checks_status_headers_and_body(port: int) -> None:
    def checked(path: str, **more: Any) -> bool:
        return succeeds(check(HttpProbe(port="http", path=path, **more), port, "python"))

    assert checked("/302")
    assert not checked("/302", status=(200, 299))
    assert checked("/404", status=(404, 404))
    assert checked("/200", headers={"X-Word": 'it\'s $"fine"'}, contains='it\'s $"fine"')
    assert not checked("/200", contains="fine")


@pytest.mark.process
def test_a_tcp_check_succeeds_if_the_port_accepts_a_connection(port: int) -> None:
    assert succeeds(check(TcpProbe(port="http"), port, "python"))
    assert not succeeds(check(TcpProbe(port="http"), 1, "python"))


# --- YAML ------------------------------------------------------------------------------------------

scalars = st.text(max_size=30) | st.booleans() | st.integers() | st.none() | st.sampled_from(
    ["y", "no", "1e3", "0o17", "~", "null", "=", "<<", "2001-01-01", "a: b", "- a", "# a", "a\nb", "a\n\n"]
)  # fmt: skip
keys = st.text(min_size=1, max_size=10) | st.sampled_from(["y", "on", "1e3", "null"])
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3)
)
documents = st.dictionaries(keys, values)


@given(documents)
def test_a_document_is_the_same_after_writing_and_reading(document: dict[str, Any]) -> None:
    assert (yaml.safe_load(dump(document)) or {}) == document
