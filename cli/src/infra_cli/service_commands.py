"""Orders to the services of a running stack, and what came of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from infra_cli import output
from infra_cli.target import Target
from infra_runtime.engines.local.client import Client, raise_failures
from infra_runtime.errors import NoStackError, UnknownServiceError, WaitTimeoutError

#: seconds between two looks for a stack that isn't there yet
KNOCK = 0.02


def order(target: Target, method: str, names: Sequence[str], *, as_json: bool) -> None:
    """`start`, `stop` or `restart` services, and tell how they are now. Raises the first failure."""
    with target.client() as client:
        answer = client.call(method, services=list(names))
    tell(answer, as_json=as_json)


def await_ready(target: Target, names: Sequence[str], seconds: float, *, as_json: bool) -> None:
    """Wait for services, and for the stack that has them. Raises `WaitTimeoutError` or the first failure."""
    deadline = time.monotonic() + seconds
    while True:
        left = max(deadline - time.monotonic(), 0.001)
        try:
            with closing(Client.connect(target.paths())) as client:
                answer = client.call("wait", services=list(names), timeout=left)
            pending = _at_rest(answer, names)
            if not pending:
                break
        except NoStackError as error:
            pending = {"stack": str(error)}
        except UnknownServiceError as error:
            if error.known:
                raise
            pending = dict.fromkeys(names, "nobody has asked for it yet")
        except WaitTimeoutError as error:
            raise WaitTimeoutError(seconds, error.pending) from None
        if time.monotonic() > deadline:
            raise WaitTimeoutError(seconds, pending)
        time.sleep(KNOCK)
    tell(answer, as_json=as_json)


def _at_rest(answer: dict[str, Any], names: Sequence[str]) -> dict[str, str]:
    """Services that were named, and that nobody starts at present."""
    return {
        service["name"]: service["phase"]
        for service in answer["services"]
        if service["name"] in names and not service["ready"] and service["phase"] != "failed"
    }


def tell(answer: dict[str, Any], *, as_json: bool) -> None:
    """The services of an answer; then its first failure is raised."""
    if as_json:
        output.say_json({"services": answer["services"]})
    else:
        for line in output.columns(
            (service["name"], output.phase(service["phase"])) for service in answer["services"]
        ):
            output.say(line)
    raise_failures({"failures": [], **answer})
