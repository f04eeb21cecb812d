"""Deploy the resources of a plan: check everything, then write, then wait; a second deploy changes nothing.

All steps can be repeated: a deploy that was killed is completed by the next one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from infra_runtime.engines.kubernetes.live import checks, rollout
from infra_runtime.engines.kubernetes.live.changes import Change, changes, removals
from infra_runtime.engines.kubernetes.live.checks import SecretKeys
from infra_runtime.engines.kubernetes.live.kubectl import Key, Kubectl, Object, key, keyed
from infra_runtime.engines.kubernetes.live.lease import Lock, this_process
from infra_runtime.engines.kubernetes.live.operations import delete, undo
from infra_runtime.engines.kubernetes.live.stack import (
    autoscaled,
    is_operated,
    live_resources,
    operated_kinds,
    owned,
)
from infra_runtime.engines.kubernetes.live.workloads import WORKLOADS, State
from infra_runtime.errors import ClusterError, RolloutError, nearest
from infra_runtime.value import frozen

_AUTOSCALER = "HorizontalPodAutoscaler"
#: the field manager that keeps `replicas` when a plan hands them over to an HPA
_HANDOVER = "infra-replicas"


@frozen
class Request:
    """The arguments of a deploy: the plan, the cluster and the options of the command."""

    #: the name of the stack in the label `app.kubernetes.io/part-of`
    stack: str
    #: all resources, in the order of the plan; the namespace is one of them
    resources: Sequence[Object]
    secrets: Sequence[SecretKeys] = ()
    #: seconds until each group of workloads must be ready
    timeout: float = 600.0
    #: seconds to wait for the lock of another deploy
    wait: float = 0.0
    create_namespace: bool = False
    #: whether values that other programs have set are replaced
    force_conflicts: bool = False
    #: names of workloads that are deleted and created again
    recreate: frozenset[str] = frozenset()
    #: whether the changed workloads return to their previous revision if the rollout fails
    undo: bool = False
    #: whether nothing is written
    dry_run: bool = False


@frozen
class Step:
    """A step of a deploy, for the progress."""

    text: str
    #: the planned change that the step reports
    change: Change | None = None
    #: the state of a workload that the step reports
    state: State | None = None


@frozen
class _Plan:
    """The result of all checks."""

    resources: Sequence[Object]
    changes: Sequence[Change]
    #: the present resources, to which an undo returns
    live: Mapping[Key, Object]
    force: bool


def deploy(kubectl: Kubectl, request: Request) -> Iterator[Step]:
    """Deploy a stack, and yield the steps. A step with neither a change nor a state only reports progress.

    Raises:
        ClusterError: the cluster cannot be reached or refuses the resources. If a check fails, only a new
            namespace and the Lease of the lock can have been written.
        DeployLockedError: another deploy has the lock.
        RolloutError: a workload does not become ready.
    """
    version = checks.check_server(kubectl)
    yield Step(text=f"the API server has the version {version}")
    kinds = checks.check_kinds(kubectl, request.resources)
    namespace = checks.namespace_of(kubectl)
    if namespace is None:
        yield from _new_namespace(kubectl, request)
        if request.dry_run:
            return
    foreign = namespace is not None and not checks.is_ours(namespace)
    if foreign:
        yield Step(text=f"the namespace {kubectl.namespace} was not created by infra and stays as it is")
    resources = [
        resource for resource in request.resources if not (foreign and resource["kind"] == "Namespace")
    ]
    required = [wanted for wanted in request.secrets if not wanted.generated]
    missing = {wanted.name: checks.missing_keys(kubectl, wanted) for wanted in required}
    checks.check_secrets(missing, kubectl.namespace)
    if request.dry_run:
        plan = _checked(kubectl, request, resources, kinds)
        for change in plan.changes:
            yield Step(text=str(change), change=change)
        return
    with Lock(kubectl, this_process(), wait=request.wait) as lock:
        plan = _checked(kubectl, request, resources, kinds)
        yield from _deploy(kubectl, request, plan, lock)


def _deploy(kubectl: Kubectl, request: Request, plan: _Plan, lock: Lock) -> Iterator[Step]:
    for wanted in request.secrets:
        # Another deploy may have generated the values before this one got the lock.
        if wanted.generated and (names := checks.missing_keys(kubectl, wanted)):
            made = checks.generated_secret(wanted, names, request.stack)
            checks.require_accepted(kubectl.apply([made], manager=f"infra-{names[0]}"))
            yield Step(text=f"generated {', '.join(names)} in the Secret {wanted.name}")
    for change in plan.changes:
        yield Step(text=str(change), change=change)
    try:
        yield from _write(kubectl, request, plan, lock)
    except RolloutError as error:
        if request.undo:
            for text in _undone(kubectl, plan):
                error.add_note(text)
            error.hint = "The cause is in the log lines and in `infra workflows status`."
        raise


def _new_namespace(kubectl: Kubectl, request: Request) -> Iterator[Step]:
    """Create the namespace of the stack; in a dry run, only yield the creation of each resource as a change.

    Raises `ClusterError` if the request does not allow a new namespace.
    """
    if not request.create_namespace:
        raise ClusterError(
            f"the cluster does not have the namespace {kubectl.namespace}",
            "Use --create-namespace to create it, or check --context and --namespace.",
        )
    if request.dry_run:
        for kind, name in map(key, request.resources):
            change = Change(action="create", kind=kind, name=name)
            yield Step(text=str(change), change=change)
        return
    own = [resource for resource in request.resources if resource["kind"] == "Namespace"]
    checks.require_accepted(kubectl.apply(own))
    yield Step(text=f"created the namespace {kubectl.namespace}")


def _checked(
    kubectl: Kubectl, request: Request, resources: Sequence[Object], kinds: Collection[str]
) -> _Plan:
    """Return the changes of a deploy, after the API server has checked all resources in a dry run.

    Nothing is written. `kinds` are the kinds of resources that the API server has.
    """
    ours = keyed(owned(kubectl, request.stack, has_monitors="ServiceMonitor" in kinds))
    live = {**ours, **live_resources(kubectl, resources)}
    _check_recreated(
        request.recreate, {name for kind, name in (*live, *map(key, resources)) if kind in WORKLOADS}
    )
    # The states are read only if a workload may have to be created again.
    has_job = any(kind == "Job" for kind, _ in live)
    states = rollout.snapshot(kubectl, request.stack).states() if request.recreate or has_job else {}
    again = {
        name
        for name, state in states.items()
        if name in live and (name[1] in request.recreate or (name[0] == "Job" and state.failure))
    }
    # An HPA of the stack that the plan no longer contains is removed before the workloads are written.
    wanted = keyed(resources)
    kept = {
        name: resource
        for name, resource in live.items()
        if name[0] != _AUTOSCALER or name not in ours or name in wanted
    }
    resources = [autoscaled(resource, kept) for resource in resources]
    compared = [resource for resource in resources if key(resource) not in again]
    planned, force = checks.dry_run(kubectl, compared, force=request.force_conflicts)
    differences = [
        *(Change(action="recreate", kind=kind, name=name) for kind, name in sorted(again)),
        *changes(live, keyed(planned)),
    ]
    touched = {(change.kind, change.name) for change in differences}
    checks.check_pods(kubectl, [resource for resource in resources if key(resource) in touched], live)
    return _Plan(resources=resources, changes=[*differences, *removals(ours, wanted)], live=live, force=force)


def _check_recreated(names: Iterable[str], known: Collection[str]) -> None:
    """Raise `ClusterError` if a name of `--recreate` is not the name of a workload."""
    for name in sorted(names):
        if name not in known:
            raise ClusterError(
                f"--recreate names {name!r}, which is not a workload of the stack{nearest(name, known)}",
                "`infra workflows status` shows the names of the workloads.",
            )


def _write(kubectl: Kubectl, request: Request, plan: _Plan, lock: Lock) -> Iterator[Step]:
    actions = {(change.kind, change.name): change.action for change in plan.changes}
    for target, action in actions.items():
        if action == "recreate":
            yield Step(text=f"deletes {target[0]}/{target[1]}, which is created again")
            delete(kubectl, [target], between=lock.renew)
    removed = [(change.kind, change.name) for change in plan.changes if change.action == "remove"]
    if autoscalers := [name for name in removed if name[0] == _AUTOSCALER]:
        delete(kubectl, autoscalers, between=lock.renew)
    for batch in batches(plan.resources):
        written = [resource for resource in batch if key(resource) in actions]
        lock.renew()
        if written:
            _hand_over_replicas(kubectl, written, plan.live)
            answer = kubectl.apply(written, force=plan.force)
            try:
                checks.require_accepted(answer)
            except ClusterError as error:
                error.add_note("Some resources are already written: repeat the deploy to complete it.")
                raise
        workloads = [key(made) for made in batch if made["kind"] in WORKLOADS or is_operated(made)]
        if workloads:
            yield from _waited(kubectl, request, workloads, lock)
    if others := [name for name in removed if name[0] != _AUTOSCALER]:
        lock.renew()
        delete(kubectl, others, between=lock.renew)


def _waited(kubectl: Kubectl, request: Request, workloads: Collection[Key], lock: Lock) -> Iterator[Step]:
    for state in rollout.wait(
        kubectl, request.stack, workloads, timeout=request.timeout,
        operated=operated_kinds(request.resources), between=lock.renew,
    ):  # fmt: skip
        detail = f" ({state.reason})" if state.reason else ""
        text = f"{state.kind}/{state.name}: {state.phase}, {state.ready} of {state.wanted}{detail}"
        yield Step(text=text, state=state)


def _previous(file: Object) -> Object:
    """Return a ConfigMap as a deploy has written it, without the fields of the server."""
    metadata = {name: file["metadata"][name] for name in ("name", "namespace", "labels")}
    return {**{name: file[name] for name in ("apiVersion", "kind", "data")}, "metadata": metadata}


def batches(resources: Sequence[Object]) -> list[list[Object]]:
    """Return groups of resources. The resources of a group are written when the previous group is ready.

    The first group contains the resources without a template of pods, including those of operators: a pod
    cannot start before the operator has created its Secret. A Job is a separate group: the workloads before
    it in the plan must be ready, and the workloads after it are written when it is complete.
    """
    result = [[resource for resource in resources if resource["kind"] not in WORKLOADS], []]
    for resource in resources:
        if resource["kind"] == "Job":
            result += [[resource], []]
        elif resource["kind"] in WORKLOADS:
            result[-1].append(resource)
    return [group for group in result if group]


def _hand_over_replicas(kubectl: Kubectl, resources: Sequence[Object], live: Mapping[Key, Object]) -> None:
    """Keep the current number of pods of each written Deployment whose number an HPA determines.

    If the only manager of a field no longer sends it, the API server resets it, here to 1. Source: Kubernetes
    documentation, "Server-Side Apply", "Transferring ownership".
    """
    kept: list[Object] = []
    for resource in resources:
        before = live.get(key(resource))
        if resource["kind"] == "Deployment" and before and "replicas" not in resource["spec"]:
            kept.append(
                {
                    "apiVersion": resource["apiVersion"],
                    "kind": resource["kind"],
                    "metadata": {name: resource["metadata"][name] for name in ("name", "namespace")},
                    "spec": {"replicas": before["spec"].get("replicas", 1)},
                }
            )
    if kept:
        kubectl.require(
            "apply", "--server-side", f"--field-manager={_HANDOVER}", "--force-conflicts",
            "--validate=ignore", "--output=name", "--filename=-", documents=kept,
        )  # fmt: skip


def _undone(kubectl: Kubectl, plan: _Plan) -> Iterator[str]:
    """Restore the previous state of changed ConfigMaps and workloads; yield a sentence about each result."""
    files = [
        plan.live[change.kind, change.name]
        for change in plan.changes
        if change.kind == "ConfigMap" and change.action == "change"
    ]
    if files:
        answer = kubectl.apply(map(_previous, files), force=True)
        names = ", ".join(file["metadata"]["name"] for file in files)
        yield "; ".join(answer.problems) if answer.code else f"{names}: the previous files are restored"
    for change in plan.changes:
        if change.kind not in {"Deployment", "StatefulSet"} or change.action != "change":
            continue
        if any(field.startswith("spec.template") for field in change.fields):
            problem = undo(kubectl, change.kind, change.name)
            yield problem or f"{change.kind}/{change.name} returns to its previous revision"
