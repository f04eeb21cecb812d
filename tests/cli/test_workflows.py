"""Deploys through kubectl to a small API server; `tests/cluster` deploys to a real one."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.cluster_server import ClusterServer, cluster_server
from fakes.cluster_store import Object
from fakes.command_line import Answer, CommandLine

pytestmark = pytest.mark.real("kubectl")

API = """\
[services.api]
command = ["serve", "--port", "${port.http}"]
ports = { http = 8000 }
ready = { http = "/health" }
needs = ["migrate"]
"""
SHOP = (
    """\
use = ["valkey", "migrate", "api"]
[services.migrate]
command = ["migrate"]
needs = ["valkey"]
task = true
"""
    + API
)
CONTAINER = "[services.%s.container]\nimage = 'shop/%s:%s'\n"


def shop_of(*, migrate: str = "1") -> str:
    """Return the stack file of a shop, whose API needs a task with this tag of its image."""
    return SHOP + CONTAINER % ("migrate", "migrate", migrate)


def small_shop(*, api: str = "1") -> str:
    """Return the stack file of a shop without a task, whose API has this tag of its image."""
    return 'use = ["valkey", "api"]\n' + API.replace("migrate", "valkey") + CONTAINER % ("api", "api", api)


class Shop:
    """A user's project and the API server to which it is deployed."""

    def __init__(self, server: ClusterServer, infra: CommandLine) -> None:
        self.server, self.infra = server, infra

    def run(self, *arguments: str) -> Answer:
        """Run a command of `infra workflows`."""
        return self.infra("workflows", *arguments, "--to", "kubernetes")

    def deploy(self, text: str, *arguments: str, environment: str = "staging") -> Answer:
        """Write the stack file and deploy it."""
        self.infra.write(text)
        return self.run("deploy", "--env", environment, "--create-namespace", *arguments)

    def image(self) -> str:
        """Return the image of the API."""
        image: str = self.server.find("deployments", "api")["spec"]["template"]["spec"]["containers"][0][
            "image"
        ]
        return image


@contextlib.contextmanager
def shop_in(folder: Path) -> Iterator[Shop]:
    (folder / "server").mkdir()
    with cluster_server(folder / "server") as server:
        infra = CommandLine(folder / "shop", **server.environ)
        infra.write('[project]\nname = "shop"\nversion = "1"\n', "pyproject.toml")
        yield Shop(server, infra)
        infra.end()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """Return a project with an empty API server."""
    with shop_in(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Return the deployed shop that the fixture `deployed` copies."""
    with shop_in(tmp_path_factory.mktemp("original")) as shop:
        answer = shop.deploy(small_shop())
        assert answer.code == 0, answer
        yield shop


@pytest.fixture
def deployed(shop: Shop, original: Shop) -> Shop:
    """Return the project with a copy of the API server to which `small_shop()` was deployed."""
    shop.server.copy_from(original.server)
    return shop


def changes_of(answer: Answer) -> set[tuple[str, str, str]]:
    """Return action, kind and name of the changes in the JSON output of a deploy."""
    return {(change["action"], change["kind"], change["name"]) for change in answer.json["changes"]}


def written(server: ClusterServer) -> list[str]:
    """Return the requests that have changed something, without those of the lock."""
    return [write for write in server.writes if "leases/" not in write]


# --- deploys ---------------------------------------------------------------------------------------


def test_a_deploy_runs_tasks_before_services_and_a_second_deploy_changes_nothing(shop: Shop) -> None:
    first = shop.deploy(SHOP)
    workloads = [write for write in shop.server.writes if (write.startswith("PATCH") and "sets/" in write)
                 or "jobs/" in write or "deployments/" in write]  # fmt: skip
    before = written(shop.server)
    second = shop.deploy(SHOP)
    status = shop.run("status", "--json")

    assert first.code == 0, first
    assert [write.split("/")[0] for write in workloads] == [
        "PATCH statefulsets", "PATCH jobs", "PATCH deployments",
    ]  # fmt: skip
    assert (second.code, second.out) == (0, "no changes\n"), second
    assert written(shop.server) == before
    phases = {workload["name"].partition("-")[0]: workload["phase"] for workload in status.json["workloads"]}
    assert (status.code, phases) == (0, {"api": "ready", "valkey": "ready", "migrate": "done"})


def test_resources_that_left_the_stack_are_removed_and_foreign_ones_stay(deployed: Shop) -> None:
    foreign = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "foreign", "namespace": "shop"}}
    deployed.server.objects["configmaps", "shop", "foreign"] = foreign
    labels = {"app.kubernetes.io/part-of": "other", "app.kubernetes.io/managed-by": "infra"}
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "other"}
    deployed.server.objects["horizontalpodautoscalers", "shop", "other"] = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "other", "namespace": "shop", "uid": "other", "labels": labels},
        "spec": {"scaleTargetRef": target, "minReplicas": 2},
    }

    answer = deployed.deploy(small_shop().replace(', "api"', ""), "--json")
    deleted = deployed.run("delete", "--yes", "--json")

    assert answer.code == 0, answer
    assert changes_of(answer) == {
        ("remove", "Deployment", "api"),
        ("remove", "Service", "api"),
        ("remove", "NetworkPolicy", "api"),
        ("change", "NetworkPolicy", "valkey"),
    }
    assert deleted.code == 0, deleted
    assert "valkey" in {resource["name"] for resource in deleted.json["deleted"]}
    assert deployed.server.names("deployments") == deployed.server.names("statefulsets") == set()
    assert "foreign" in deployed.server.names("configmaps")
    assert deployed.server.names("horizontalpodautoscalers") == {"other"}  # of another stack in the namespace
    assert deployed.run("status").code == 18


def test_a_dry_run_prints_the_paths_of_changes_and_writes_nothing(shop: Shop, original: Shop) -> None:
    missing = shop.deploy(small_shop(), "--dry-run")
    shop.server.copy_from(original.server)

    changed = shop.deploy(small_shop(api="2"), "--dry-run")

    assert missing.code == 0, missing
    assert "create Deployment/api" in missing.err
    assert "change Deployment/api: spec.template.spec.containers[0].image" in changed.err
    assert changed.out == "1 change (nothing was written)\n"
    assert shop.server.writes == []


def test_missing_passwords_are_generated_in_development_and_required_elsewhere(shop: Shop) -> None:
    text = 'use = ["postgres"]\ntelemetry = false\ndashboard = false\n'

    refused = shop.deploy(text)
    generated = shop.deploy(text, environment="development")
    again = shop.deploy(text, environment="development")

    assert refused.code == 18
    assert "kubectl create secret generic shop-secrets --from-file=postgres-password=FILE" in refused.err
    assert generated.code == 0, generated
    assert set(shop.server.find("secrets", "shop-secrets")["data"]) == {"postgres-password"}
    assert again.out == "no changes\n"


def test_a_password_that_another_deploy_has_generated_before_the_lock_was_free_is_kept(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = shop.server.store

    def store_after_another_deploy(key: tuple[str, str, str], made: Object) -> None:
        if key[0] == "leases":
            secret = {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "shop-secrets", "namespace": "shop"},
                "data": {"postgres-password": "b3RoZXI="},
            }
            shop.server.objects.setdefault(("secrets", "shop", "shop-secrets"), secret)
        store(key, made)

    monkeypatch.setattr(shop.server, "store", store_after_another_deploy)
    text = 'use = ["postgres"]\ntelemetry = false\ndashboard = false\n'

    answer = shop.deploy(text, environment="development")

    assert answer.code == 0, answer
    assert shop.server.find("secrets", "shop-secrets")["data"] == {"postgres-password": "b3RoZXI="}


# --- errors before the first write -----------------------------------------------------------------


def test_a_cluster_without_namespace_or_kind_or_that_is_too_old_is_refused(shop: Shop) -> None:
    shop.infra.write(SHOP + "metrics = '/metrics'\n")
    kind = shop.run("deploy", "--env", "staging")
    namespace = shop.run("deploy", "--env", "staging", "--without", "ServiceMonitor")
    shop.server.minor = "24"
    old = shop.run("deploy", "--env", "staging")

    assert (kind.code, namespace.code, old.code) == (18, 18, 18)
    assert "does not have the kind ServiceMonitor (monitoring.coreos.com/v1), needed by api" in kind.err
    assert "does not have the namespace shop" in namespace.err
    assert "v1.24.3, and the resources need at least v1.25" in old.err
    assert shop.server.writes == []


def test_a_refused_pod_and_a_warning_end_the_deploy_before_the_first_write(deployed: Shop) -> None:
    deployed.server.refused["Pod"] = "exceeded quota: small"
    quota = deployed.deploy(small_shop(api="2"))
    deployed.server.refused.clear()
    deployed.server.warnings["Deployment"] = "would violate PodSecurity restricted:latest"
    warning = deployed.deploy(small_shop(api="2"))

    assert (quota.code, warning.code) == (18, 18)
    assert "exceeded quota: small" in quota.err
    assert "would violate PodSecurity" in warning.err
    assert "pod-security.kubernetes.io/enforce" in warning.err
    assert written(deployed.server) == []


def test_an_immutable_field_is_changed_only_with_consent(shop: Shop) -> None:
    text = (
        "use = ['search']\n[services.search]\nimage = 'acme/search:1'\nuser = '1000'\n"
        "ports = { http = 9200 }\nvolumes = { '/data' = '${data}' }\nready = { tcp = true }\n"
        "[services.search.container]\nstorage = '%s'\n"
    )
    shop.deploy(text % "1Gi")
    uid = shop.server.find("statefulsets", "search")["metadata"]["uid"]

    refused = shop.deploy(text % "2Gi")
    uid_before = shop.server.find("statefulsets", "search")["metadata"]["uid"]
    misspelled = shop.deploy(text % "2Gi", "--recreate", "serch")
    recreated = shop.deploy(text % "2Gi", "--recreate", "search", "--json")

    assert refused.code == 18
    assert "the change of StatefulSet/search is not possible" in refused.err
    assert uid_before == uid
    assert misspelled.code == 18
    assert "'serch', which is not a workload of the stack; did you mean 'search'?" in misspelled.err
    assert recreated.code == 0, recreated
    assert ("recreate", "StatefulSet", "search") in changes_of(recreated)
    assert shop.server.find("statefulsets", "search")["metadata"]["uid"] != uid


# --- rollouts --------------------------------------------------------------------------------------


def test_a_failing_rollout_ends_with_reason_and_log_and_is_undone_on_request(deployed: Shop) -> None:
    deployed.server.log = "no such table: orders"

    failed = deployed.deploy(small_shop(api="crashes"), "--undo")

    assert failed.code == 20, failed
    assert "CrashLoopBackOff" in failed.err
    assert "| no such table: orders" in failed.err
    assert "Deployment/api returns to its previous revision" in failed.err
    assert deployed.image() == "shop/api:1"


def test_the_files_of_a_failed_rollout_are_restored_on_request(shop: Shop) -> None:
    nats = "use = ['nats']\n[services.nats]\nimage = 'shop/nats:%s'\noptions = { max_payload = '%s' }\n"
    assert shop.deploy(nats % ("1", "1MB")).code == 0
    before = shop.server.find("configmaps", "nats-files")["data"]

    failed = shop.deploy(nats % ("crashes", "2MB"), "--undo")

    assert failed.code == 20, failed
    assert "nats-files: the previous files are restored" in failed.err
    assert shop.server.find("configmaps", "nats-files")["data"] == before


def test_a_failed_task_ends_the_deploy_before_its_services(shop: Shop) -> None:
    failed = shop.deploy(shop_of(migrate="missing"))
    before = shop.server.names("deployments")
    repaired = shop.deploy(shop_of(migrate="2"))

    assert failed.code == 20, failed
    assert "Job/migrate-" in failed.err
    assert "ImagePullBackOff" in failed.err
    assert before == set()
    assert repaired.code == 0, repaired
    assert len(shop.server.names("jobs")) == 1


def test_undo_returns_to_the_previous_revision_until_the_next_deploy(deployed: Shop) -> None:
    deployed.deploy(small_shop(api="2"))

    undone = deployed.run("rollout", "undo", "api")
    image = deployed.image()
    unknown = deployed.run("rollout", "undo", "api", "--revision", "99")
    again = deployed.deploy(small_shop(api="2"))

    assert undone.code == 0, undone
    assert image == "shop/api:1"
    assert unknown.code == 18
    assert "rollout history" in unknown.err
    assert again.code == 0, again
    assert deployed.image() == "shop/api:2"


# --- the number of pods ----------------------------------------------------------------------------


def test_an_autoscaler_determines_the_number_of_pods_in_production(deployed: Shop) -> None:
    scaled = deployed.run("scale", "api", "4", "--json")

    production = deployed.deploy(small_shop(), environment="production")
    number = deployed.server.find("deployments", "api")["spec"]["replicas"]
    again = deployed.deploy(small_shop(), environment="production")
    refused = deployed.run("scale", "api", "2")
    staging = deployed.deploy(small_shop())
    without = deployed.server.find("deployments", "api")["spec"]["replicas"]
    unchanged = deployed.deploy(small_shop())

    assert (staging.code, without, unchanged.out) == (0, 2, "no changes\n"), staging
    assert (scaled.code, scaled.json["ready"]) == (0, 4), scaled
    assert production.code == 0, production
    assert number == 4  # neither the number of the stack file nor that of a new Deployment
    assert again.out == "no changes\n", again
    assert refused.code == 18
    assert "the HPA api determines the number of pods" in refused.err


def test_scale_refuses_data_and_names_similar_services(deployed: Shop) -> None:
    data, unknown = deployed.run("scale", "valkey", "2"), deployed.run("scale", "apii", "2")

    assert (data.code, unknown.code) == (18, 18)
    assert "valkey stores data" in data.err
    assert "did you mean 'api'?" in unknown.err
    assert deployed.server.writes == []


# --- several deploys -------------------------------------------------------------------------------


def test_a_second_deploy_names_the_first_and_completes_it_after_a_kill(shop: Shop) -> None:
    shop.infra.write(shop_of(migrate="slow"))
    first = shop.infra.start(
        "workflows", "deploy", "--to", "kubernetes", "--env", "staging", "--create-namespace"
    )
    first.wait_for("Job/migrate-")

    second = shop.deploy(shop_of(migrate="slow"))
    os.kill(first.process.pid, signal.SIGKILL)
    first.process.wait()
    third = shop.deploy(shop_of())

    assert second.code == 19, second
    assert f"(process {first.process.pid})" in second.err
    assert third.code == 0, third
    assert shop.server.names("deployments") == {"api"}
    assert len(shop.server.names("jobs")) == 1
    assert not shop.server.find("leases", "infra-deploy")["spec"].get("holderIdentity")


def database(*, image: str = "shop/db:1") -> str:
    """Return a stack file with a database that an operator runs, and a service that needs the database."""
    operator = f'operator = {{ name = "cloudnative-pg", image = "{image}", instances = 2 }}\n'
    needs = API.replace('needs = ["migrate"]\n', 'env = { DB = "${postgres.url}" }\n')
    return f'use = ["postgres", "api"]\n[services.postgres]\n{operator}{needs}'


def test_a_deploy_waits_for_the_members_of_an_operator_and_only_a_request_deletes_the_data(
    shop: Shop,
) -> None:
    failed = shop.deploy(database(image="shop/db:slow"), "--timeout", "1")
    early = shop.server.names("deployments")
    deployed = shop.deploy(database(), "--json")
    status = shop.run("status", "--json")
    waited = shop.run("rollout", "status")
    logs = shop.infra.process("workflows", "logs", "postgres", "--to", "kubernetes")
    scaled = shop.run("scale", "postgres", "3")
    again = shop.deploy(database())
    spec = shop.server.find("clusters", "postgres")["spec"]
    deleted = shop.run("delete", "--yes")
    remaining = shop.server.names("deployments"), ("clusters", "shop", "postgres") in shop.server.objects
    with_data = shop.run("delete", "--yes", "--with-data")

    assert failed.code == 20
    assert "Cluster/postgres: it is not ready after 1 s: the pod postgres-1: the container" in failed.err
    assert early == set()
    assert deployed.code == 0, deployed
    first = deployed.json["workloads"][0]
    assert (first["name"], first["phase"]) == ("postgres", "ready")
    (state,) = (workload for workload in status.json["workloads"] if workload["kind"] == "Cluster")
    assert (state["ready"], state["wanted"], state["images"]) == (2, 2, ["shop/db:1"])
    assert waited.code == 0, waited
    assert "[pod/postgres-1/postgres]" in logs.out, logs
    assert scaled.code == 18
    assert "Change the table `operator` of the service postgres" in scaled.err
    assert again.out == "no changes\n", again
    assert (spec["instances"], spec["bootstrap"]["initdb"]["owner"]) == (2, "app")
    assert deleted.code == 0, deleted
    assert remaining == (set(), True)
    assert with_data.code == 0, with_data
    assert ("clusters", "shop", "postgres") not in shop.server.objects
