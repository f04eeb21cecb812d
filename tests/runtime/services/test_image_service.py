"""Services of a user that run in a container."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes.project import Project
from infra_runtime.binaries import lockfile
from infra_runtime.binaries.lockfile import Lock
from infra_runtime.errors import BinaryMissingError
from infra_runtime.spec import ExecProbe, HttpProbe, Run, ServiceSpec

DIGEST = f"sha256:{'a' * 64}"


@pytest.fixture
def search(project: Project):
    """Return a function that makes the spec of a service with an image and the given lines."""

    def made(*lines: str) -> ServiceSpec:
        write(project, *lines)
        return project.spec("search")

    return made


def write(project: Project, *lines: str) -> None:
    table = ["[services.search]", 'image = "ghcr.io/acme/search:1.2"', *lines]
    project.write("\n".join(["use = ['search']", *table]))


def options(spec: ServiceSpec, name: str) -> list[str]:
    """Return the values of an option in the command line of the engine."""
    prefix = f"--{name}="
    return [word.removeprefix(prefix) for word in spec.command if word.startswith(prefix)]


def test_the_command_is_the_client_of_the_engine(search) -> None:
    spec = search("ports = { http = 9200 }", "container_ports = { http = 80 }", 'ready = { http = "/up" }')

    assert spec.command[:2] == ("${bin.container-engine}", "run")
    assert spec.command[-1] == spec.image == "ghcr.io/acme/search:1.2"
    assert options(spec, "publish") == ["${host}:${port.http}:80"]
    assert spec.ready == HttpProbe(port="http", path="/up")
    assert (spec.exports["url"], spec.kind) == ("http://${host}:${port.http}", "")


def test_the_program_in_the_container_gets_its_own_port_numbers(search) -> None:
    spec = search(
        "ports = { http = 9200 }",
        "container_ports = { http = 80 }",
        'command = ["--listen", "${host}:${port.http}", "$${x}"]',
        'env = { PORT = "${port.http}" }',
    )

    assert spec.command[-3:] == ("--listen", "0.0.0.0:80", "$${x}")
    assert spec.env == {"PORT": "80"}


def test_the_values_of_variables_are_not_in_the_command_line(search) -> None:
    spec = search('env = { API_KEY = "k1", KEY = "${env.KEY:-none}" }')

    assert options(spec, "env") == ["INFRA_ENV", "INFRA_STACK_TOKEN", "API_KEY", "KEY"]
    assert spec.env == {"API_KEY": "k1", "KEY": "${env.KEY:-none}"}


def test_a_variable_of_the_client_is_changed_in_the_container_only(search) -> None:
    spec = search('env = { HOME = "/srv" }')

    assert options(spec, "env")[-1] == "HOME=/srv"
    assert spec.env == {}


def test_a_container_with_the_network_of_the_machine_can_refer_to_services(project: Project) -> None:
    write(
        project,
        'network = "host"',
        "ports = { http = 9200 }",
        'command = ["--port", "${port.http}", "--listen", "${host}"]',
        'env = { DATABASE = "${db.url}" }',
        '[services.db]\ncommand = ["db"]\nports = { main = 1 }\nexports = { url = "db://${host}" }',
    )

    spec = project.spec("search")

    assert "--network=host" in spec.command
    assert spec.command[-4:] == ("--port", "${port.http}", "--listen", "${host}")
    assert spec.all_needs() == ("db",)


def test_volumes_of_the_machine_are_read_only_and_the_data_folder_is_writable(search) -> None:
    spec = search(
        "[services.search.volumes]",
        '"/data" = "${data}"',
        '"/index" = "${data}/index"',
        '"/etc/search.yml" = "config/search.yml"',
        '"/src" = { path = "src", writable = true }',
        '"/certs" = { path = "/etc/ssl", outside = true }',
    )

    assert set(options(spec, "mount")) == {
        "type=bind,source=${data},target=/data",
        "type=bind,source=${data}/index,target=/index",
        "type=bind,source=${root}/config/search.yml,target=/etc/search.yml,readonly",
        "type=bind,source=${root}/src,target=/src",
        "type=bind,source=/etc/ssl,target=/certs,readonly",
    }
    assert spec.prepare == (Run(command=("mkdir", "-p", "${data}/index")),)


def test_the_probe_with_a_command_runs_in_the_container(search) -> None:
    spec = search('ready = { exec = ["search", "ping"] }')

    name = "infra-${stack.token}-${stack.service}"
    assert spec.ready == ExecProbe(command=("${bin.container-engine}", "exec", name, "search", "ping"))


def test_further_keys_are_options_of_the_engine(search) -> None:
    spec = search(
        'entrypoint = "/bin/sh"', 'cwd = "/srv"', 'user = "1000:1000"', 'options = ["--memory=64m"]'
    )

    assert options(spec, "entrypoint") == ["/bin/sh"]
    assert options(spec, "workdir") == ["/srv"]
    assert options(spec, "user") == ["1000:1000"]
    assert options(spec, "memory") == ["64m"]


def test_the_digest_in_the_lock_is_used(project: Project) -> None:
    write(project)
    lockfile.write(project.root / "infra.lock", Lock(entries={}, images={"ghcr.io/acme/search:1.2": DIGEST}))

    resolved = project.resolve()

    assert resolved.plan.services[0].image == f"ghcr.io/acme/search@{DIGEST}"
    assert resolved.provenance["services.search.digest"].source == str(project.root / "infra.lock")


def test_a_changed_lock_makes_a_new_plan(project: Project) -> None:
    write(project)
    before = project.spec("search").image
    lockfile.write(project.root / "infra.lock", Lock(entries={}, images={"ghcr.io/acme/search:1.2": DIGEST}))

    assert before == "ghcr.io/acme/search:1.2"
    assert project.spec("search").image == f"ghcr.io/acme/search@{DIGEST}"


def test_a_table_with_an_image_under_the_name_of_a_kind_is_the_kind(project: Project) -> None:
    project.write("use = ['valkey']\n[services.valkey]\nimage = 'ghcr.io/acme/valkey:9'\n")

    spec = project.spec("valkey")

    assert (spec.kind, spec.image) == ("valkey", "")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('command = ["${bin.python}"]', "`command` refers to ${bin.python}, a program of this machine"),
        ('command = ["${data}"]', "`command` refers to ${data}, a folder of this machine: mount it"),
        ('env = { A = "${nats.url}" }', "`env` refers to ${nats.url}, but the container has its own network"),
        ('env = { A = "${nats.url?}" }', "`env` refers to ${nats.url?}, but the container has its own netw"),
        ('env = { A = "${port.htp}" }', "`env` refers to the port 'htp', which is not in `ports`; did you"),
        ("container_ports = { htp = 1 }", "`container_ports` contains the port 'htp', which is not in `po"),
        ('network = "host"\ncontainer_ports = { http = 1 }', "remove `container_ports`"),
        ('volumes = { "/a" = "../b" }', "the path '../b' is outside of the project"),
        ('volumes = { "/a" = "/etc" }', "the path '/etc' is outside of the project"),
        ('volumes = { "/a" = "~/b" }', "the path '~/b' should begin with ${env.HOME} instead of ~"),
        ('volumes = { "/a" = "${data}/${env.B}" }', "the path '${data}/${env.B}' is outside"),
        ('volumes = { "/a" = "${env.B}" }', "the path '${env.B}' is outside of the project"),
        ('volumes = { "/a" = "${data}/../b" }', "the path '${data}/../b' is outside of the project"),
        ('volumes = { "a" = "b" }', "'a' should be an absolute path in the container"),
        ('options = ["--publish=80:80"]', "use the key `ports` instead of --publish"),
        ('options = ["--name=x"]', "pytest-infra sets or excludes the option --name"),
        ('options = ["-d"]', "'-d' should be written as --NAME or --NAME=VALUE"),
        ('cwd = "web"', "string should match pattern"),
        ('ready = { http = "/", port = "htp" }', "`ready` of search uses port 'htp', which does not exist"),
        ('container = { image = "x" }', "unknown key 'image'"),
        ('binary = "x"', "unknown key 'binary'"),
    ],
)
def test_a_mistake_is_an_error_with_its_location(project: Project, line: str, problem: str) -> None:
    write(project, "ports = { http = 9200 }", line)

    message = project.error()

    assert problem in message
    assert message.startswith("infra.toml:")


@pytest.mark.parametrize("image", ["", "a b", "ghcr.io/a:1@sha256:1", "${env.IMAGE}", "--privileged"])
def test_an_invalid_image_is_refused(project: Project, image: str) -> None:
    project.write(f"use = ['search']\n[services.search]\nimage = '{image}'\n")

    assert "services.search.image" in project.error()


def test_without_an_engine_the_error_names_podman_and_docker(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write(project)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(BinaryMissingError) as caught:
        project.resolve(executables=True)

    assert str(caught.value).startswith("podman or docker: not found; searched: ")
    assert "install podman (`apt-get install podman`) or Docker" in caught.value.hint
    assert "the image of search" in caught.value.hint


@pytest.mark.parametrize("as_path", [True, False])
def test_a_variable_chooses_the_engine(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, as_path: bool
) -> None:
    write(project)
    for name in ("podman", "docker"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    default = project.resolve(executables=True).binaries

    monkeypatch.setenv("INFRA_CONTAINER_ENGINE", str(tmp_path / "docker") if as_path else "docker")
    chosen = project.resolve(executables=True).binaries

    assert default == {"container-engine": str(tmp_path / "podman")}
    assert chosen == {"container-engine": str(tmp_path / "docker")}
