"""Create a plan of port-forwards to a stack that runs in a cluster.

For each service of the deployed plan, the new plan contains a service with the same name, ports and exports,
but with the program `live.port_forward`. The local engine runs the new plan, so logs, restarts, leases,
probes and the leak check work as for other services.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from infra_runtime.config.resolve import Resolved
from infra_runtime.engines.kubernetes.cluster import Cluster
from infra_runtime.engines.kubernetes.engine import Kubernetes
from infra_runtime.engines.kubernetes.live.kubectl import kubectl
from infra_runtime.engines.project import project_name
from infra_runtime.engines.references import container_of, inner_port, secret_file
from infra_runtime.errors import ConfigurationError
from infra_runtime.manifest import KINDS
from infra_runtime.plan import make_plan
from infra_runtime.spec import (
    ExecProbe,
    Probe,
    Run,
    Secret,
    ServiceSpec,
    Step,
    TcpProbe,
    WriteFile,
    optional_export,
    references,
    references_in,
)
from infra_runtime.spec.references import OWN_SCOPES
from infra_runtime.value import frozen

#: the name of the data directory of the port-forwards, which is in the data directory of local stacks
FOLDER = "plan-kubernetes"
#: seconds until a port-forward must be ready; a new pod waits for the scheduler and the download of its image
_START = 90.0
_PACKAGE = "infra_runtime.engines.kubernetes.live"
#: the environment variables from which kubectl reads the address of the cluster and the folder of its cache
_VARIABLES = ("KUBECONFIG", "KUBECACHEDIR")


@frozen
class Place:
    """The deployed stack of a project: its environment, the context of its cluster, and its namespace."""

    environment: str = "development"
    #: the context in the kubeconfig; empty: the current context
    context: str = ""
    #: the namespace; empty: the name of the project
    namespace: str = ""


def forwarded(resolved: Resolved, place: Place, data: Path, names: Collection[str] = ()) -> Resolved:
    """Return a plan of port-forwards to the services of a resolved plan, for the local engine.

    The result does not contain tasks, which the deploy has already run, services that an operator runs, and
    services without a container or without a port. `data` is the data directory of local stacks.

    Raises:
        ConfigurationError: a service in `names` cannot have a port-forward. BinaryMissingError: kubectl is
        not installed.
    """
    root = Path(resolved.plan.root)
    engine = Kubernetes(project=project_name(root), namespace=place.namespace)
    cluster = engine.cluster(resolved.plan)
    for name in names:
        if reason := _omission(next(spec for spec in resolved.plan.services if spec.name == name)):
            raise ConfigurationError(
                f"a port-forward to {name} in the cluster is not possible: {reason}",
                where=f"services.{name}",
                hint="Run the tests of this service with the local engine (without --infra-engine).",
            )
    program = kubectl(engine.namespace_name(), place.context)
    services: dict[str, ServiceSpec] = {}
    for spec in resolved.plan.services:
        if not _omission(spec):
            forward = _Forward(cluster=cluster, namespace=program.namespace, context=place.context, spec=spec)
            services[spec.name] = forward.service(services)
    plan = make_plan(services.values(), environment="test", root=resolved.plan.root)
    return replace(
        resolved,
        plan=plan,
        data=data / FOLDER,
        binaries={"kubectl": program.program, "python": sys.executable},
    )


def _omission(spec: ServiceSpec) -> str:
    """Return the reason why a service has no port-forward; empty if it has a port-forward."""
    if spec.container is None:
        return "its kind has no container image, so it is not deployed"
    if spec.container.operator:
        return "an operator runs the service, and the operator's Services and Secrets have other names"
    if spec.task:
        return "the service is a task, which the deploy has completed"
    return "" if spec.ports else "the service does not listen on a port"


@frozen
class _Forward:
    """The port-forward to one service of a plan."""

    cluster: Cluster
    namespace: str
    context: str
    spec: ServiceSpec

    def service(self, available: Mapping[str, ServiceSpec]) -> ServiceSpec:
        """Return the service that forwards the ports; its exports can refer to `available` services."""
        spec, exports = self.spec, self._exports(available)
        secrets = self._secrets((exports,))
        return ServiceSpec(
            name=spec.name,
            kind=spec.kind,
            summary=f"port-forward to {self._host} in the namespace {self.namespace}",
            command=self._program(
                "port_forward",
                f"--stack={self.cluster.name}",
                f"--service={spec.name}",
                f"--host={self._host}",
                "--socket=${run}/proxy.socket",
                *(f"${{port.{name}}}:{inner_port(spec, name)}" for name in spec.ports),
            ),
            env=_variables(),
            prepare=(*self._preparation(secrets), *_files(spec)),
            ports=spec.ports,
            ready=_probe(spec),
            exports=exports,
            start_timeout=max(_START, spec.start_timeout),
            restart="always",
            sensitive=spec.sensitive,
        )

    @property
    def _host(self) -> str:
        return self.cluster.host_of(self.spec)

    def _program(self, module: str, *arguments: str) -> tuple[str, ...]:
        common = ("--kubectl=${bin.kubectl}", f"--namespace={self.namespace}", f"--context={self.context}")
        # With -P, Python does not import files of the working directory.
        return ("${bin.python}", "-P", "-m", f"{_PACKAGE}.{module}", *common, *arguments)

    def _exports(self, available: Mapping[str, ServiceSpec]) -> dict[str, str]:
        """Return the exports of the deployed service whose references have a value on this machine."""
        exports = {**self.spec.exports, **container_of(self.spec).exports}
        secrets = {f"secret.{name}" for name in container_of(self.spec).secret_files.values()}
        return {
            name: text
            for name, text in exports.items()
            if all(_is_known(reference, secrets, available) for reference in references(text))
        }

    def _secrets(self, value: object) -> list[str]:
        names = references_in(value)
        return sorted({name.removeprefix("secret.") for name in names if name.startswith("secret.")})

    def _preparation(self, secrets: Iterable[str]) -> tuple[Step, ...]:
        """Return the steps that read the passwords of the service from the Secret of the stack."""
        pairs = [f"{secret_file(self._host, name)}=${{data}}/{name}.secret" for name in secrets]
        if not pairs:
            return ()
        read_secrets = Run(
            command=self._program("secret_files", f"--secret={self.cluster.secrets}", *pairs),
            env=_variables(),
        )
        # The command has created the files, so the steps `Secret` only declare the names of the secrets.
        return (read_secrets, *(Secret(path=f"${{data}}/{name}.secret") for name in secrets))


def _variables() -> dict[str, str]:
    """Return the variables that kubectl reads. The plan contains them, so other values make another plan."""
    return {name: os.environ[name].replace("$", "$$") for name in _VARIABLES if os.environ.get(name)}


def _files(spec: ServiceSpec) -> tuple[Step, ...]:
    """Return the steps that write files whose path and text refer to `${data}`, and to nothing else.

    The plugin reads some of these files.
    """
    return tuple(
        step for step in spec.prepare if isinstance(step, WriteFile) and {*references_in(step)} == {"data"}
    )


def _is_known(reference: str, secrets: Collection[str], available: Mapping[str, ServiceSpec]) -> bool:
    """Return whether a reference in an export has a value at the local end of a port-forward."""
    if reference in {"data", "run", "root", "out"}:
        return False
    scope, dot, name = reference.partition(".")
    if scope == "secret":
        return reference in secrets
    if not dot or scope in OWN_SCOPES:
        return scope != "bin"
    if optional := optional_export(reference):
        scope, name = optional
    return scope in available and name in available[scope].exports


def _probe(spec: ServiceSpec) -> Probe:
    """Return the probe that checks whether a server answers through its port-forward.

    The port-forward starts when the pod is ready, so this probe only checks the connection. The probe in
    `ready` may need a password, a file or a program that only a local server has. Therefore, the result is
    the kind's probe for its protocol (`Entry.protocols`), which also works for a server in a pod. For a kind
    without such a probe, the result is `ready` if `ready` refers to the host and the ports only, and the kind
    has no other health check in its container; otherwise, it is a probe that opens a TCP connection.
    """
    if spec.kind in KINDS and KINDS[spec.kind].protocols:
        from infra_runtime import catalogue  # imported here because the import of pydantic is slow

        for probe in catalogue.entry(spec.kind).protocols.values():
            if probe.port in spec.ports:
                return probe
    spec_probe = spec.ready
    scopes = {name.partition(".")[0] for name in references_in(spec_probe)}
    is_local = bool(spec.kind and container_of(spec).health) or bool(scopes - {"host", "port", "stack"})
    if spec_probe is None or isinstance(spec_probe, ExecProbe) or is_local:
        return TcpProbe(port=next(iter(spec.ports)))
    return spec_probe
