"""The checks before the first write: the server, its kinds, the namespace, the Secrets and the pods."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence

from infra_runtime.engines.kubernetes.cluster import MANAGER
from infra_runtime.engines.kubernetes.live.kubectl import Answer, Key, Kubectl, Object
from infra_runtime.engines.kubernetes.live.workloads import WORKLOADS
from infra_runtime.engines.references import LONGEST_LABEL, shortened
from infra_runtime.errors import ClusterError
from infra_runtime.value import frozen

#: the oldest minor version of Kubernetes 1 that has all rendered API versions and Pod Security
OLDEST = 25
#: the managers of fields whose values a deploy replaces: the user has set them with `scale` or `rollout
#: undo`, and an HPA that no longer exists was the manager of `replicas`
_REPLACED = frozenset({"kubectl", "kubectl-rollout", "kube-controller-manager", "infra-replicas"})
_CONFLICT = re.compile(r'conflicts? with "([^"]+)"')
_IMMUTABLE = re.compile(
    r'The (?P<kind>\w+) "(?P<name>[^"]+)" is invalid: .*'
    r"(?:field is immutable|updates to statefulset spec for fields other than)",
    re.DOTALL,
)
#: what the server answers to a smaller claim, or a larger one whose storage class cannot grow
_CLAIM = re.compile(
    r'(?:The PersistentVolumeClaim|persistentvolumeclaims) "(?P<name>[^"]+)" is '
    r"(?:invalid: spec[^:]*: Forbidden|forbidden: only dynamically provisioned pvc can be resized)"
)
_BYTES = 24
#: seconds until the default service account of a new namespace must exist
_ACCOUNT = 30.0


@frozen
class SecretKeys:
    """The name of a Secret that the pods of a stack need, and the keys that the Secret must have."""

    name: str
    keys: Sequence[str]
    #: whether missing keys get a random value, as in development
    generated: bool = False


def check_server(kubectl: Kubectl) -> str:
    """Return the version of the API server. Raises `ClusterError` if it is too old or cannot be reached."""
    document = json.loads(kubectl.require("version", "--output=json").out)
    version = document.get("serverVersion") or {}
    minor = re.match(r"\d+", version.get("minor", ""))
    text = str(version.get("gitVersion", "unknown"))
    if minor and version.get("major") == "1" and int(minor[0]) < OLDEST:
        raise ClusterError(
            f"the API server has the version {text}, and the resources need at least v1.{OLDEST}",
            "Update the cluster, or select another one with --context.",
        )
    return text


def check_kinds(kubectl: Kubectl, resources: Iterable[Object]) -> set[str]:
    """Return the kinds of the cluster. Raises `ClusterError` if the kind of a resource is missing in it.

    If an API service of the cluster does not answer, kubectl prints the kinds of the others, and then fails.
    """
    needed: dict[tuple[str, str], str] = {}
    for resource in resources:
        needed.setdefault((resource["apiVersion"], resource["kind"]), resource["metadata"]["name"])
    answer = kubectl.run("api-resources", "--no-headers")
    # The columns are: name, short names (may be empty), API version, whether it has a namespace, kind.
    lines = map(str.split, answer.out.splitlines())
    existing = {(words[-3], words[-1]) for words in lines if len(words) >= 4}
    if missing := [name for name in needed if name not in existing]:
        if answer.code:
            raise ClusterError(
                f"the kinds of the cluster cannot be listed: {'; '.join(answer.problems)}",
                "`kubectl get apiservices` shows which API service does not answer.",
            )
        names = "; ".join(
            f"{kind} ({version}), needed by {needed[version, kind]}" for version, kind in missing
        )
        raise ClusterError(
            f"the cluster does not have the kind {names}",
            "Install the operator of this kind with its CRDs, or leave the kind out with"
            f" --without {missing[0][1]}.",
        )
    return {kind for _, kind in existing}


def namespace_of(kubectl: Kubectl) -> Object | None:
    """Return the namespace of a stack; None if it does not exist."""
    namespaces = kubectl.require(
        "get", "namespace", kubectl.namespace, "--ignore-not-found", "--output=json"
    ).objects()
    return namespaces[0] if namespaces else None


def is_ours(resource: Object) -> bool:
    """Return whether infra has created a resource."""
    labels: Mapping[str, str] = resource["metadata"].get("labels") or {}
    return labels.get("app.kubernetes.io/managed-by") == MANAGER


def missing_keys(kubectl: Kubectl, wanted: SecretKeys) -> list[str]:
    """Return the keys that a Secret does not have."""
    secrets = kubectl.require("get", "secret", wanted.name, "--ignore-not-found", "--output=json").objects()
    existing = (secrets[0].get("data") or {}) if secrets else {}
    return [name for name in wanted.keys if name not in existing]


def check_secrets(missing: Mapping[str, Sequence[str]], namespace: str) -> None:
    """Raise `ClusterError` if a Secret has missing keys; `missing` maps a Secret's name to these keys."""
    missing = {name: keys for name, keys in missing.items() if keys}
    if missing:
        problems = [
            f"the Secret {name} does not have the keys {', '.join(keys)}" for name, keys in missing.items()
        ]
        files = {name: " ".join(f"--from-file={key}=FILE" for key in keys) for name, keys in missing.items()}
        commands = [
            f"`kubectl create secret generic {name} {options} --namespace={namespace}`"
            for name, options in files.items()
        ]
        raise ClusterError(
            "; ".join(problems), f"Run {' and '.join(commands)}, or add the keys to the existing Secrets."
        )


def generated_secret(wanted: SecretKeys, missing: Sequence[str], stack: str) -> dict[str, object]:
    """Return a Secret with random values for missing keys; its other keys stay as they are."""
    labels = {"app.kubernetes.io/part-of": stack, "app.kubernetes.io/managed-by": MANAGER}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": wanted.name, "labels": labels},
        "stringData": {name: secrets.token_hex(_BYTES) for name in missing},
    }


def dry_run(kubectl: Kubectl, resources: Sequence[Object], *, force: bool) -> tuple[list[Object], bool]:
    """Check resources on the server; return their planned states, and whether to apply them with `force`.

    The second value is true if `force` is true, or if there are conflicts, all with managers in `_REPLACED`.
    Raises `ClusterError` if the server refuses a resource or has a warning about it.
    """
    answer = kubectl.apply(resources, dry_run=True, force=force)
    managers = set(_CONFLICT.findall("\n".join(answer.problems)))
    if answer.code and managers and managers <= _REPLACED:
        force = True
        answer = kubectl.apply(resources, dry_run=True, force=True)
    require_accepted(answer)
    return answer.objects(), force


def require_accepted(answer: Answer) -> None:
    """Raise `ClusterError` if the server has refused a resource or has a warning about it."""
    text = "\n".join(answer.problems)
    if answer.code:
        if immutable := _IMMUTABLE.search(text):
            kind, name = immutable["kind"], immutable["name"]
            raise ClusterError(
                f"the change of {kind}/{name} is not possible: Kubernetes does not change some of its fields,"
                f" such as the selector and the volume claims ({_reason(text)})",
                f"Use --recreate {name}: the deploy then deletes {kind}/{name} and creates it again. Its pods"
                " are stopped meanwhile; its volume claims and their data are not deleted.",
            )
        if claim := _CLAIM.search(text):
            raise ClusterError(
                f"the change of the volume claim {claim['name']} is not possible: a claim can only grow, if"
                " its storage class allows this",
                "Use the previous value of `storage`, or move the data to another volume. A deploy never"
                " deletes data.",
            )
        if managers := sorted(set(_CONFLICT.findall(text))):
            raise ClusterError(
                f"other programs have changed fields of the stack ({', '.join(managers)}):\n{text}",
                "Use --force-conflicts to replace their values.",
            )
        raise ClusterError(f"the server refuses the resources:\n{text}", refusal_hint(text))
    if answer.warnings:
        raise ClusterError(
            "the server has warnings, which are errors here:\n" + "\n".join(dict.fromkeys(answer.warnings)),
            refusal_hint("\n".join(answer.warnings)),
        )


def _reason(text: str) -> str:
    """Return the names of the fields in a message about immutable fields; without names, return `spec`."""
    fields = re.findall(r"(spec[\w.\[\]]*): (?:Invalid value|Forbidden)", text)
    return ", ".join(dict.fromkeys(fields)) or "spec"


def refusal_hint(text: str) -> str:
    """Return how to fix the reason for which the server refuses a resource or a pod; empty if unknown."""
    if "violates PodSecurity" in text or "would violate PodSecurity" in text:
        return (
            "Change the table `container` of the service, or the label pod-security.kubernetes.io/enforce of"
            " the namespace."
        )
    if "exceeded quota" in text:
        return "Increase the quota of the namespace, or reduce `replicas` or `storage` of the service."
    if "failed quota" in text:
        return "The quota requires a value that the pods do not have: add a LimitRange with a default value."
    return ""


def check_pods(kubectl: Kubectl, workloads: Iterable[Object], live: Mapping[Key, Object]) -> None:
    """Send the pod of each workload as a dry run, because the server accepts a Deployment with invalid pods.

    Raises `ClusterError` if the server refuses a pod.
    """
    pods = [_pod(workload) for workload in workloads if workload["kind"] in WORKLOADS]
    if not pods:
        return
    replaced = {name for kind, name in live if kind == "StatefulSet"}
    deadline = time.monotonic() + _ACCOUNT
    while True:
        answer = kubectl.run(
            "create", "--dry-run=server", "--output=name", "--validate=strict", "--filename=-",
            documents=pods,
        )  # fmt: skip
        if "serviceaccount" not in "".join(answer.problems) or time.monotonic() > deadline:
            break
        time.sleep(0.2)  # the controller creates the account in a new namespace
    problems = [line for line in answer.problems if not _is_of_replaced_pod(line, replaced)]
    code = answer.code if problems else 0
    require_accepted(Answer(code=code, out="", problems=problems, warnings=answer.warnings))


def _is_of_replaced_pod(line: str, replaced: Iterable[str]) -> bool:
    """Return whether a line is about the quota of a pod which the new pod of a StatefulSet replaces."""
    return "exceeded quota" in line and any(f'"{_pod_name(name)}"' in line for name in replaced)


def _pod_name(workload: str) -> str:
    """Return the name of the pod for a dry run, shortened because the server warns about longer names."""
    return shortened(f"{workload}-infra-check", workload, (), LONGEST_LABEL)


def _pod(workload: Object) -> dict[str, object]:
    template = workload["spec"]["template"]
    spec = dict(template["spec"])
    if workload["kind"] == "StatefulSet":
        # The volumes of the claims exist for the pods of the set only.
        claims = [claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", ())]
        volumes = [{"name": name, "emptyDir": {}} for name in claims]
        spec["volumes"] = [*spec.get("volumes", ()), *volumes]
    metadata = {
        "name": _pod_name(workload["metadata"]["name"]),
        "namespace": workload["metadata"]["namespace"],
        "labels": template["metadata"].get("labels", {}),
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
