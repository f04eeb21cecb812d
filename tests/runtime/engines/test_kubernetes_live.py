"""The states of a deployed stack: differences, failures of pods, and the expiry of the deploy lock."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from fakes.clock import Clock
from infra_runtime.engines.kubernetes.cluster import LONGEST_NAME
from infra_runtime.engines.kubernetes.live import checks, lease, rollout, stack
from infra_runtime.engines.kubernetes.live.changes import Change, changes, removals
from infra_runtime.engines.kubernetes.live.checks import SecretKeys
from infra_runtime.engines.kubernetes.live.deploy import batches
from infra_runtime.engines.kubernetes.live.kubectl import Answer, Kubectl, keyed, objects_of
from infra_runtime.engines.kubernetes.live.lease import Lock, Owner
from infra_runtime.engines.kubernetes.live.rollout import failed
from infra_runtime.engines.kubernetes.live.stack import autoscaled, autoscaler_of
from infra_runtime.engines.kubernetes.live.workloads import Failure, State, snapshot_of
from infra_runtime.errors import ClusterError, DeployLockedError, RolloutError

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def workload(kind: str = "Deployment", name: str = "api", **more: Any) -> dict[str, Any]:
    """Return a workload that its controller has observed and that has no pods yet."""
    container = {"name": name, "image": "shop/api:1"}
    return {
        "apiVersion": "batch/v1" if kind == "Job" else "apps/v1",
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": "shop",
            "uid": f"{kind}-{name}",
            "generation": 2,
            "annotations": {"deployment.kubernetes.io/revision": "3"},
        },
        "spec": {"replicas": 2, "template": {"metadata": {}, "spec": {"containers": [container]}}},
        "status": {"observedGeneration": 2, **more},
    }


def owned(kind: str, name: str, owner: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a resource that belongs to another one."""
    metadata = {"name": name, "uid": name, "ownerReferences": [{"uid": owner["metadata"]["uid"]}]}
    annotations = {"deployment.kubernetes.io/revision": more.pop("revision", "3")}
    labels = {"controller-revision-hash": more.pop("hash", "new")}
    return {
        "kind": kind,
        "metadata": {**metadata, "annotations": annotations, "labels": labels},
        "spec": {"containers": [{"name": "api"}]},
        **more,
    }


def waiting(reason: str, message: str = "", code: int | None = None) -> dict[str, Any]:
    """Return the status of a pod whose container waits."""
    container: dict[str, Any] = {"name": "api", "state": {"waiting": {"reason": reason, "message": message}}}
    if code is not None:
        container["lastState"] = {"terminated": {"exitCode": code}}
    return {"containerStatuses": [container]}


def state_of(main: dict[str, Any], *others: dict[str, Any], events: Any = ()) -> State:
    return snapshot_of([main, *others], events).states()[main["kind"], main["metadata"]["name"]]


# --- differences -----------------------------------------------------------------------------------


def test_only_changed_fields_are_differences_and_no_value_is_printed() -> None:
    live = {
        "kind": "ConfigMap",
        "metadata": {"name": "a", "resourceVersion": "1", "labels": {"x": "1"}},
        "data": {"password": "s3cret", "list": [1, 2]},
        "status": {"a": 1},
    }
    same = {**live, "metadata": {**live["metadata"], "resourceVersion": "2"}, "status": {}}
    other = {**live, "data": {"password": "0ther", "list": [1, 3], "new": "s3cret"}}

    assert changes(keyed([live]), keyed([same])) == []
    (change,) = changes(keyed([live]), keyed([other]))
    assert change.fields == ("data.list[1]", "data.new", "data.password")
    assert "s3cret" not in str(change)
    assert "0ther" not in json.dumps(change.to_json())


def test_missing_resources_are_created_and_others_of_the_stack_are_removed() -> None:
    old, new = workload(name="old"), workload(name="new")

    assert changes(keyed([old]), keyed([new])) == [Change(action="create", kind="Deployment", name="new")]
    assert removals(keyed([old]), keyed([new])) == [Change(action="remove", kind="Deployment", name="old")]
    many = keyed(workload(name=f"old-{number}") for number in range(9))
    assert [change.name for change in removals(many, {})] == [f"old-{number}" for number in range(9)]


def test_a_list_of_kubectl_can_be_one_resource_or_empty() -> None:
    assert objects_of("") == []
    assert objects_of('{"kind": "Pod"}') == [{"kind": "Pod"}]
    assert objects_of('{"kind": "List", "items": [{"kind": "Pod"}]}') == [{"kind": "Pod"}]


def test_a_task_waits_for_the_workloads_before_it_and_the_next_ones_wait_for_the_task() -> None:
    service = {"kind": "Service", "metadata": {"name": "db"}}
    database, task, api, web = (
        workload(kind, name)
        for kind, name in (
            ("StatefulSet", "db"),
            ("Job", "migrate"),
            ("Deployment", "api"),
            ("Deployment", "web"),
        )
    )

    assert batches([database, task, api, service, web]) == [[service], [database], [task], [api, web]]


# --- the number of pods ----------------------------------------------------------------------------


def test_an_autoscaler_of_the_cluster_determines_the_number_of_pods() -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "api"}
    scaler = {
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "more"},
        "spec": {"scaleTargetRef": target},
    }

    assert autoscaler_of(workload(), [scaler]) == "more"
    assert autoscaler_of(workload(name="web"), [scaler]) == ""
    assert "replicas" not in autoscaled(workload(), keyed([scaler]))["spec"]
    assert autoscaled(workload(), {})["spec"]["replicas"] == 2


# --- states ----------------------------------------------------------------------------------------


def test_a_deployment_is_ready_when_all_its_pods_have_the_newest_template() -> None:
    ready = {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}

    assert state_of(workload(**ready)).phase == "ready"
    assert state_of(workload(**ready)).revision == "3"
    assert not state_of(workload(**{**ready, "replicas": 3})).done  # a pod of the previous revision
    assert not state_of(workload(**{**ready, "observedGeneration": 1})).done
    assert state_of(workload(**{**ready, "updatedReplicas": 1})).reason.startswith("1 of 2 pods are updated")


@pytest.mark.parametrize("reason", ["CrashLoopBackOff", "ImagePullBackOff", "CreateContainerConfigError"])
def test_a_pod_that_cannot_become_ready_fails_the_rollout_with_its_reason(reason: str) -> None:
    main = workload()
    replica_set = owned("ReplicaSet", "api-1", main)
    pod = owned("Pod", "api-1-x", replica_set, status=waiting(reason, "because", code=7))

    failure = state_of(main, replica_set, pod).failure

    assert failure is not None
    assert failure.reason == f"the pod api-1-x: {reason}: because (the container api exited with 7)"
    assert (failure.pod, failure.container) == ("api-1-x", "api")


def test_a_pod_of_an_old_revision_and_a_pod_that_starts_do_not_fail_the_rollout() -> None:
    main = workload()
    old = owned("ReplicaSet", "api-0", main, revision="2")
    old_pod = owned("Pod", "api-0-x", old, status=waiting("CrashLoopBackOff"))
    new = owned("ReplicaSet", "api-1", main)
    new_pod = owned("Pod", "api-1-x", new, status=waiting("ContainerCreating"))

    state = state_of(main, old, old_pod, new, new_pod)

    assert state.failure is None
    assert state.reason == "the pod api-1-x: ContainerCreating"


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        ({"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}, "exceeded quota"),
        (
            {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"},
            "not ready in time",
        ),
    ],
)
def test_a_condition_of_the_deployment_fails_the_rollout(condition: dict[str, str], text: str) -> None:
    failure = state_of(workload(conditions=[condition])).failure

    assert failure is not None
    assert text in failure.reason


def test_a_stateful_set_without_pods_fails_with_the_event_of_the_refusal() -> None:
    main = workload("StatefulSet", updateRevision="new")
    event = {
        "reason": "FailedCreate",
        "message": "exceeded quota",
        "involvedObject": {"uid": "StatefulSet-api"},
    }
    pod = owned("Pod", "api-0", main, status=waiting("ContainerCreating"))

    refused = state_of(main, events=[event]).failure

    assert refused is not None
    assert refused.reason == "its pods are refused: exceeded quota"
    assert state_of(main, pod, events=[event]).failure is None
    assert (
        state_of(main, owned("Pod", "api-0", main, hash="old", status=waiting("CrashLoopBackOff"))).failure
        is None
    )


def test_a_task_is_complete_or_has_failed() -> None:
    complete = workload("Job", succeeded=1, conditions=[{"type": "Complete", "status": "True"}])
    failed = workload(
        "Job", failed=4, conditions=[{"type": "Failed", "status": "True", "message": "backoff"}]
    )
    pod = owned("Pod", "api-x", failed, status={})
    again = owned("Pod", "api-y", workload("Job"), status={"containerStatuses": [
        {"name": "api", "state": {"terminated": {"exitCode": 1}}}]})  # fmt: skip

    assert state_of(complete).phase == "done"
    failure = state_of(failed, pod).failure
    assert failure is not None
    assert (failure.reason, failure.pod) == ("the task has failed: backoff", "api-x")
    assert (
        state_of(workload("Job", failed=1), again).reason == "the pod api-y: the container api exited with 1"
    )


def test_a_pod_without_a_node_is_reported_and_may_still_start() -> None:
    main = workload()
    replica_set = owned("ReplicaSet", "api-1", main)
    condition = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}
    pod = owned("Pod", "api-1-x", replica_set, status={"conditions": [condition]})

    state = state_of(main, replica_set, pod)

    assert state.failure is None
    assert state.reason == "the pod api-1-x: no node is suitable: 0/3 nodes are available"


def operated(status: dict[str, Any]) -> dict[str, Any]:
    """Return a database with two members that an operator runs."""
    annotations = {
        "infra/ready": "Ready",
        "infra/members": "instances",
        "infra/pods": "cnpg.io/cluster=db,x=y",
    }
    return {
        "apiVersion": "postgresql.cnpg.io/v1",
        "kind": "Cluster",
        "metadata": {"name": "db", "namespace": "shop", "generation": 2, "annotations": annotations},
        "spec": {"instances": 2},
        "status": status,
    }


def member(number: int, cluster: str = "db", **status: Any) -> dict[str, Any]:
    """Return a pod of a database, which is ready unless the status says otherwise."""
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    labels = {"cnpg.io/cluster": cluster, "x": "y"}
    containers = [{"name": "postgres", "image": "acme/db:1"}]
    return {
        "kind": "Pod",
        "metadata": {"name": f"{cluster}-{number}", "labels": labels},
        "spec": {"containers": containers},
        "status": status or ready,
    }


def test_a_database_of_an_operator_is_ready_when_its_condition_and_all_its_members_are() -> None:
    ready = {"conditions": [{"type": "Ready", "status": "True"}], "phase": "healthy"}
    starts = {"conditions": [{"type": "Ready", "status": "False", "message": "not yet"}]}
    pods = [member(1), member(2)]

    state = state_of(operated(ready), *pods)
    assert (state.phase, state.ready, state.wanted, state.images) == ("ready", 2, 2, ("acme/db:1",))
    assert state_of(operated({**ready, "observedGeneration": 2}), *pods).done
    assert not state_of(operated({**ready, "observedGeneration": 1}), *pods).done
    assert not state_of(operated(ready), member(1), member(2, cluster="other")).done
    assert state_of(operated(starts), *pods).reason == "2 of 2 members are ready: not yet"
    assert state_of(operated({}), *pods).reason.endswith("the operator has not reported a state")


def test_a_member_that_cannot_become_ready_fails_the_rollout_of_its_database() -> None:
    failure = state_of(operated({}), member(1, **waiting("ImagePullBackOff"))).failure

    assert failure is not None
    assert failure.reason == "the pod db-1: ImagePullBackOff"
    assert failure.pod == "db-1"


@pytest.mark.parametrize("is_deployed", [True, False])
def test_the_first_workload_that_is_not_ready_in_time_is_named_with_its_reason(
    is_deployed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    objects = [workload(name="other"), *([workload()] if is_deployed else [])]
    monkeypatch.setattr(rollout, "snapshot", lambda *_: snapshot_of(objects))

    def sleep(seconds: float) -> None:
        clock.now += seconds

    wanted = [("Deployment", "api"), ("Deployment", "other")]
    states = rollout.wait(server(clock), "shop", wanted, timeout=5.0, clock=clock, sleep=sleep)

    reason = "0 of 2 pods are updated" if is_deployed else "it was deleted"
    with pytest.raises(RolloutError, match=f"Deployment/api.* not ready after 5 s: {reason}"):
        list(states)
    assert 5 < clock.now <= 7


# --- answers of the server -------------------------------------------------------------------------


def refused(*problems: str, warnings: tuple[str, ...] = ()) -> ClusterError:
    with pytest.raises(ClusterError) as caught:
        checks.require_accepted(Answer(code=bool(problems), out="", problems=problems, warnings=warnings))
    return caught.value


@pytest.mark.process
def test_an_api_service_that_does_not_answer_hides_only_its_own_kinds(tmp_path: Path) -> None:
    """Source: kubectl, `pkg/cmd/apiresources`: an error of the discovery is returned after the list."""
    program = tmp_path / "kubectl"
    program.write_text(
        "#!/bin/sh\necho 'services svc v1 true Service'\n"
        "echo 'error: unable to retrieve the complete list of server APIs: metrics.k8s.io/v1beta1' >&2\n"
        "exit 1\n"
    )
    program.chmod(0o755)
    kubectl = Kubectl(program=str(program), namespace="shop")
    metadata = {"name": "api"}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": metadata}
    monitor = {"apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor", "metadata": metadata}

    assert checks.check_kinds(kubectl, [service]) == {"Service"}
    with pytest.raises(ClusterError, match=r"cannot be listed: .*metrics\.k8s\.io") as error:
        checks.check_kinds(kubectl, [service, monitor])
    assert "kubectl get apiservices" in error.value.hint


@pytest.mark.parametrize(("has_monitors", "kinds"), [(True, ["Job", "ServiceMonitor"]), (False, ["Job"])])
def test_monitors_are_read_only_from_a_cluster_that_has_this_kind(
    monkeypatch: pytest.MonkeyPatch, has_monitors: bool, kinds: list[str]
) -> None:
    def run(_kubectl: Kubectl, _verb: str, names: str, *_arguments: str, **_options: object) -> Answer:
        kind = "ServiceMonitor" if names.startswith("servicemonitors") else "Job"
        return Answer(code=0, out=json.dumps({"kind": kind}), problems=[])

    monkeypatch.setattr(Kubectl, "run", run)
    resources = stack.owned(Kubectl(program="", namespace="shop"), "shop", has_monitors=has_monitors)

    assert [resource["kind"] for resource in resources] == kinds


@pytest.mark.process
def test_the_pods_of_a_dry_run_have_different_names_without_a_warning(tmp_path: Path) -> None:
    program = tmp_path / "kubectl"
    program.write_text(f"#!/bin/sh\ncat > {tmp_path}/input\n")
    program.chmod(0o755)
    template = {"metadata": {}, "spec": {"containers": []}}
    names = ["api", "n" * LONGEST_NAME, f"{'n' * (LONGEST_NAME - 1)}m"]
    workloads = [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {"template": template},
        }
        for name in names
    ]

    checks.check_pods(Kubectl(program=str(program), namespace="shop"), workloads, {})

    pods = list(yaml.safe_load_all((tmp_path / "input").read_text("utf-8")))
    sent = [pod["metadata"]["name"] for pod in pods]
    assert sent[0] == "api-infra-check"
    assert len({*sent}) == 3
    assert max(map(len, sent)) <= 63


@pytest.mark.process
def test_documents_are_written_so_that_a_parser_of_yaml_reads_the_same_texts(tmp_path: Path) -> None:
    program = tmp_path / "kubectl"
    program.write_text(f"#!/bin/sh\ncat > {tmp_path}/input\n")
    program.chmod(0o755)
    document = {"data": {"a": "\U0001f600", "b": "first\u2028second\x85", "c": "1e3"}}

    Kubectl(program=str(program), namespace="shop").run("apply", documents=[document, document])

    assert list(yaml.safe_load_all((tmp_path / "input").read_text("utf-8"))) == [document, document]


def test_an_immutable_field_is_explained_without_the_dump_of_the_object() -> None:
    error = refused(
        'The Deployment "api" is invalid: spec.selector: Invalid value: {"matchLabels":{"a":"b"}}:'
        " field is immutable"
    )

    assert "the change of Deployment/api is not possible" in str(error)
    assert "matchLabels" not in str(error)
    assert "--recreate api" in error.hint


@pytest.mark.parametrize(
    "problem",
    [
        'The PersistentVolumeClaim "load-data" is invalid: spec: Forbidden: spec is immutable',
        'The PersistentVolumeClaim "load-data" is invalid: spec.resources.requests: Forbidden: field can',
        'persistentvolumeclaims "load-data" is forbidden: only dynamically provisioned pvc can be resized',
    ],
)
def test_a_claim_that_cannot_be_changed_is_explained_and_never_deleted(problem: str) -> None:
    error = refused(problem)

    assert "the change of the volume claim load-data is not possible" in str(error)
    assert "--recreate" not in error.hint


@pytest.mark.parametrize(
    ("reason", "hint"),
    [
        ('pods "api-7" is forbidden: exceeded quota: small, requested: pods=1', "Increase the quota"),
        ("failed quota: cpu: must specify limits.cpu for: api", "LimitRange"),
        ('pods "api-7" is forbidden: violates PodSecurity "restricted:latest"', "pod-security.kubernetes.io"),
        ("ImagePullBackOff", "`infra workflows rollout undo`"),
    ],
)
def test_a_refused_pod_has_a_hint_about_its_reason(reason: str, hint: str) -> None:
    state = State(kind="Deployment", name="api", ready=0, wanted=2, done=False)

    error = failed(Kubectl(program="kubectl", namespace="shop"), state, Failure(reason=reason))

    assert hint in error.hint


def test_a_warning_and_a_conflict_are_errors() -> None:
    assert "deprecated" in str(refused(warnings=("v1 is deprecated",)))
    error = refused('Apply failed with 1 conflict: conflict with "helm" using apps/v1: .spec.replicas')
    assert "(helm)" in str(error)
    assert "--force-conflicts" in error.hint


def test_missing_keys_of_a_secret_are_an_error() -> None:
    checks.check_secrets({"shop-secrets": []}, "prod")
    with pytest.raises(ClusterError, match="the Secret shop-variables does not have the keys c, d") as caught:
        checks.check_secrets({"shop-secrets": ["b"], "shop-variables": ["c", "d"]}, "prod")
    assert "the Secret shop-secrets does not have the keys b" in str(caught.value)
    assert caught.value.hint == (
        "Run `kubectl create secret generic shop-secrets --from-file=b=FILE --namespace=prod` and"
        " `kubectl create secret generic shop-variables --from-file=c=FILE --from-file=d=FILE"
        " --namespace=prod`, or add the keys to the existing Secrets."
    )


def test_generated_values_are_random_and_only_for_missing_keys() -> None:
    keys = SecretKeys(name="shop-secrets", keys=["a", "b"], generated=True)

    first, second = (checks.generated_secret(keys, ["a"], "shop")["stringData"] for _ in range(2))

    assert isinstance(first, dict)
    assert set(first) == {"a"}
    assert first != second


# --- the lock --------------------------------------------------------------------------------------

OWNER = Owner(user="ann", host="one", pid=1, started="1", machine="boot one", token="t")


class Server(Kubectl):
    """kubectl for a server that stores one Lease, compares versions, and has its own time."""

    leases: list[dict[str, Any]]
    clock: Callable[[], float]

    def run(self, *arguments: str, documents: Any = None, timeout: float = 0) -> Answer:
        """Create, read or replace the Lease."""
        del timeout
        leases, verb = self.leases, arguments[0]
        if "--dry-run=server" in arguments:
            created = f"{NOW + timedelta(seconds=self.clock()):%Y-%m-%dT%H:%M:%SZ}"
            return Answer(code=0, out=json.dumps({"metadata": {"creationTimestamp": created}}), problems=())
        if verb == "get":
            return Answer(code=0, out=json.dumps(leases[-1]) if leases else "", problems=())
        (document,) = documents
        version = document["metadata"].get("resourceVersion", "")
        if (verb == "create" and leases) or (verb == "replace" and version != str(len(leases))):
            return Answer(code=1, out="", problems=["conflict"])
        metadata = {**document["metadata"], "resourceVersion": str(len(leases) + 1)}
        leases.append({**document, "metadata": metadata})
        return Answer(code=0, out=json.dumps(leases[-1]), problems=())


def server(clock: Clock) -> Server:
    made = Server(program="kubectl", namespace="shop")
    vars(made).update(leases=[], clock=clock)
    return made


def lock(kubectl: Server, owner: Owner, clock: Clock, wait: float = 0) -> Lock:
    def sleep(seconds: float) -> None:
        clock.now += seconds

    return Lock(kubectl, owner, wait=wait, clock=clock, sleep=sleep)


def test_a_held_lock_names_its_owner_and_the_seconds_until_it_expires() -> None:
    clock = Clock()
    kubectl = server(clock)

    with lock(kubectl, OWNER, clock):
        clock.now += 20
        with pytest.raises(DeployLockedError, match="held by ann on one") as caught:
            lock(kubectl, replace(OWNER, token="u"), clock).__enter__()

    assert caught.value.seconds == lease.VALID - 20
    with lock(kubectl, replace(OWNER, token="u"), clock):  # it was released
        pass


def test_an_expired_lock_is_taken_over_and_its_owner_notices_it() -> None:
    clock = Clock()
    kubectl = server(clock)

    paused = lock(kubectl, OWNER, clock)
    paused.__enter__()
    clock.now += lease.VALID + 1
    with lock(kubectl, replace(OWNER, token="u"), clock):
        with pytest.raises(DeployLockedError, match="did not renew it in time"):
            paused.renew()
        paused.__exit__(None, None, None)

        assert kubectl.leases[-1]["spec"]["holderIdentity"] == "u"


def test_a_renewed_lock_does_not_expire() -> None:
    clock = Clock()
    kubectl = server(clock)

    with lock(kubectl, OWNER, clock) as held:
        for _ in range(10):
            clock.now += lease.VALID / 2
            held.renew()

        assert lease.seconds_left(kubectl.leases[-1], NOW + timedelta(seconds=clock.now)) == lease.VALID


def test_a_deploy_can_wait_until_a_lock_expires() -> None:
    clock = Clock()
    kubectl = server(clock)
    lock(kubectl, OWNER, clock).__enter__()

    with lock(kubectl, replace(OWNER, token="u"), clock, wait=lease.VALID + 5):
        assert clock.now >= lease.VALID


def test_a_lease_that_cannot_be_created_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Server, *arguments: str, **options: Any) -> Answer:
        if arguments[0] == "create" and "--dry-run=server" not in arguments:
            return Answer(code=1, out="", problems=["forbidden"])
        return run(self, *arguments, **options)

    run = Server.run
    monkeypatch.setattr(Server, "run", refuse)
    clock = Clock()

    with pytest.raises(ClusterError, match="the Lease infra-deploy cannot be created: forbidden"):
        lock(server(clock), OWNER, clock).__enter__()


def test_the_lock_of_a_process_of_this_machine_that_has_exited_is_taken_over() -> None:
    clock = Clock()
    kubectl = server(clock)
    this = lease.this_process()
    gone = replace(this, started="0")
    lock(kubectl, gone, clock).__enter__()

    assert this.pid == os.getpid()
    assert not this.is_gone()
    assert not replace(gone, machine="another").is_gone()
    with lock(kubectl, this, clock):
        assert kubectl.leases[-1]["spec"]["holderIdentity"] == this.token


def test_a_lease_without_an_owner_or_time_has_expired() -> None:
    made = lease.document(OWNER, NOW)

    assert lease.owner_of(made) == OWNER
    assert lease.seconds_left(made, NOW + timedelta(seconds=10)) == lease.VALID - 10
    assert lease.seconds_left(lease.document(None, NOW), NOW) == 0
    foreign = {"metadata": {}, "spec": {"holderIdentity": "x", "renewTime": "2030-01-01T00:00:00.5Z"}}
    assert lease.owner_of(foreign) is None
    assert lease.seconds_left(foreign, NOW) == 0.5
