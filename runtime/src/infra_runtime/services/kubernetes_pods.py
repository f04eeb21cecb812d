"""The configuration of kwok, which determines the states that simulated nodes and pods report.

The tag of a pod's image determines the behaviour of the pod: `crashes`, `missing` (the image cannot be
pulled), `slow` (never ready), `hangs` (a task that never ends) and `fails` (a task that exits with 1). With
any other tag, a pod becomes ready, and a task is complete. A pod with the tag `hangs` or `fails` that is not
a task stays pending.

Sources: kwok documentation, "Stages Configuration", "Logs" and "PortForward".
"""

from __future__ import annotations

from typing import Any

_API = "kwok.x-k8s.io/v1alpha1"
_CONDITIONS = """\
conditions:
{{ range $type := list "Initialized" "PodScheduled" }}
- type: {{ $type }}
  status: "True"
  lastTransitionTime: {{ Now | Quote }}
{{ end }}
{{ range $type := list "ContainersReady" "Ready" }}
- type: {{ $type }}
  status: "%s"
  lastTransitionTime: {{ Now | Quote }}
{{ end }}
hostIP: {{ NodeIP | Quote }}
podIP: {{ PodIP | Quote }}
startTime: {{ Now | Quote }}
"""
_NODE_READY = """\
conditions:
- type: Ready
  status: "True"
  reason: KubeletReady
  lastHeartbeatTime: {{ Now | Quote }}
  lastTransitionTime: {{ Now | Quote }}
"""
_RUNNING = "  state: {running: {startedAt: {{ Now | Quote }}}}"
_EXITED = """\
  state:
    terminated:
      {exitCode: %d, reason: %s, startedAt: {{ Now | Quote }}, finishedAt: {{ Now | Quote }}}"""
_CRASHES = (
    "  state: {waiting: {reason: CrashLoopBackOff, message: back-off 10s restarting failed container}}\n"
    "  lastState: {terminated: {exitCode: 7, reason: Error, startedAt: {{ Now | Quote }},"
    " finishedAt: {{ Now | Quote }}}}"
)
_MISSING = "  state: {waiting: {reason: ImagePullBackOff, message: Back-off pulling image}}"

#: expressions that match only pods that are being deleted, or already have a state; a stage for new pods
#: excludes them
_NEW = (".metadata.deletionTimestamp", ".status.podIP")
_JOB = '.metadata.ownerReferences[]? | select(.kind == "Job")'


def documents(log: str) -> list[dict[str, Any]]:
    """Return the documents of kwok's configuration; `log` is the file that `kubectl logs` prints."""
    return [*_stages(), {**_named("ClusterLogs", "logs"), "spec": {"logs": [{"logsFile": log}]}}]


def _stages() -> list[dict[str, Any]]:
    ready, unready = _containers(_RUNNING, ready=True), _containers(_RUNNING, ready=False)
    special = tuple(_tagged(tag) for tag in ("crashes", "missing", "slow", "hangs", "fails"))
    return [
        _stage(
            "node-ready",
            {"statusTemplate": _NODE_READY},
            kind="Node",
            without=('.status.conditions[]? | select(.type == "Ready" and .status == "True")',),
        ),
        _stage(
            "pod-deleted",
            {"finalizers": {"empty": True}, "delete": True},
            match=(".metadata.deletionTimestamp",),
        ),
        # When the claim of a volume is deleted, another claim can use the volume.
        _stage(
            "volume-released",
            {"patches": [{"root": "spec", "template": "claimRef: null", "type": "merge"}]},
            kind="PersistentVolume",
            match=('.status | select(.phase == "Released")',),
        ),
        _pod("pod-ready", "Running", ready, is_ready=True, without=(*special, _JOB)),
        _pod(
            "pod-crashes",
            "Running",
            _containers(_CRASHES, ready=False, restarts=3),
            match=(_tagged("crashes"),),
        ),
        _pod("pod-missing", "Pending", _containers(_MISSING, ready=False), match=(_tagged("missing"),)),
        _pod("pod-slow", "Running", unready, match=(_tagged("slow"),)),
        _pod(
            "task-complete",
            "Succeeded",
            _containers(_EXITED % (0, "Completed"), ready=False),
            match=(_JOB,),
            without=special,
        ),
        _pod(
            "task-fails",
            "Failed",
            _containers(_EXITED % (1, "Error"), ready=False),
            match=(_JOB, _tagged("fails")),
        ),
        _pod("task-hangs", "Running", ready, is_ready=True, match=(_JOB, _tagged("hangs"))),
    ]


def _containers(state: str, *, ready: bool, restarts: int = 0) -> str:
    """Return the template for the status of the containers of a pod."""
    word = "true" if ready else "false"
    return f"""\
containerStatuses:
{{{{ range .spec.containers }}}}
- name: {{{{ .name | Quote }}}}
  image: {{{{ .image | Quote }}}}
  imageID: ""
  ready: {word}
  started: {word}
  restartCount: {restarts}
{state}
{{{{ end }}}}
"""


def _tagged(tag: str) -> str:
    return f'.spec.containers[] | select(.image | endswith(":{tag}"))'


def _pod(
    name: str,
    phase: str,
    containers: str,
    *,
    is_ready: bool = False,
    match: tuple[str, ...] = (),
    without: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Return the stage that sets the phase of a new pod and the status of its containers."""
    template = f"phase: {phase}\n{_CONDITIONS % is_ready}{containers}"
    return _stage(name, {"statusTemplate": template}, match=match, without=(*_NEW, *without))


def _stage(
    name: str,
    next_state: dict[str, Any],
    *,
    kind: str = "Pod",
    match: tuple[str, ...] = (),
    without: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Return a stage of kwok, a rule that changes or deletes resources of the type `kind`.

    The stage applies to the resources that match `match` and do not match `without`. `next_state` is the
    value of the key `next` in the stage.
    """
    expressions = [
        *({"key": key, "operator": "Exists"} for key in match),
        *({"key": key, "operator": "DoesNotExist"} for key in without),
    ]
    return {
        **_named("Stage", name),
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": kind},
            "selector": {"matchExpressions": expressions},
            "next": next_state,
        },
    }


def _named(kind: str, name: str) -> dict[str, Any]:
    return {"apiVersion": _API, "kind": kind, "metadata": {"name": name}}
