"""The tables that describe how each field of a service is exported to Kubernetes, and their page.

`python -m infra_runtime.engines.kubernetes.mapping > docs/reference/export-kubernetes.md` writes the page.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

from infra_runtime.engines.mapping import (
    CONTAINER_FIELDS,
    CONTAINER_IMAGE_KEYS,
    CONTAINER_REFERENCES,
    CONTAINER_USER_KEYS,
    FIELD_KEYS,
    Row,
    table,
)

_NAME = (
    "The name is also the host name. In the host name, `-` replaces `_`, a name that begins with a digit has "
    "the prefix `s-`, and a name with more than 52 characters (45 with an `operator`) is shortened and ends "
    "with a hash."
)
_ENV = (
    "A secret is a reference to the Secret `STACK-secrets`. The variables `INFRA_ENV` and `LOG_LEVEL` are "
    "added to your own services; the level is `debug` in development, `info` in staging and `warning` in "
    "production. A name with a character that is not printable ASCII is refused, and so is a value with a "
    "character that Kustomize cannot read (U+007F to U+009F, U+FFFE, U+FFFF)."
)
_NEEDS = (
    "Network policies allow only connections to the needed services and, for your own services, to addresses "
    "outside the cluster. If the image contains Python, an init container waits until the first port of each "
    "needed service accepts connections. A program in another image must repeat a failed connection, or "
    "exit; Kubernetes then starts the program again. A needed service without an image is refused."
)
_READY = (
    "A probe by HTTP or TCP becomes an `httpGet` or a `tcpSocket`. Other probes, and probes that check the "
    "content of an answer or accept another `status`, become a command in the image. If the image contains "
    "no program for the command, the export is refused. A task has no probe."
)

#: field of `ServiceSpec` → its row
SPEC: Mapping[str, Row] = {
    "name": Row(outcome="kept", attribute="`metadata.name`", remark=_NAME),
    "command": Row(
        outcome="changed",
        attribute="`command`, `args`",
        remark=(
            "The command of your own service is kept and written to both fields. For a service of the "
            "catalogue, arguments for the entry point of its image replace the command."
        ),
    ),
    "env": Row(outcome="kept", attribute="`env`", remark=_ENV),
    "cwd": Row(
        outcome="kept",
        attribute="`workingDir`",
        remark="A service of the catalogue uses the working directory of its image.",
    ),
    "prepare": Row(
        outcome="changed",
        attribute="ConfigMap, Secret, volume claim",
        remark=(
            "The entry point of the image prepares the data of the service. Commands and seeds of the local "
            "engine are not exported."
        ),
    ),
    "ports": Row(
        outcome="changed",
        attribute="Service, `containerPort`",
        remark=(
            "A service of the catalogue uses the port numbers of its image. A port below 1024 adds the "
            "capability `NET_BIND_SERVICE`, the only one that a pod can have."
        ),
    ),
    "ready": Row(
        outcome="changed",
        attribute="`startupProbe`, `readinessProbe`, `livenessProbe`",
        remark=_READY,
    ),
    "exports": Row(
        outcome="changed",
        attribute="the values that refer to the exports",
        remark=(
            "The values contain the name of the Service. A value with a path, a socket or `localhost` is "
            "refused."
        ),
    ),
    "needs": Row(outcome="kept", attribute="NetworkPolicy, `initContainers`", remark=_NEEDS),
    "start_timeout": Row(
        outcome="kept",
        attribute="`startupProbe.failureThreshold`, `activeDeadlineSeconds`",
        remark="Five minutes for the image and the node are added to the time of a task.",
    ),
    "stop": Row(
        outcome="changed",
        attribute="`terminationGracePeriodSeconds`",
        remark=(
            "The value is the sum of the seconds of all stop steps. The image determines the signal: a pod "
            "cannot set another signal."
        ),
    ),
    "restart": Row(
        outcome="changed",
        remark="Kubernetes always starts pods of services again, and repeats a failed Job three times.",
    ),
    "task": Row(
        outcome="kept",
        attribute="Job",
        remark=(
            "The name of the Job contains a hash of its content, because a Job cannot be changed. The data "
            "of a task are in a persistent volume claim."
        ),
    ),
    "watch": Row(outcome="left out", remark="To use changed files, build a new image."),
    "refuses_root": Row(outcome="changed", attribute="`runAsNonRoot`", remark="No container runs as root."),
    "container": Row(
        outcome="kept",
        attribute="Deployment, StatefulSet",
        remark=(
            "A service with data is a StatefulSet with one pod and a persistent volume claim; with the "
            "setting `operator`, the service is a resource of this operator. A folder of the project is "
            "refused, because a cluster does not contain the folder. If the kind of a service has no field "
            "`container`, the service is left out, and the command prints a note about this."
        ),
    ),
    **CONTAINER_FIELDS,
}

_CONTAINER = Row(
    outcome="kept",
    remark=(
        "`replicas` sets the number of pods, `storage` the size of the volume claim, `uid` the user, and "
        "`public` creates an Ingress. If no image is set, the name of the image is `REGISTRY/NAME:TAG`."
    ),
)

#: key of a user's own service in the stack file → its row
USER_SERVICE: Mapping[str, Row] = {
    "command": SPEC["command"],
    "cwd": SPEC["cwd"],
    **{key: SPEC[key] for key in (*FIELD_KEYS, "ports")},
    "route": Row(
        outcome="kept",
        attribute="the configuration of the proxy, Ingress",
        remark=(
            "The Ingress of the proxy contains the hosts of all routes, and a certificate of cert-manager. A "
            "host that is not a DNS name is refused."
        ),
    ),
    "container": _CONTAINER,
    **CONTAINER_USER_KEYS,
    "metrics": Row(
        outcome="kept",
        attribute="ServiceMonitor",
        remark="In staging and production; a metrics store of the stack collects the metrics, too.",
    ),
}

#: key of a user's service that has an `image` → its row
IMAGE_SERVICE: Mapping[str, Row] = {
    **CONTAINER_IMAGE_KEYS,
    "command": Row(outcome="kept", attribute="`args`"),
    "entrypoint": Row(outcome="kept", attribute="`command`"),
    "cwd": Row(outcome="kept", attribute="`workingDir`"),
    "user": Row(
        outcome="kept",
        attribute="`runAsUser`, `runAsGroup`, `fsGroup`",
        remark="A name is refused: Kubernetes needs a number.",
    ),
    "container_ports": Row(outcome="kept", attribute="`containerPort`"),
    "volumes": Row(
        outcome="changed",
        attribute="`volumeClaimTemplates`",
        remark="The path `${data}` is a volume claim; a path of this machine is refused.",
    ),
    **{key: USER_SERVICE[key] for key in USER_SERVICE if key not in {"command", "cwd"}},
}

#: reference → its row
REFERENCES: Mapping[str, Row] = {
    "${host}": Row(outcome="changed", attribute="`0.0.0.0`"),
    "${port.NAME}": Row(outcome="changed", remark="The value is the port number inside the container."),
    "${SERVICE.EXPORT}": Row(outcome="changed", remark="The value contains the name of the Service."),
    "${SERVICE.EXPORT?}": Row(
        outcome="changed", remark="The value is empty if the stack does not contain SERVICE."
    ),
    "${env.NAME}": Row(
        outcome="changed",
        attribute="`secretKeyRef`",
        remark="The value is the key NAME of the Secret `STACK-variables`, which you create.",
    ),
    "${env.NAME:-other}": Row(outcome="changed", remark="The value is `other`; an overlay can change it."),
    "${secret.NAME}": Row(
        outcome="changed",
        attribute="`secretKeyRef`",
        remark=(
            "The value is a key of the Secret `STACK-secrets`. In development, the command creates the files "
            "of this Secret. In other environments, you create the Secret, or the command writes a sealed "
            "secret. The passwords of a service with an `operator` are in the Secret that the operator "
            "creates. This reference is allowed only in `env`."
        ),
    ),
    "${data}": Row(outcome="changed", attribute="`volumeClaimTemplates`"),
    "${run}": Row(outcome="changed", attribute="`/tmp`", remark="Other containers cannot use this folder."),
    "${root}": Row(
        outcome="changed",
        remark=(
            "The value is `container.root`, or `/app` without `image`, `build` and `dockerfile`. Otherwise, "
            "the reference is refused."
        ),
    ),
    "${bin.NAME}": Row(outcome="changed", remark="The value is the name of the executable in the image."),
    "${stack.environment}": Row(outcome="kept"),
    "${stack.service}": Row(outcome="kept"),
    "${stack.logs}": Row(outcome="refused", remark="The cluster stores the logs."),
    **CONTAINER_REFERENCES,
}

_PAGE = """\
# How a stack is exported to Kubernetes

<!-- written by `python -m infra_runtime.engines.kubernetes.mapping`; a test compares it with the code -->

The command `infra export kubernetes` writes files for a stack, so that `kubectl apply -k` can run the stack
in a cluster. [Export a stack to Kubernetes](../how-to/export-to-kubernetes.md) explains how to use the
command. The tables on this page list every field of a service, and the outcome of its export:

- **kept**: Kubernetes has the same setting
- **changed**: Kubernetes has a setting with the same effect
- **left out**: the field is not exported, because only the local engine uses it
- **refused**: the command fails with an error that contains the line of the stack file

## A service of the stack

{spec}
## Your own service, in the stack file

{own}
## Your own service with an image

{image}
## References

{references}"""


def page() -> str:
    """Return the text of the page about the export to Kubernetes, in Markdown."""
    attribute_title = "in Kubernetes"
    return _PAGE.format(
        spec=table("field", attribute_title, SPEC),
        own=table("key", attribute_title, USER_SERVICE),
        image=table("key", attribute_title, IMAGE_SERVICE),
        references=table("reference", attribute_title, REFERENCES),
    )


if __name__ == "__main__":
    sys.stdout.write(page())
