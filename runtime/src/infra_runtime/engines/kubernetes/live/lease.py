"""The lock of a deploy: a Lease in the namespace, with owner and expiry.

The times in the Lease come from the clock of the API server, so that the clocks of other machines have no
influence. Source: Kubernetes documentation, "Leases"; Kubernetes API reference, `LeaseSpec`.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from infra_runtime.engines.kubernetes.cluster import MANAGER
from infra_runtime.engines.kubernetes.live.kubectl import Answer, Kubectl, Object
from infra_runtime.errors import ClusterError, DeployLockedError
from infra_runtime.host import processes
from infra_runtime.value import frozen

NAME = "infra-deploy"
#: seconds after the last renewal for which the lock is valid
VALID = 60
#: seconds after which the lock is renewed; a call of kubectl takes less than the remaining validity
RENEWAL = 10.0
#: seconds between two attempts to get the lock
_INTERVAL = 1.0
_OWNER = "infra/owner"


@frozen
class Owner:
    """The process that holds a lock."""

    user: str
    host: str
    pid: int
    #: the start time of the process, which distinguishes it from a later process with the same pid
    started: str
    #: the running system and the namespace in which the pid is valid; empty if they are unknown
    machine: str
    #: a random value, because the same process can deploy twice
    token: str

    def is_gone(self) -> bool:
        """Return whether the owner is a process of this machine that has exited."""
        return (
            bool(self.machine) and self.machine == _machine() and processes.started(self.pid) != self.started
        )

    def __str__(self) -> str:
        return f"{self.user} on {self.host} (process {self.pid})"


def this_process() -> Owner:
    """Return this process as the owner of a lock."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # the user has no entry in the password database
        user = str(os.getuid())
    pid = os.getpid()
    return Owner(
        user=user,
        host=socket.gethostname(),
        pid=pid,
        started=processes.started(pid),
        machine=_machine(),
        token=uuid.uuid4().hex,
    )


def _machine() -> str:
    """Return an id of the current boot of this machine, with the id of this process's pid namespace.

    Sources: random(4), pid_namespaces(7).
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def owner_of(lease: Object) -> Owner | None:
    """Return the owner of a Lease; None if it has no owner, or if another program has written the owner."""
    if not lease["spec"].get("holderIdentity"):
        return None
    text = (lease["metadata"].get("annotations") or {}).get(_OWNER, "")
    try:
        return Owner(**json.loads(text))
    except (ValueError, TypeError):
        return None


def seconds_left(lease: Object, now: datetime) -> float:
    """Return for how many seconds a Lease is still valid; 0 if it has expired or has no owner."""
    spec = lease["spec"]
    if not spec.get("holderIdentity") or not spec.get("renewTime"):
        return 0.0
    expiry = parsed(spec["renewTime"]) + timedelta(seconds=spec.get("leaseDurationSeconds") or 0)
    return max(0.0, (expiry - now).total_seconds())


def document(owner: Owner | None, now: datetime, version: str = "") -> dict[str, Any]:
    """Return the Lease of an owner, or a free Lease for None; `version` is that of the Lease to replace."""
    metadata: dict[str, Any] = {"name": NAME, "labels": {"app.kubernetes.io/managed-by": MANAGER}}
    spec: dict[str, Any] = {"leaseDurationSeconds": VALID, "renewTime": f"{now:%Y-%m-%dT%H:%M:%S.%fZ}"}
    if owner:
        metadata["annotations"] = {_OWNER: json.dumps(asdict(owner))}
        spec["holderIdentity"] = owner.token
    if version:
        metadata["resourceVersion"] = version
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}


def parsed(text: str) -> datetime:
    """Return the time in a field of Kubernetes, such as `2030-01-01T00:00:00.000000Z`."""
    return datetime.fromisoformat(text)


class Lock:
    """The lock for deploys to one namespace, for a `with` statement.

    `renew` has to be called between all steps, because the lock expires `VALID` seconds after its renewal.
    """

    def __init__(
        self,
        kubectl: Kubectl,
        owner: Owner,
        *,
        wait: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._kubectl, self._owner = kubectl, owner
        self._wait, self._clock, self._sleep = wait, clock, sleep
        #: the time of the server, and the time of `clock` at the same moment
        self._server_time, self._read_at = datetime.now(UTC), clock()
        self._version, self._renewed = "", clock()

    def __enter__(self) -> Self:
        """Get the lock. Raises `DeployLockedError` if another deploy still has it after `wait` seconds."""
        began = self._clock()
        while True:
            self._read_server_time()
            holder, left = self._try()
            if not holder:
                return self
            if self._clock() - began >= self._wait:
                raise DeployLockedError(self._kubectl.namespace, holder, left)
            self._sleep(_INTERVAL)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the lock. If another deploy has got the lock in the meantime, the Lease does not change."""
        self._kubectl.run("replace", "--filename=-", documents=[document(None, self._now(), self._version)])

    def renew(self) -> None:
        """Renew the lock if it was not renewed for some time.

        Raises `DeployLockedError` if the Lease cannot be replaced, usually because another deploy has got the
        lock while this process was paused.
        """
        if self._clock() - self._renewed < RENEWAL:
            return
        if self._write("replace", self._version).code:
            owner = "another deploy, because this deploy did not renew it in time"
            raise DeployLockedError(self._kubectl.namespace, owner, 0.0)

    def _try(self) -> tuple[str, float]:
        """Try to get the lock; return its other owner, and the seconds until the lock expires.

        If this process has got the lock, return an empty text and 0.
        """
        created = self._write("create")
        if created.code == 0:
            return "", 0.0
        leases = self._kubectl.require("get", "lease", NAME, "--output=json", "--ignore-not-found").objects()
        if not leases:
            raise ClusterError(f"the Lease {NAME} cannot be created: {'; '.join(created.problems)}")
        owner, left = owner_of(leases[0]), seconds_left(leases[0], self._now())
        if left > 0 and not (owner and owner.is_gone()):
            return str(owner or leases[0]["spec"]["holderIdentity"]), left
        if self._write("replace", leases[0]["metadata"]["resourceVersion"]).code:
            return "another deploy", float(VALID)
        return "", 0.0

    def _write(self, verb: str, version: str = "") -> Answer:
        """Create the Lease (fails if it exists), or replace it (fails if its version is not `version`)."""
        made = document(self._owner, self._now(), version)
        answer = self._kubectl.run(verb, "--filename=-", "--output=json", documents=[made])
        if answer.code == 0:
            self._version = answer.objects()[0]["metadata"]["resourceVersion"]
            self._renewed = self._clock()
        return answer

    def _read_server_time(self) -> None:
        """Read the time of the API server, from its answer to the dry run of a new resource."""
        self._read_at = self._clock()
        probe = document(None, datetime.now(UTC))
        probe["metadata"]["name"] = f"{NAME}-time"
        answer = self._kubectl.require(
            "create", "--dry-run=server", "--filename=-", "--output=json", documents=[probe]
        )
        self._server_time = parsed(answer.objects()[0]["metadata"]["creationTimestamp"])

    def _now(self) -> datetime:
        return self._server_time + timedelta(seconds=self._clock() - self._read_at)
