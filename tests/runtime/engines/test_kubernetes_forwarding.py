"""The plan of port-forwards to a deployed stack."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes.project import Project, empty_project
from infra_runtime.config.resolve import Resolved
from infra_runtime.engines.kubernetes.forwarding import Place, forwarded
from infra_runtime.engines.kubernetes.live import kubectl
from infra_runtime.errors import ConfigurationError
from infra_runtime.spec import Exchange, HttpProbe, PostgresProbe, Run, Secret, ServiceSpec, TcpProbe

STACK = """\
use = ["postgres", "valkey", "nats", "mail", "pgbouncer", "mongodb", "api", "worker", "migrate"]
telemetry = true
dashboard = false
[services.mongodb]
indexes.orders = [{ keys = ["customer"] }]
[services.migrate]
command = ["migrate"]
task = true
[services.worker]
command = ["work"]
[services.api]
command = ["serve"]
ports = { http = 8000 }
ready = { http = "/health" }
needs = ["migrate"]
exports = { link = "${url}/start", folder = "${data}/files", database = "${postgres.url}" }
""".replace("${url}/start", "http://${host}:${port.http}/start")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    made = empty_project(tmp_path, monkeypatch)
    made.write('[project]\nname = "shop"\n', "pyproject.toml")
    made.write(STACK)
    program = tmp_path / "kubectl"
    monkeypatch.setattr(kubectl, "locate", lambda _binary: program)
    for variable in ("KUBECONFIG", "KUBECACHEDIR"):
        monkeypatch.delenv(variable, raising=False)
    return made


def _forwarded(project: Project, *names: str, place: Place | None = None) -> Resolved:
    place = place or Place()
    resolved = project.resolve(*names, environment=place.environment, variables_required=False)
    return forwarded(resolved, place, project.root / ".data-test", names)


def _services(project: Project) -> dict[str, ServiceSpec]:
    return {spec.name: spec for spec in _forwarded(project).plan.services}


def test_each_service_with_a_port_has_one_port_forward(project: Project) -> None:
    resolved = _forwarded(project)

    names = {spec.name for spec in resolved.plan.services}
    assert names == {"postgres", "valkey", "nats", "mail", "pgbouncer", "mongodb", "api"}
    assert resolved.plan.ports == "leased"
    assert resolved.data == project.root / ".data-test" / "plan-kubernetes"
    nats = next(spec for spec in resolved.plan.services if spec.name == "nats")
    assert nats.command[:4] == ("${bin.python}", "-P", "-m", f"{kubectl.__name__[:-8]}.port_forward")
    assert {"--namespace=shop", "--context=", "--stack=shop", "--service=nats", "--host=nats"} < {
        *nats.command
    }
    assert nats.command[-2:] == ("${port.client}:4222", "${port.monitor}:8222")
    assert nats.restart == "always"


def test_context_namespace_and_kubeconfig_make_another_plan(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = [_forwarded(project, "valkey").plan]
    plans.append(_forwarded(project, "valkey", place=Place(namespace="other")).plan)
    plans.append(_forwarded(project, "valkey", place=Place(context="other")).plan)
    monkeypatch.setenv("KUBECONFIG", "/clusters/$1.yaml")
    plans.append(_forwarded(project, "valkey").plan)

    assert len({plan.digest for plan in plans}) == 4
    assert plans[-1].services[0].env == {"KUBECONFIG": "/clusters/$$1.yaml"}
    assert "--namespace=other" in plans[1].services[0].command
    assert "--context=other" in plans[2].services[0].command


def test_the_exports_are_those_of_the_container_without_paths_of_the_server(project: Project) -> None:
    services = _services(project)

    # In a container, the server has no password.
    assert services["nats"].exports["url"] == "nats://${host}:${port.client}"
    assert services["valkey"].exports["url"] == "redis://${host}:${port.client}/0"
    assert services["valkey"].exports["password"] == ""
    assert "socket_url" not in services["postgres"].exports
    assert services["api"].exports["link"] == "http://${host}:${port.http}/start"
    assert services["api"].exports["database"] == "${postgres.url}"
    assert "folder" not in services["api"].exports
    assert services["pgbouncer"].exports["password"] == "${postgres.password}"


def test_passwords_are_read_from_the_secret_of_the_stack_at_each_start(project: Project) -> None:
    services = _services(project)

    read, secret = services["postgres"].prepare
    assert isinstance(read, Run)
    assert read.command[3].endswith(".live.secret_files")
    assert read.command[-2:] == (
        "--secret=shop-secrets",
        "postgres-password=${data}/password.secret",
    )
    assert secret == Secret(path="${data}/password.secret")
    assert services["postgres"].exports["url"].startswith("postgresql://postgres:${secret.password}@${host}")
    assert services["valkey"].prepare == ()


def test_the_secrets_with_which_tests_are_isolated_are_read_from_the_cluster(project: Project) -> None:
    """An account of NATS and a bucket of S3 need the passwords of the deployed servers."""
    project.write(f"{STACK.replace('mail', 's3')}[services.nats]\naccounts = 4\n")
    services = _services(project)

    nats, s3 = services["nats"], services["s3"]
    assert (nats.exports["accounts"], nats.exports["account_password"]) == ("4", "${secret.accounts}")
    assert (s3.exports["access_key"], s3.exports["secret_key"]) == ("infra", "${secret.key}")
    assert [getattr(spec.prepare[0], "command")[-1] for spec in (nats, s3)] == [  # noqa: B009
        "nats-accounts=${data}/accounts.secret",
        "s3-key=${data}/key.secret",
    ]


def test_files_with_data_of_the_plan_are_written_for_the_plugin(project: Project) -> None:
    (file,) = _services(project)["mongodb"].prepare

    assert getattr(file, "path") == "${data}/indexes.json"  # noqa: B009 - the step has one of several types


def test_the_probe_is_that_of_the_protocol_or_of_the_users_service(project: Project) -> None:
    services = _services(project)

    assert isinstance(services["valkey"].ready, Exchange)
    assert isinstance(services["nats"].ready, Exchange)
    assert services["postgres"].ready == PostgresProbe(port="client", user="postgres", database="postgres")
    assert services["api"].ready == HttpProbe(port="http", path="/health")
    # The image is another program, whose own probe has made the pod ready.
    assert services["mail"].ready == TcpProbe(port="smtp")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("telemetry", "its kind has no container image"),
        ("migrate", "the service is a task, which the deploy has completed"),
        ("worker", "the service does not listen on a port"),
    ],
)
def test_a_requested_service_that_cannot_be_reached_is_an_error_with_the_fix(
    project: Project, name: str, reason: str
) -> None:
    with pytest.raises(
        ConfigurationError, match=f"a port-forward to {name} in the cluster is not possible: {reason}"
    ) as error:
        _forwarded(project, name)

    assert "local engine" in error.value.hint


def test_every_reference_in_a_port_forward_has_a_value(project: Project) -> None:
    """`make_plan` checks the references; a service of each kind with a container is part of the plan."""
    project.write('profile = "everything"\nproxy = "caddy"\n')

    names = {spec.name for spec in _forwarded(project).plan.services}

    assert {"rabbitmq", "mariadb", "s3", "prometheus", "etcd", "kafka"} <= names
