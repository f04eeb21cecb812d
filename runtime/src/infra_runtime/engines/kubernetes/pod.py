"""Create the template of a service's pods: container, probes, volumes and security context."""

from __future__ import annotations

import math
from collections.abc import Mapping

from infra_runtime.engines.health import INTERVAL, SUCCESS, TIMEOUT, health_command
from infra_runtime.engines.kubernetes.cluster import Cluster, digest, labels, port_name
from infra_runtime.engines.kubernetes.values import Variables, plain
from infra_runtime.engines.references import (
    check_image,
    container_of,
    inner_port,
    secret_file,
    setting_key,
    working_folder,
)
from infra_runtime.engines.yaml_text import Value
from infra_runtime.errors import ConfigurationError
from infra_runtime.host.ports import UNPRIVILEGED
from infra_runtime.spec import HttpProbe, ServiceSpec, TcpProbe

#: seconds between two checks while a service starts
_START_INTERVAL = 2
#: the folder of the secret files in a container
_SECRETS = "/run/secrets"
#: the script of the init container, which waits for the needed services if the image contains Python
_WAIT = """\
import socket, sys, time
for address in sys.argv[1:]:
    host, _, port = address.rpartition(":")
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=2).close()
            break
        except OSError as error:
            print(f"{address}: {error}", flush=True)
            time.sleep(1)
"""


def pod_template(spec: ServiceSpec, cluster: Cluster) -> dict[str, Value]:
    """Return the template of the pods of a service.

    Raises:
        ConfigurationError: a setting cannot be exported; the error contains its dotted key.
    """
    container = container_of(spec)
    _check(spec)
    files = config_files(spec, cluster)
    main = _container(spec, cluster)
    security: dict[str, Value] = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    if container.uid:
        security |= {"runAsUser": container.uid, "runAsGroup": container.uid, "fsGroup": container.uid}
        security["fsGroupChangePolicy"] = "OnRootMismatch"
    pod: dict[str, Value] = {
        "automountServiceAccountToken": False,
        # With the default, a Service called `db` would set DB_PORT to tcp://…, although programs expect a
        # number.
        "enableServiceLinks": False,
        "securityContext": security,
        "containers": [main],
    }
    if waiting := _wait(spec, cluster, main):
        pod["initContainers"] = [waiting]
    if volumes := _volumes(spec, cluster):
        pod["volumes"] = volumes
    if spec.stop:
        pod["terminationGracePeriodSeconds"] = max(1, math.ceil(sum(step.seconds for step in spec.stop)))
    if cluster.plan.environment == "production" and cluster.is_scaled(spec):
        pod["topologySpreadConstraints"] = spread(labels(cluster, spec))
    metadata: dict[str, Value] = {"labels": labels(cluster, spec)}
    if files:
        # The annotation changes with the files, so that Kubernetes then creates new pods.
        metadata["annotations"] = {"infra/files": digest(repr(sorted(files.items())))}
    return {"metadata": metadata, "spec": pod}


def config_files(spec: ServiceSpec, cluster: Cluster) -> dict[str, str]:
    """Return a mapping from path to text of the configuration files of a service."""
    return {path: plain(text, spec, cluster, "options") for path, text in container_of(spec).files.items()}


def config_key(path: str) -> str:
    """Return the key of a file in its ConfigMap; different paths have different keys."""
    return f"{digest(path)[:6]}-{path.rpartition('/')[2]}"


def claim_name(spec: ServiceSpec, cluster: Cluster) -> str:
    """Return the name of the volume claim for the data of a task: a Job has no templates for claims."""
    return f"{cluster.host_of(spec)}-data"


def image(spec: ServiceSpec, cluster: Cluster) -> str:
    """Return the name of a service's image; for an image that is built, REGISTRY/SERVICE:TAG."""
    container = container_of(spec)
    return container.image or f"{cluster.registry}/{cluster.host_of(spec)}:{cluster.tag}"


def _check(spec: ServiceSpec) -> None:
    container = container_of(spec)
    where = setting_key(spec.name, "container")
    if container.problem:
        raise ConfigurationError(f"{spec.name}: {container.problem}", where)
    if paths := [*container.mounts, *container.binds.values()]:
        raise ConfigurationError(
            f"{spec.name} uses the path {paths[0]!r} of this machine, which does not exist in a cluster",
            where=setting_key(spec.name, "routes" if container.mounts else "volumes"),
            hint="Copy the files into an image, and use this image.",
        )
    check_image(spec)
    if container.user and not container.uid:
        raise ConfigurationError(
            f"{spec.name} has the user {container.user!r}, but Kubernetes requires a number other than 0",
            where=setting_key(spec.name, "user"),
            hint=f"Set `user` of {spec.name} to the number of the user in the image, such as 1000.",
        )


def _container(spec: ServiceSpec, cluster: Cluster) -> dict[str, Value]:
    container = container_of(spec)
    is_users_service = not spec.kind
    variables = Variables(cluster, spec)
    command = [variables.word(word, "command") for word in container.command]
    if is_users_service:
        variables.set("INFRA_ENV", cluster.plan.environment)
        variables.set("LOG_LEVEL", cluster.size.log_level)
    for name, text in container.env.items():
        variables.add(name, text)
    for name, secret in container.secret_files.items():
        variables.set(name, f"{_SECRETS}/{secret_file(cluster.host_of(spec), secret)}")
    main_container: dict[str, Value] = {"name": cluster.host_of(spec), "image": image(spec, cluster)}
    if container.entrypoint:
        main_container |= {"command": list(container.entrypoint), "args": command}
    elif container.entrypoint is not None:
        # Both fields are written, so that the image determines neither of them.
        main_container |= {"command": command[:1], "args": command[1:]}
    elif command:
        main_container["args"] = command
    if is_users_service and (folder := _working_folder(spec, cluster)):
        main_container["workingDir"] = folder
    main_container["env"] = variables.entries()
    main_container["ports"] = [
        {"name": name, "containerPort": inner_port(spec, port), "protocol": "TCP"}
        for port, name in port_names(spec).items()
    ]
    main_container |= _probes(spec, cluster)
    main_container["resources"] = resources(spec, cluster)
    privileged = any(inner_port(spec, port) < UNPRIVILEGED for port in spec.ports)
    capabilities: dict[str, Value] = {"drop": ["ALL"]}
    if privileged:
        capabilities["add"] = ["NET_BIND_SERVICE"]
    main_container["securityContext"] = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": capabilities,
    }
    main_container["volumeMounts"] = _mounts(spec)
    return {key: value for key, value in main_container.items() if value != []}


def resources(spec: ServiceSpec, cluster: Cluster) -> dict[str, Value]:
    """Return the processor time and memory that a pod of a service requests, and the limit of its memory."""
    is_users_service, size = not spec.kind, cluster.size
    return {
        "requests": {
            "cpu": size.cpu if is_users_service else "100m",
            "memory": size.memory if is_users_service else "256Mi",
        },
        "limits": {"memory": size.most_memory if is_users_service else "1Gi"},
    }


def spread(pod_labels: Mapping[str, Value]) -> list[Value]:
    """Return the constraint that spreads the pods with these labels over the zones of a cluster."""
    return [
        {
            "maxSkew": 1,
            "topologyKey": "topology.kubernetes.io/zone",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": pod_labels},
        }
    ]


def port_names(spec: ServiceSpec) -> dict[str, str]:
    """Return a mapping from port to its name in Kubernetes; each name is unique in the service."""
    names: dict[str, str] = {}
    for port in spec.ports:
        names[port] = port_name(port, names.values())
    return names


def _working_folder(spec: ServiceSpec, cluster: Cluster) -> str:
    """Return the working directory of a container; empty if it is the working directory of the image."""
    if spec.image:
        return container_of(spec).working_folder
    return plain(working_folder(spec), spec, cluster, "cwd")


# --- probes ----------------------------------------------------------------------------------------


def _probes(spec: ServiceSpec, cluster: Cluster) -> dict[str, Value]:
    """Return the probes of a container.

    All times and thresholds are written, so that they do not depend on the defaults of Kubernetes.
    """
    check, timeout = _check_of(spec, cluster)
    if not check:
        return {}
    seconds = max(1, math.ceil(timeout))

    def probe(period: int, failures: int) -> dict[str, Value]:
        return {
            **check,
            "initialDelaySeconds": 0,
            "periodSeconds": max(period, seconds if "exec" in check else 1),
            "timeoutSeconds": seconds,
            "successThreshold": 1,
            "failureThreshold": failures,
        }

    start_period = max(_START_INTERVAL, seconds if "exec" in check else 1)
    return {
        "startupProbe": probe(_START_INTERVAL, max(1, math.ceil(spec.start_timeout / start_period))),
        "readinessProbe": probe(INTERVAL, 3),
        # After 3 failed checks, a pod gets no requests; its container is restarted only after 6 failed
        # checks.
        "livenessProbe": probe(INTERVAL, 6),
    }


def _check_of(spec: ServiceSpec, cluster: Cluster) -> tuple[dict[str, Value], float]:
    """Return the check of a service's probe, and its time limit in seconds; without a probe, ({}, 0)."""
    probe = spec.ready
    if not container_of(spec).health:
        if isinstance(probe, HttpProbe) and not probe.contains and probe.status == SUCCESS and not spec.task:
            request: dict[str, Value] = {
                "path": plain(probe.path, spec, cluster, "ready"),
                "port": inner_port(spec, probe.port),
                "scheme": "HTTPS" if probe.tls else "HTTP",
            }
            if probe.headers:
                request["httpHeaders"] = [
                    {"name": name, "value": plain(value, spec, cluster, "ready")}
                    for name, value in sorted(probe.headers.items())
                ]
            return {"httpGet": request}, TIMEOUT
        if isinstance(probe, TcpProbe) and not spec.task:
            return {"tcpSocket": {"port": inner_port(spec, probe.port)}}, TIMEOUT
    command = health_command(spec)
    if command is None:
        return {}, 0
    words = [plain(word, spec, cluster, command.field) for word in command.words]
    return {"exec": {"command": words}}, command.timeout


def _wait(spec: ServiceSpec, cluster: Cluster, main: Mapping[str, Value]) -> dict[str, Value] | None:
    """Return the init container that waits for the needed services.

    It does not wait for tasks. The result is None if no other needed service has a port, or if the image
    contains no Python.
    """
    if container_of(spec).health_client != "python":
        return None
    addresses: list[Value] = [
        f"{cluster.address_of(need)}:{inner_port(need, next(iter(need.ports)))}"
        for need in cluster.needs(spec)
        if need.ports and not need.task and need.name in spec.all_needs()
    ]
    if not addresses:
        return None
    return {
        "name": "wait",
        "image": main["image"],
        "command": ["python", "-c", _WAIT],
        "args": addresses,
        "resources": main["resources"],
        "securityContext": main["securityContext"],
    }


# --- volumes ---------------------------------------------------------------------------------------


def _scratch(spec: ServiceSpec) -> dict[str, str]:
    """Return a mapping from name to folder for the volumes that are empty when a pod starts."""
    container = container_of(spec)
    folders = ["/tmp", *(folder for folder in container.writable if folder != container.data)]  # noqa: S108
    return {"tmp" if number == 0 else f"scratch-{number}": folder for number, folder in enumerate(folders)}


def _mounts(spec: ServiceSpec) -> list[Value]:
    container = container_of(spec)
    mounts: list[Value] = [{"name": name, "mountPath": folder} for name, folder in _scratch(spec).items()]
    if container.data:
        # `subPath`, because the root of a new file system contains `lost+found`, and some servers require an
        # empty folder.
        mounts.append({"name": "data", "mountPath": container.data, "subPath": "data"})
    mounts += [
        {"name": "files", "mountPath": path, "subPath": config_key(path), "readOnly": True}
        for path in container.files
    ]
    if container.secret_files:
        mounts.append({"name": "secrets", "mountPath": _SECRETS, "readOnly": True})
    return mounts


def _volumes(spec: ServiceSpec, cluster: Cluster) -> list[Value]:
    container = container_of(spec)
    volumes: list[Value] = [{"name": name, "emptyDir": {}} for name in _scratch(spec)]
    if container.data and spec.task:
        volumes.append({"name": "data", "persistentVolumeClaim": {"claimName": claim_name(spec, cluster)}})
    if container.files:
        volumes.append({"name": "files", "configMap": {"name": f"{cluster.host_of(spec)}-files"}})
    if container.secret_files:
        names = [secret_file(cluster.host_of(spec), name) for name in container.secret_files.values()]
        items: list[Value] = [{"key": name, "path": name} for name in names]
        secret: dict[str, Value] = {"secretName": cluster.secrets, "items": items, "defaultMode": 0o440}
        volumes.append({"name": "secrets", "secret": secret})
    return volumes
