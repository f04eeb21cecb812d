"""A cluster for tests, of the kind `kubernetes`: a real control plane with simulated nodes and pods."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import infra_runtime as infra
from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.engines.yaml_text import inline

#: seconds for one call of kubectl, and for the start of a cluster on a busy machine
PATIENCE, START_TIMEOUT = 120.0, 900.0


class ControlPlane:
    """A running cluster, and the file with the address and the token of its API server."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.kubeconfig = Path(endpoint["kubeconfig"])
        #: the text that `kubectl logs` prints for each container
        self.log = Path(endpoint["pod_log"])

    @property
    def environ(self) -> dict[str, str]:
        """The environment variables that make kubectl use this cluster."""
        cache = self.endpoint.data / "kubectl-cache"
        return {"KUBECONFIG": str(self.kubeconfig), "KUBECACHEDIR": str(cache)}

    def kubectl(self, *arguments: str, document: Any = None) -> str:
        """Run kubectl, and return its output."""
        process = subprocess.run(
            ["kubectl", *arguments], input=inline(document) if document else None, text=True,
            capture_output=True, timeout=PATIENCE, check=False, env={**os.environ, **self.environ},
        )  # fmt: skip
        assert process.returncode == 0, process.stderr
        return process.stdout

    def get(self, *arguments: str) -> Any:
        """Return the JSON document that `kubectl get` prints."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))


@contextlib.contextmanager
def control_plane(
    folder: Path, documents: Sequence[Mapping[str, Any]] = (), **settings: Any
) -> Iterator[ControlPlane]:
    """Run a cluster until the end of the `with` statement.

    `documents` are further documents of kwok's configuration, and `settings` further settings of the kind.
    """
    (folder / "infra.toml").write_text(
        'use = ["kubernetes"]\ntelemetry = false\ndashboard = false\n', encoding="utf-8"
    )
    with infra.start(
        directory=folder,
        environment="test",
        data=folder / "data",
        overrides={
            "services": {
                "kubernetes": {"start_timeout": START_TIMEOUT, "simulation": [*documents], **settings}
            }
        },
    ) as stack:
        yield ControlPlane(stack.kubernetes)
