"""Deploys to a real control plane with simulated nodes."""

from __future__ import annotations

import json
import os
import signal
import uuid

import pytest

from fakes.deployed import API, Shop
from fakes.stacks import until

pytestmark = pytest.mark.real("kubectl", "kubernetes")

SHOP = (
    """\
use = ["valkey", "migrate", "api"]
telemetry = false
dashboard = false
[services.migrate]
command = ["migrate"]
needs = ["valkey"]
task = true
"""
    + API
    + 'needs = ["migrate"]\n'
)


def shop_of(migrate: str = "", api: str = "") -> str:
    """Return the stack file of the shop, in which the tasks and the service have images with these tags."""
    text = SHOP
    for name, tag in (("migrate", migrate), ("api", api)):
        text += f"[services.{name}.container]\nimage = 'shop/{name}:{tag}'\n" if tag else ""
    return text


# --- deploys ---------------------------------------------------------------------------------------


def test_a_deploy_runs_tasks_before_services_and_a_second_deploy_changes_nothing(shop: Shop) -> None:
    shop.write(SHOP)

    first = shop.deploy("--create-namespace", "--json")
    versions = shop.versions()
    second = shop.deploy()

    assert first.code == 0, first
    states = {workload["name"]: workload for workload in first.json["workloads"]}
    assert (states["api"]["phase"], states["api"]["ready"], states["valkey"]["phase"]) == (
        "ready",
        2,
        "ready",
    )
    (task,) = (state for name, state in states.items() if name.startswith("migrate-"))
    assert task["phase"] == "done"
    order = [workload["name"] for workload in first.json["workloads"]]
    assert order.index("valkey") < order.index(task["name"]) < order.index("api")
    assert second.code == 0, second
    assert second.out == "no changes\n"
    assert shop.versions() == versions
    assert shop.run("status").code == 0


def test_a_dry_run_reports_changes_and_writes_nothing(shop: Shop) -> None:
    shop.write(SHOP)
    missing = shop.deploy("--create-namespace", "--dry-run", "--json")
    shop.deploy("--create-namespace")
    versions = shop.versions()

    changed = shop.deploy("--dry-run", "--json", tag="2")

    assert ("create", "Deployment") in {
        (change["action"], change["kind"]) for change in missing.json["changes"]
    }
    assert changed.code == 0, changed
    fields = {
        change["name"]: change["fields"] for change in changed.json["changes"] if change["action"] == "change"
    }
    assert "spec.template.spec.containers[0].image" in fields["api"]
    assert shop.versions() == versions


def test_services_with_long_names_and_unusual_texts_are_deployed(shop: Shop) -> None:
    names = ["y", "a_b", "a-b", "n" * 63, f"{'n' * 62}m"]
    texts = {
        "A": "y",
        "B": "1e3",
        "C": "0o7",
        "D": "",
        "E": "\n a\n  b\n",
        "F": "\U0001f600",
        "G": "a\u2028b",
    }
    env = ", ".join(f"{name} = {json.dumps(text, ensure_ascii=False)}" for name, text in texts.items())
    shop.write(
        f"use = {names}\ntelemetry = false\ndashboard = false\n"
        + "".join(f"[services.{name}]\ncommand = ['run']\nenv = {{ {env} }}\n" for name in names)
    )

    first = shop.deploy("--create-namespace")
    second = shop.deploy()

    assert first.code == 0, first
    assert second.out == "no changes\n", second
    container = shop.get("deployment/y")["spec"]["template"]["spec"]["containers"][0]  # type: ignore[index]
    written = {variable["name"]: variable.get("value", "") for variable in container["env"]}
    assert {name: written[name] for name in texts} == texts
    assert shop.run("scale", names[-1], "3").code == 0


def test_development_generates_missing_secrets_once(shop: Shop) -> None:
    shop.write('use = ["postgres"]\ntelemetry = false\ndashboard = false\n')

    first = shop.deploy("--create-namespace", environment="development")
    secret = shop.field("secret/shop-secrets", ".data.postgres-password")
    second = shop.deploy(environment="development")

    assert first.code == 0, first
    assert len(secret) > 20
    assert secret not in first.out + first.err
    assert second.out == "no changes\n"
    assert shop.field("secret/shop-secrets", ".data.postgres-password") == secret


def test_resources_that_are_no_longer_in_the_stack_are_removed_and_others_stay(shop: Shop) -> None:
    with_web = SHOP.replace('"api"]', '"api", "web"]')
    shop.write(f"{with_web}[services.web]\ncommand = ['web']\nports = {{ http = 8001 }}\n")
    assert shop.deploy("--create-namespace").code == 0
    shop.cluster.kubectl("create", "configmap", "foreign", "--namespace", shop.namespace)
    assert "deployment.apps/web" in shop.names("deployments")

    shop.write(SHOP)
    answer = shop.deploy("--json")

    assert answer.code == 0, answer
    removed = {(change["kind"], change["name"]) for change in answer.json["changes"]}
    assert removed == {("Deployment", "web"), ("Service", "web"), ("NetworkPolicy", "web")}
    assert shop.names("deployments,services") >= {"deployment.apps/api", "service/api"}
    assert "deployment.apps/web" not in shop.names("deployments")
    assert "configmap/foreign" in shop.names("configmaps")


# --- errors before the first write -----------------------------------------------------------------


def test_a_missing_namespace_is_an_error(shop: Shop) -> None:
    shop.write(SHOP)

    answer = shop.deploy()

    assert answer.code == 18
    assert f"does not have the namespace {shop.namespace}" in answer.err
    assert "--create-namespace" in answer.err


def test_a_missing_kind_is_an_error_before_the_first_write(shop: Shop) -> None:
    shop.write(SHOP + "metrics = '/metrics'\n")

    answer = shop.run("deploy", "--env", "staging", "--create-namespace")

    assert answer.code == 18
    assert "does not have the kind ServiceMonitor (monitoring.coreos.com/v1)" in answer.err
    assert shop.cluster.kubectl("get", "namespace", shop.namespace, "--ignore-not-found") == ""


def test_a_missing_secret_is_an_error_with_the_command_that_creates_it(shop: Shop) -> None:
    shop.write('use = ["postgres"]\n')

    refused = shop.deploy("--create-namespace")
    shop.cluster.kubectl(
        "create", "secret", "generic", "shop-secrets", "--from-literal=postgres-password=x",
        "--namespace", shop.namespace,
    )  # fmt: skip

    assert refused.code == 18
    assert "kubectl create secret generic shop-secrets --from-file=postgres-password=FILE" in refused.err
    assert shop.names("statefulsets") == set()
    assert shop.deploy().code == 0


def test_a_pod_that_violates_pod_security_is_refused_before_the_first_write(shop: Shop) -> None:
    shop.write(SHOP)
    assert shop.deploy("--create-namespace").code == 0
    workload = shop.cluster.get("--namespace", shop.namespace, "deployment/api")
    pod = workload["spec"]["template"]["spec"]
    pod["containers"][0]["securityContext"] = {"allowPrivilegeEscalation": True}

    from infra_runtime.engines.kubernetes.live import checks
    from infra_runtime.engines.kubernetes.live.kubectl import Kubectl
    from infra_runtime.errors import ClusterError

    with pytest.MonkeyPatch.context() as monkeypatch:
        for name, value in shop.cluster.environ.items():
            monkeypatch.setenv(name, value)
        kubectl = Kubectl(program="kubectl", namespace=shop.namespace)
        with pytest.raises(ClusterError, match="violates PodSecurity"):
            checks.check_pods(kubectl, [workload], {})
        with pytest.raises(ClusterError, match="would violate PodSecurity"):
            checks.dry_run(
                kubectl, [{**workload, "metadata": {"name": "x", "namespace": shop.namespace}}], force=False
            )


def test_a_quota_is_an_error_before_the_first_write(shop: Shop) -> None:
    shop.write(SHOP)
    shop.cluster.kubectl("create", "namespace", shop.namespace)
    shop.cluster.kubectl("create", "quota", "small", "--hard=pods=0", "--namespace", shop.namespace)
    until(lambda: shop.field("quota/small", ".status.hard.pods") == "0")

    answer = shop.deploy()

    assert answer.code == 18
    assert "exceeded quota: small" in answer.err
    assert shop.names("deployments,statefulsets,services") == set()


def test_an_immutable_field_is_explained_and_recreated_only_with_consent(shop: Shop) -> None:
    search = (
        "use = ['search']\n[services.search]\nimage = 'acme/search:1'\nuser = '1000'\n"
        "ports = { http = 9200 }\nvolumes = { '/data' = '${data}' }\nready = { tcp = true }\n"
        "[services.search.container]\nstorage = '%s'\n"
    )
    shop.write(search % "1Gi")
    assert shop.deploy("--create-namespace").code == 0
    uid = shop.field("statefulset/search", ".metadata.uid")

    shop.write(search % "2Gi")
    refused = shop.deploy()
    same = shop.field("statefulset/search", ".metadata.uid")
    recreated = shop.deploy("--recreate", "search")

    assert refused.code == 18
    assert "the change of StatefulSet/search is not possible" in refused.err
    assert "--recreate search" in refused.err
    assert same == uid
    assert recreated.code == 0, recreated
    assert shop.field("statefulset/search", ".metadata.uid") != uid
    assert "persistentvolumeclaim/data-search-0" in shop.names("persistentvolumeclaims")


# --- rollouts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tag", "reason"), [("crashes", "CrashLoopBackOff"), ("missing", "ImagePullBackOff")]
)
def test_a_failing_rollout_ends_at_once_with_the_reason_and_the_log(
    shop: Shop, tag: str, reason: str
) -> None:
    shop.write(shop_of(migrate="1", api="1"))
    assert shop.deploy("--create-namespace").code == 0
    shop.cluster.log.write_text("2030-01-01T00:00:00.0Z stdout F no such table: orders\n")

    shop.write(shop_of(migrate="1", api=tag))
    answer = shop.deploy("--timeout", "500")

    assert answer.code == 20, answer
    assert "Deployment/api: the pod api-" in answer.err
    assert reason in answer.err
    assert "no such table: orders" in answer.err
    assert shop.field("deployment/api", ".status.readyReplicas") == "2"  # of the previous revision
    assert shop.run("status").code == 20


def test_a_failed_rollout_is_undone_on_request_and_the_next_deploy_replaces_it(shop: Shop) -> None:
    shop.write(shop_of(api="1"))
    assert shop.deploy("--create-namespace").code == 0

    shop.write(shop_of(api="crashes"))
    failed = shop.deploy("--undo")
    image = "{.spec.template.spec.containers[0].image}"
    undone = shop.field("deployment/api", image.strip("{}"))
    shop.write(shop_of(api="2"))
    repaired = shop.deploy()

    assert failed.code == 20
    assert "Deployment/api returns to its previous revision" in failed.err
    assert undone == "shop/api:1"
    assert repaired.code == 0, repaired
    assert shop.field("deployment/api", image.strip("{}")) == "shop/api:2"


def test_a_failed_rollout_of_a_service_with_data_is_undone_with_its_files(shop: Shop) -> None:
    nats = "use = ['nats']\n[services.nats]\nimage = 'shop/nats:%s'\noptions = { max_payload = '%s' }\n"
    shop.write(nats % ("1", "1MB"))
    assert shop.deploy("--create-namespace").code == 0
    before = shop.field("configmap/nats-files", ".data")

    shop.write(nats % ("crashes", "2MB"))
    failed = shop.deploy("--undo")

    assert failed.code == 20
    assert "nats-files: the previous files are restored" in failed.err
    assert "StatefulSet/nats returns to its previous revision" in failed.err
    assert shop.field("configmap/nats-files", ".data") == before
    until(lambda: shop.field("statefulset/nats", ".status.readyReplicas") == "1")
    assert shop.field("pod/nats-0", ".spec.containers[0].image") == "shop/nats:1"
    shop.write(nats % ("1", "1MB"))
    assert shop.deploy().out == "no changes\n"


def test_undo_returns_to_a_revision_and_the_next_deploy_rolls_out_again(shop: Shop) -> None:
    for tag in ("1", "2"):
        shop.write(shop_of(api=tag))
        assert shop.deploy("--create-namespace").code == 0

    undone = shop.run("rollout", "undo", "api")
    image = shop.field("deployment/api", ".spec.template.spec.containers[0].image")
    again = shop.deploy()
    unknown = shop.run("rollout", "undo", "api", "--revision", "99")

    assert undone.code == 0, undone
    assert image == "shop/api:1"
    assert again.code == 0, again
    assert shop.field("deployment/api", ".spec.template.spec.containers[0].image") == "shop/api:2"
    assert unknown.code == 18
    assert "rollout history" in unknown.err
    assert shop.run("rollout", "status").code == 0


def test_a_failed_task_stops_the_deploy_before_its_services_and_is_repeated(shop: Shop) -> None:
    shop.write(shop_of(migrate="missing"))
    failed = shop.deploy("--create-namespace")
    deployments = shop.names("deployments")

    shop.write(shop_of(migrate="2"))
    repaired = shop.deploy()

    assert failed.code == 20
    assert "Job/migrate-" in failed.err
    assert "deployment.apps/api" not in deployments
    assert repaired.code == 0, repaired
    assert len(shop.names("jobs")) == 1


def test_a_rollout_that_is_not_ready_in_time_fails_with_what_it_waits_for(shop: Shop) -> None:
    shop.write(shop_of(api="slow"))

    answer = shop.deploy("--create-namespace", "--timeout", "5")

    assert answer.code == 20
    assert "is not ready after 5 s" in answer.err
    assert "is running and not ready" in answer.err


# --- the number of pods ----------------------------------------------------------------------------


def test_scale_sets_the_number_until_the_next_deploy(shop: Shop) -> None:
    shop.write(SHOP)
    assert shop.deploy("--create-namespace").code == 0

    scaled = shop.run("scale", "api", "4", "--json")
    data = shop.run("scale", "valkey", "2")
    unknown = shop.run("scale", "apii", "2")
    again = shop.deploy("--json")

    assert scaled.code == 0, scaled
    assert (scaled.json["ready"], scaled.json["wanted"]) == (4, 4)
    assert data.code == unknown.code == 18
    assert "did you mean 'api'?" in unknown.err
    assert again.code == 0, again
    assert [change["fields"] for change in again.json["changes"]] == [["spec.replicas"]]


def test_the_number_of_an_autoscaler_is_neither_changed_nor_reset(shop: Shop) -> None:
    shop.write(SHOP)
    assert shop.deploy("--create-namespace").code == 0
    assert shop.run("scale", "api", "4").code == 0

    production = shop.deploy(environment="production")
    after = shop.field("deployment/api", ".spec.replicas")
    # What an HPA does.
    shop.cluster.kubectl("scale", "deployment/api", "--replicas=7", "--namespace", shop.namespace)
    again = shop.deploy(environment="production")

    assert production.code == 0, production
    assert int(after) >= 3
    assert again.out == "no changes\n", again
    assert shop.field("deployment/api", ".spec.replicas") == "7"
    refused = shop.run("scale", "api", "2")
    assert refused.code == 18
    assert "the HPA api determines the number of pods" in refused.err
    staging = shop.deploy()
    assert staging.code == 0, staging
    assert shop.field("deployment/api", ".spec.replicas") == "2"
    assert shop.deploy().out == "no changes\n"


def test_an_autoscaler_of_the_user_is_not_fought(shop: Shop) -> None:
    shop.write(SHOP)
    assert shop.deploy("--create-namespace").code == 0
    shop.cluster.kubectl(
        "autoscale", "deployment/api", "--min=5", "--max=6", "--name=mine", "--namespace", shop.namespace
    )
    until(lambda: shop.field("deployment/api", ".spec.replicas") == "5")

    answer = shop.deploy(tag="2")

    assert answer.code == 0, answer
    assert shop.field("deployment/api", ".spec.replicas") == "5"
    assert shop.deploy(tag="2").out == "no changes\n"


# --- several deploys -------------------------------------------------------------------------------


def test_the_second_of_two_deploys_waits_or_fails_with_the_owner(shop: Shop) -> None:
    shop.write(shop_of(migrate="hangs"))
    words = ["workflows", "deploy", "--to", "kubernetes", "--namespace", shop.namespace, "--env", "staging",
             "--create-namespace"]  # fmt: skip
    first = shop.infra.start(*words)
    first.wait_for("Job/migrate-")

    second = shop.deploy()
    first.interrupt()
    interrupted = first.answer()
    shop.write(shop_of(migrate="2"))
    third = shop.deploy()

    assert second.code == 19
    assert f"(process {first.process.pid})" in second.err
    assert interrupted.code == 130
    assert third.code == 0, third


def test_a_deploy_that_was_killed_is_completed_by_the_next_one(shop: Shop) -> None:
    shop.write(shop_of(migrate="hangs"))
    words = ["workflows", "deploy", "--to", "kubernetes", "--namespace", shop.namespace, "--env", "staging",
             "--create-namespace"]  # fmt: skip
    first = shop.infra.start(*words)
    first.wait_for("Job/migrate-")
    os.kill(first.process.pid, signal.SIGKILL)
    first.process.wait()
    assert "deployment.apps/api" not in shop.names("deployments")

    shop.write(shop_of(migrate="2"))
    answer = shop.deploy()

    assert answer.code == 0, answer
    assert "deployment.apps/api" in shop.names("deployments")
    assert len(shop.names("jobs")) == 1
    assert shop.deploy().out == "no changes\n"


# --- the end ---------------------------------------------------------------------------------------


def test_delete_removes_the_stack_and_keeps_data_and_foreign_resources(shop: Shop) -> None:
    shop.write(SHOP)
    assert shop.deploy("--create-namespace").code == 0
    shop.cluster.kubectl("create", "configmap", "foreign", "--namespace", shop.namespace)

    deleted = shop.run("delete", "--yes")
    claims = shop.names("persistentvolumeclaims")
    with_data = shop.run("delete", "--yes", "--with-data")
    nothing = shop.run("delete", "--yes", "--with-data")

    assert deleted.code == 0, deleted
    assert shop.names("deployments,statefulsets,jobs,services,networkpolicies") == set()
    assert claims == {"persistentvolumeclaim/data-valkey-0"}
    assert with_data.code == 0, with_data
    assert shop.names("persistentvolumeclaims") == set()
    assert "configmap/foreign" in shop.names("configmaps")
    assert nothing.out == "no changes\n"
    assert shop.run("status").code == 18


def test_logs_have_the_name_of_their_pod(shop: Shop) -> None:
    shop.write(SHOP)
    assert shop.deploy("--create-namespace").code == 0
    shop.cluster.log.write_text("2030-01-01T00:00:00.0Z stdout F hello\n")

    answer = shop.infra.process(
        "workflows", "logs", "api", "--to", "kubernetes", "--namespace", shop.namespace
    )

    assert answer.code == 0, answer
    assert answer.out.startswith("[pod/api-")
    assert "hello" in answer.out
    assert shop.run("logs", "web").code == 18


def test_a_cluster_that_does_not_answer_is_an_error_with_a_hint(shop: Shop) -> None:
    shop.write(SHOP)

    answer = shop.deploy("--context", f"missing-{uuid.uuid4().hex}")

    assert answer.code == 18
    assert "context" in answer.err
