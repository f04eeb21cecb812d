"""The common code of the commands that start, stop and restart services or wait for services."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing

from infra_cli import output
from infra_cli.target import Target
from infra_runtime.engines.local.client import Client, raise_failures
from infra_runtime.errors import NoStackError, UnknownServiceError, WaitTimeoutError
from infra_runtime.message import encode
from infra_runtime.messages import WAIT, Method, Names, Outcome, Phase, Wait

#: The seconds between two attempts to connect to a stack that is not running yet.
POLL_INTERVAL = 0.02


def control(target: Target, method: Method[Names, Outcome], names: Sequence[str], *, as_json: bool) -> None:
    """Start, stop or restart services, and print their phases.

    Raises the first failure of a service.
    """
    with target.client() as client:
        outcome = client.call(method, Names(services=tuple(names)))
    print_outcome(outcome, as_json=as_json)


def await_ready(target: Target, names: Sequence[str], seconds: float, *, as_json: bool) -> None:
    """Wait until the stack is running and the services are ready, and print their phases.

    Without `names`, all services are awaited; a stopped service is then not an error. Raises
    `WaitTimeoutError`, `UnknownServiceError` if the stack has no service with one of the names, or the first
    failure of a service.
    """
    deadline = time.monotonic() + seconds
    while True:
        remaining_seconds = max(deadline - time.monotonic(), 0.001)
        try:
            with closing(Client.connect(target.paths())) as client:
                outcome = client.call(WAIT, Wait(services=tuple(names), timeout=remaining_seconds))
            pending = _not_ready(outcome, names)
            if not pending:
                break
        except NoStackError as error:
            pending = {"stack": str(error)}
        except UnknownServiceError as error:
            if error.known:
                raise
            pending = dict.fromkeys(names, "the service has not been started yet")
        except WaitTimeoutError as error:
            raise WaitTimeoutError(seconds, error.pending) from None
        if time.monotonic() > deadline:
            raise WaitTimeoutError(seconds, pending)
        time.sleep(POLL_INTERVAL)
    print_outcome(outcome, as_json=as_json)


def _not_ready(outcome: Outcome, names: Sequence[str]) -> dict[str, str]:
    """Return the phases of those services in `names` that are neither ready nor failed, such as `stopped`.

    `outcome` is the answer to the request `WAIT`, so no service is still starting.
    """
    return {
        service.name: service.phase
        for service in outcome.services
        if service.name in names and not service.ready and service.phase is not Phase.FAILED
    }


def print_outcome(outcome: Outcome, *, as_json: bool) -> None:
    """Print the services in the supervisor's answer, and raise an error for the first failure in it."""
    if as_json:
        output.say_json({"services": encode(outcome.services)})
    else:
        for line in output.columns(
            (service.name, output.phase(service.phase)) for service in outcome.services
        ):
            output.say(line)
    raise_failures(outcome.failures)
