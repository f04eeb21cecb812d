"""A plan as Compose files: valid, complete, the same every time, and never wrong in silence."""

from __future__ import annotations

import http.server
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fakes.project import Project
from infra_runtime.config.request import ENVIRONMENTS
from infra_runtime.engines.compose import FIRST_LINE, Compose, Folders
from infra_runtime.engines.compose.references import host_name
from infra_runtime.engines.compose.yaml_text import dump
from infra_runtime.engines.protocol import Engine
from infra_runtime.errors import ConfigurationError
from infra_runtime.plan import Plan
from infra_runtime.spec import Container, HttpProbe, ServiceSpec, TcpProbe

#: the schema says "draft-07" in a spelling that jsonschema does not look up
SCHEMA = jsonschema.Draft7Validator(
    json.loads((Path(__file__).parent / "compose-spec.json").read_text("utf-8"))
)
#: attributes whose lists an overlay replaces. Source: Compose Specification, "Merge", "Shell commands"
REPLACED = {"command", "entrypoint", "test"}
OWN = """\
[services.api]
command = ["${bin.uvicorn}", "shop:app", "--host", "${host}", "--port", "${port.http}"]
ports = { http = 8000 }
"""
IMAGE = '[services.api.container]\nimage = "registry.example/shop/api:1.2"\n'
STACKS = {
    "the default stack": "",
    "HTTPS, files and a host": (
        "[services.caddy]\nhttps = true\nroutes = [{ files = 'public' },"
        " { path = '/db/*', host = 'db.example', to = '192.0.2.1:80' }]\n"
    ),
    "settings of every kind": (
        "use = ['postgres', 'nats', 'valkey', 'caddy']\n"
        "[services.postgres]\nport = 5433\nversion = 16\nenv = { TZ = 'UTC' }\n"
        "options = { work_mem = '8MB' }\n"
        "[services.nats.options]\nmax_payload = 1024\n[services.valkey]\ndurable = false\n"
    ),
    "a service of one's own, generated": "use = ['api']\n" + OWN,
    "in a named image": (
        "use = ['api']\n" + OWN + 'ready = { http = "/health" }\n' + IMAGE + 'health_client = "curl"\n'
    ),
    "from a Dockerfile": (
        "use = ['api']\n"
        + OWN
        + 'ready = { exec = ["${bin.check}", "--fast"] }\nstop = { signal = "INT", seconds = 2.5 }\n'
        '[services.api.container]\nbuild = "images/api"\ndockerfile = "Prod.Dockerfile"\nroot = "/srv"\n'
    ),
    "a task, secrets, routes and variables": (
        "[services.migrate]\ncommand = ['${bin.python}', '-m', 'shop']\ntask = true\n"
        "env = { DATABASE_URL = '${postgres.url}' }\n" + OWN + "needs = ['migrate']\nroute = '/api/*'\n"
        "watch = ['shop/**/*.py', 'settings.toml']\n"
        "env = { DB = '${postgres.url}', N = '${nats.url}', K = '${env.KEY:-n$o}', D = '${data}',"
        " P = '1$$' }\n"
        "ready = { http = '/health', contains = 'ok', status = [200, 299] }\n"
    ),
    "two instances of a kind, and an optional reference": (
        "use = ['cache', 'valkey', 'api']\n[services.cache]\nkind = 'valkey'\nport = 6390\n"
        + OWN
        + "env = { CACHE = '${cache.url}', N = '${nats.url?}' }\n"
    ),
    "only in production": (
        "use = ['valkey']\n[environment.production]\nuse = ['valkey', 'caddy']\n" + OWN + "route = '/'\n"
    ),
}
stacks = pytest.mark.parametrize("text", STACKS.values(), ids=STACKS)


def engine(**more: Any) -> Compose:
    return Compose(**{"project": "shop", "requirements": "requirements.txt", **more})


def run(argv: list[str], cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


def plans(project: Project) -> list[Plan]:
    return [
        project.resolve(environment=environment, variables_required=False).plan
        for environment in ENVIRONMENTS
    ]


def render(project: Project, text: str, **more: Any) -> Mapping[str, str]:
    project.write(text)
    return engine(**more).render_environments(plans(project))


def complete(project: Project, text: str, environment: str = "development", **more: Any) -> dict[str, Any]:
    """Return the one file of an environment, parsed."""
    project.write(text)
    plan = project.resolve(environment=environment, variables_required=False).plan
    return yaml.safe_load(engine(**more).render(plan)["compose.yaml"])


def refusal(project: Project, text: str, environment: str = "development", **more: Any) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        complete(project, text, environment, **more)
    return caught.value


def merged(base: Any, over: Any) -> Any:
    """Merge as Compose does: tables by key, lists one behind the other, commands replaced."""
    if not isinstance(base, dict) or not isinstance(over, dict):
        return over
    found = dict(base)
    for key, value in over.items():
        if isinstance(value, list) and isinstance(base.get(key), list) and key not in REPLACED:
            found[key] = [*base[key], *value]
        else:
            found[key] = merged(base[key], value) if key in base else value
    return found


# --- every stack -----------------------------------------------------------------------------------


@stacks
def test_base_and_overlay_are_valid_and_together_the_whole(project: Project, text: str) -> None:
    files = render(project, text)
    base = yaml.safe_load(files["compose.yaml"])

    for plan in plans(project):
        over = yaml.safe_load(files[f"compose.{plan.environment}.yaml"]) or {}
        whole = yaml.safe_load(engine().render(plan)["compose.yaml"])
        assert merged(base, over) == whole
        SCHEMA.validate(whole)
        SCHEMA.validate(base)
        SCHEMA.validate(over)


def test_the_schema_that_judges_here_finds_a_misspelt_key() -> None:
    assert SCHEMA.is_valid({"services": {"api": {"image": "api:1"}}})
    assert not SCHEMA.is_valid({"services": {"api": {"image": "api:1", "helthcheck": {}}}})


@stacks
def test_the_same_plan_gives_the_same_bytes(project: Project, text: str) -> None:
    assert render(project, text) == render(project, text)


@stacks
def test_no_file_has_a_path_of_this_machine_or_an_argument_of_the_local_engine(
    project: Project, text: str
) -> None:
    rendered = "".join(render(project, text).values())

    assert str(project.root) not in rendered
    assert "initdb --" not in rendered
    assert not [word for word in ("bin.", "/cluster", "${host}", "${data}", ".sock,") if word in rendered]
    assert all(file.startswith(FIRST_LINE) for file in render(project, text).values())


@stacks
def test_what_a_file_refers_to_is_in_it(project: Project, text: str) -> None:
    for plan in plans(project):
        project.write(text)
        found = yaml.safe_load(engine().render(plan)["compose.yaml"])
        services = found["services"].values()
        volumes = {
            it["source"]
            for service in services
            for it in service.get("volumes", [])
            if it["type"] == "volume"
        }
        assert volumes == set(found.get("volumes", {}))
        assert {name for service in services for name in service.get("secrets", [])} == set(
            found.get("secrets", {})
        )
        configs = {it["source"] for service in services for it in service.get("configs", [])}
        assert configs == set(found.get("configs", {}))
        needs = {name for service in services for name in service.get("depends_on", {})}
        assert needs <= set(found["services"])


@pytest.mark.process
@stacks
def test_docker_compose_reads_it(project: Project, text: str) -> None:
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


def test_the_engine_has_the_form_of_an_engine() -> None:
    found: Engine = engine()

    assert found.name == "compose"


# --- the services of the kit -----------------------------------------------------------------------


def test_postgres_reads_its_password_from_a_file(project: Project) -> None:
    found = complete(project, "use = ['postgres']")
    service = found["services"]["postgres"]

    assert service["environment"]["POSTGRES_PASSWORD_FILE"] == "/run/secrets/postgres-password"
    assert service["secrets"] == ["postgres-password"]
    assert found["secrets"] == {"postgres-password": {"file": "./secrets/postgres-password"}}
    assert service["healthcheck"]["test"][:2] == ["CMD", "pg_isready"]


@pytest.mark.parametrize(
    ("version", "target"), [(17, "/var/lib/postgresql/data"), (18, "/var/lib/postgresql")]
)
def test_the_volume_of_postgres_is_where_its_image_keeps_the_cluster(
    project: Project, version: int, target: str
) -> None:
    service = complete(project, f"use = ['postgres']\n[services.postgres]\nversion = {version}\n")[
        "services"
    ]["postgres"]

    assert service["volumes"] == [{"type": "volume", "source": "postgres-data", "target": target}]
    assert service["image"].startswith(f"postgres:{version}.")


def test_a_locale_that_the_image_does_not_have_is_refused(project: Project) -> None:
    text = "use = ['postgres']\n[services.postgres]\nlocale = 'de_DE.UTF-8'\n"

    assert "the official image does not have the locale 'de_DE.UTF-8'" in str(refusal(project, text))
    assert complete(project, f"{text}image = 'mirror.example/postgres:18-de'\n")


def test_a_kind_without_an_image_is_left_out_with_a_note(project: Project) -> None:
    files = render(project, "")

    assert "# Left out, as its kind has no container image: pocketbase" in files["compose.yaml"]
    assert "pocketbase" not in yaml.safe_load(files["compose.yaml"])["services"]
    assert engine().notes(plans(project)) == ["pocketbase is left out: its kind has no container image."]


def test_a_folder_that_caddy_serves_is_mounted(project: Project) -> None:
    text = "use = ['caddy']\n[services.caddy]\nroutes = [{ files = 'public' }]\n"
    found = complete(project, text, folders=Folders(project="../..", output="deploy/compose"))
    mount = found["services"]["caddy"]["volumes"][1]

    assert (mount["source"], mount["target"], mount["read_only"]) == ("../../public", "/srv/public", True)
    assert '"root": "/srv/public"' in found["configs"]["caddy-caddy.json"]["content"]


def test_the_accounts_of_tests_are_not_exported(project: Project) -> None:
    found = complete(project, "use = ['nats']", "test")

    assert "accounts" not in found["configs"]["nats-nats-server.conf"]["content"]
    text = "use = ['api']\n" + OWN + "env = { P = '${nats.account_password}' }\n"
    assert "does not use this secret" in str(refusal(project, text, "test"))


# --- order, ports, secrets -------------------------------------------------------------------------


def test_a_need_is_waited_for_as_its_kind_demands(project: Project) -> None:
    found = complete(project, STACKS["a task, secrets, routes and variables"])["services"]

    assert found["api"]["depends_on"] == {
        "migrate": {"condition": "service_completed_successfully"},
        "nats": {"condition": "service_healthy"},
        "postgres": {"condition": "service_healthy"},
    }
    assert found["caddy"]["depends_on"] == {"api": {"condition": "service_healthy"}}
    assert found["migrate"]["restart"] == "no"
    assert "healthcheck" not in found["migrate"]


def test_ports_are_for_this_machine_and_in_production_for_public_services_alone(project: Project) -> None:
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
def test_a_secret_reaches_a_program_by_its_file_and_never_by_the_yaml(
    project: Project, tmp_path: Path
) -> None:
    """The script is run here, with the secret's file in another place."""
    found = complete(project, STACKS["a task, secrets, routes and variables"])
    service = found["services"]["migrate"]
    shell, option, script, name = service["entrypoint"]
    (tmp_path / "postgres-password").write_text("s3cr$t'x\n")
    script = script.replace("$$", "$").replace("/run/secrets", str(tmp_path))
    show = [sys.executable, "-c", "import os; print(os.environ['DATABASE_URL'])"]

    answer = run([shell, option, script, name, *show])

    assert answer.stdout == "postgresql://postgres:s3cr$t'x@postgres:5432/postgres\n"
    assert service["secrets"] == ["postgres-password"]
    assert "DATABASE_URL" not in service["environment"]


@pytest.mark.process
def test_a_program_does_not_start_without_its_secret(project: Project, tmp_path: Path) -> None:
    shell, option, script, name = complete(project, STACKS["a task, secrets, routes and variables"])[
        "services"
    ]["migrate"]["entrypoint"]
    script = script.replace("$$", "$").replace("/run/secrets", str(tmp_path / "absent"))

    answer = run([shell, option, script, name, "echo", "started"])

    assert answer.returncode != 0
    assert "started" not in answer.stdout


def test_a_variable_is_left_to_compose_and_a_dollar_stays_a_dollar(project: Project) -> None:
    api = complete(project, STACKS["a task, secrets, routes and variables"])["services"]["api"]
    text = "use = ['api']\n" + OWN + "env = { A = '${env.MUST_BE_SET}' }\n"

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
        ("{ A = '${postgres.password} ${env.B}' }", "both a secret and a"),
        ("{ 'a-b' = '${postgres.password}' }", "no shell can assign that name"),
    ],
)
def test_a_reference_that_means_nothing_in_a_container_is_refused(
    project: Project, env: str, problem: str
) -> None:
    error = refusal(project, f"use = ['api']\n{OWN}env = {env}\n[services.caddy]\nhttps = true\n")

    assert problem in str(error)
    assert error.where.startswith("services.api.env.")


def test_a_secret_in_a_command_is_refused_for_all_can_see_it(project: Project) -> None:
    text = "use = ['api']\n[services.api]\ncommand = ['run', '--password', '${postgres.password}']\n"
    error = refusal(project, text)

    assert "only `env` can hold one" in str(error)
    assert error.where == "services.api.command"


def test_an_optional_reference_is_its_value_or_empty() -> None:
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
        plan = Plan(environment="test", root="/", ports="leased", services=services)
        return yaml.safe_load(engine().render(plan)["compose.yaml"])["services"]["api"]["environment"][
            "TRACES"
        ]

    assert environment(server, api) == "http://traces:4317"
    assert environment(replace(server, container=None), api) == ""


def test_two_instances_of_a_kind_are_two_services(project: Project) -> None:
    found = complete(project, STACKS["two instances of a kind, and an optional reference"])

    assert set(found["services"]) == {"cache", "valkey", "api"}
    assert set(found["volumes"]) == {"cache-data", "valkey-data"}
    assert found["services"]["cache"]["ports"][0]["published"] == "6390"
    assert found["services"]["api"]["environment"]["CACHE"] == "redis://cache:6379/0"
    assert found["services"]["api"]["environment"]["N"] == ""
    assert list(found["services"]["api"]["depends_on"]) == ["cache"]


def test_a_name_that_no_host_can_have_becomes_one() -> None:
    assert host_name("my_api") == "my-api"
    assert len(host_name("a" * 80)) == 63
    assert host_name("a" * 80) != host_name("a" * 81)


def test_two_names_do_not_become_one(project: Project) -> None:
    text = "use = ['a-b', 'a_b']\n" + "".join(
        f"[services.{name}]\ncommand = ['run']\nports = {{ http = {port} }}\n"
        for name, port in (("a-b", 1), ("a_b", 2))
    )

    names = list(complete(project, text)["services"])
    assert names[0] == "a-b"
    assert names[1].startswith("a-b-")


# --- services of one's own -------------------------------------------------------------------------


def test_without_an_image_a_dockerfile_is_generated(project: Project) -> None:
    files = render(project, "use = ['api']\n" + OWN)

    assert "FROM python:3." in files["Dockerfile"]
    assert "requirements.txt" in files["Dockerfile"]
    assert "compose/secrets" in files["Dockerfile.dockerignore"].splitlines()
    api = yaml.safe_load(files["compose.yaml"])["services"]["api"]
    assert api["build"] == {"context": "..", "dockerfile": "compose/Dockerfile"}


def test_without_an_image_and_without_requirements_it_is_refused(project: Project) -> None:
    error = refusal(project, "use = ['api']\n" + OWN, requirements="")

    assert "no image is named for api" in str(error)
    assert "[services.api.container]" in error.hint


@pytest.mark.parametrize(
    ("ready", "container", "problem"),
    [
        ("{ http = '/' }", "", "an HTTP request needs a program of the image"),
        ("{ tcp = true }", "", "a TCP connection needs a program of the image"),
        ("{ tcp = true }", "health_client = 'curl'\n", "curl cannot open one"),
        ("{ http = '/', contains = 'x' }", "health_client = 'wget'\n", "wget checks neither"),
        ("{ postgres = true }", "health_client = 'python'\n", "can carry out the probe PostgresProbe"),
    ],
)
def test_a_probe_that_is_no_command_of_the_image_is_refused(
    project: Project, ready: str, container: str, problem: str
) -> None:
    error = refusal(project, f"use = ['api']\n{OWN}ready = {ready}\n{IMAGE}{container}")

    assert problem in str(error)
    assert error.where == "services.api.ready"


def test_a_health_command_of_ones_own_is_taken_as_it_is(project: Project) -> None:
    text = f"use = ['api']\n{OWN}ready = {{ postgres = true }}\n{IMAGE}health = ['ask', '${{port.http}}']\n"

    assert complete(project, text)["services"]["api"]["healthcheck"]["test"] == ["CMD", "ask", "8000"]


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("image = 'a:1'\nbuild = '.'\n", "either an `image` or a `build`"),
        ("health = ['a']\nhealth_client = 'curl'\n", "`health` is a whole command"),
        ("root = 'app'\n", "`root` is an absolute path"),
    ],
)
def test_a_container_table_that_contradicts_itself_is_told(
    project: Project, table: str, problem: str
) -> None:
    project.write(f"use = ['api']\n{OWN}[services.api.container]\n{table}")

    assert problem in project.complaint()


def test_changed_files_are_synchronised_in_development_alone(project: Project) -> None:
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


# --- health checks that are made from a probe: they are run here -----------------------------------


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status = int(self.path.strip("/"))
        self.send_response(status)
        self.send_header("Location", "http://192.0.2.1/")
        self.end_headers()
        self.wfile.write(self.headers.get("X-Word", "nothing").encode())

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def check(probe: HttpProbe | TcpProbe, port: int, client: str) -> list[str]:
    """Return the health check's argv for a service on that port."""
    spec = ServiceSpec(
        name="api", command=(), ports={"http": port}, ready=probe,
        container=Container(image="api:1", entrypoint=(), health_client=client),
    )  # fmt: skip
    plan = Plan(environment="test", root="/", ports="leased", services=(spec,))
    model = yaml.safe_load(engine().render(plan)["compose.yaml"])
    mark, *argv = [word.replace("$$", "$") for word in model["services"]["api"]["healthcheck"]["test"]]
    assert mark == "CMD"
    return [sys.executable if argv[0] == "python" else argv[0], *argv[1:]]


def succeeds(argv: list[str]) -> bool:
    return run(argv).returncode == 0


@pytest.mark.process
@pytest.mark.parametrize("client", ["python", "curl", "wget"])
def test_an_http_check_succeeds_as_the_probe_would(port: int, client: str) -> None:
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
def test_a_tcp_check_connects(port: int) -> None:
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
def test_what_is_written_is_read_again(document: dict[str, Any]) -> None:
    assert (yaml.safe_load(dump(document)) or {}) == document
