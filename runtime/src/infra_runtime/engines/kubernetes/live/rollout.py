"""Wait until workloads are ready; end before the time limit if one of them cannot become ready."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator

from infra_runtime.engines.kubernetes.cluster import PODS
from infra_runtime.engines.kubernetes.live.checks import refusal_hint
from infra_runtime.engines.kubernetes.live.kubectl import Key, Kubectl, keyed
from infra_runtime.engines.kubernetes.live.stack import installed_kinds, is_operated
from infra_runtime.engines.kubernetes.live.workloads import KINDS, Failure, Snapshot, State, snapshot_of
from infra_runtime.errors import ClusterError, RolloutError

#: seconds between two queries of the state of the cluster
_INTERVAL = 1.0
#: lines of a log in an error
_LINES = 20


def snapshot(kubectl: Kubectl, stack: str, operated: Iterable[str] = ()) -> Snapshot:
    """Return the workloads of a stack and their pods; if a workload is not done, also events of refused pods.

    `operated` are the kinds of the resources of operators.
    """
    kinds = ",".join((*KINDS, *operated, "replicasets.apps", "pods"))
    objects = kubectl.require(
        "get", kinds, f"--selector=app.kubernetes.io/part-of={stack}", "--output=json"
    ).objects()
    for resource in list(filter(is_operated, objects)):
        pods = f"--selector={resource['metadata']['annotations'][PODS]}"
        objects += kubectl.require("get", "pods", pods, "--output=json").objects()
    objects = [*keyed(objects).values()]  # a pod of an operator may also have the label of the stack
    current = snapshot_of(objects)
    if all(state.done for state in current.states().values()):
        return current
    events = kubectl.require("get", "events", "--field-selector=reason=FailedCreate", "--output=json")
    return snapshot_of(objects, events.objects())


def deployed_states(kubectl: Kubectl, stack: str) -> dict[Key, State]:
    """Return a mapping from the kind and name of each workload to its state.

    Raises `ClusterError` if the stack is not deployed.
    """
    states = snapshot(kubectl, stack, installed_kinds(kubectl)).states()
    if not states:
        raise ClusterError(
            f"the stack {stack} is not deployed in the namespace {kubectl.namespace}",
            "`infra workflows deploy` deploys it; --context and --namespace select another place.",
        )
    return states


def wait(
    kubectl: Kubectl,
    stack: str,
    wanted: Collection[Key],
    *,
    timeout: float,
    operated: Iterable[str] = (),
    between: Callable[[], None] = lambda: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[State]:
    """Wait until the workloads in `wanted` are done; yield the state of a workload when it changes.

    `operated` are the kinds of those workloads whose pods an operator creates. `between` is called before
    each query of the cluster.

    Raises `RolloutError` when one of the workloads has failed, or after `timeout` seconds.
    """
    deadline = clock() + timeout
    previous: dict[Key, State] = {}
    while True:
        between()
        states = {
            workload: state
            for workload, state in snapshot(kubectl, stack, operated).states().items()
            if workload in wanted
        }
        for workload, state in states.items():
            if previous.get(workload) != state:
                yield state
        previous = states
        for state in states.values():
            if state.failure:
                raise failed(kubectl, state, state.failure)
        pending = [workload for workload in wanted if workload not in states or not states[workload].done]
        if not pending:
            return
        if clock() > deadline:
            reason = states[pending[0]].reason if pending[0] in states else "it was deleted"
            raise RolloutError("/".join(pending[0]), f"it is not ready after {timeout:g} s: {reason}")
        sleep(_INTERVAL)


def failed(kubectl: Kubectl, state: State, failure: Failure) -> RolloutError:
    """Return the error of a failed workload, with the last lines of the failed container's log."""
    lines: list[str] = []
    if failure.pod and failure.container:
        for previous in (["--previous"], []):
            answer = kubectl.run(
                "logs", failure.pod, f"--container={failure.container}", f"--tail={_LINES}", *previous
            )
            if answer.code == 0 and answer.out:
                lines = answer.out.splitlines()[-_LINES:]
                break
    return RolloutError(f"{state.kind}/{state.name}", failure.reason, lines, refusal_hint(failure.reason))
