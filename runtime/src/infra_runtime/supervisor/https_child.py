"""The process that sends the request of an HTTPS probe, so that the supervisor does not import ssl."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
import time

from infra_runtime.spec import TYPES, HttpProbe, decode
from infra_runtime.spec.probes import PATIENCE
from infra_runtime.supervisor.probes import HTTPS_PROBE, attempt, interval


def main() -> None:
    """Run an HTTPS probe; the arguments are the host, the port and the path of a file.

    If the service is not ready, write the reason to the file and exit with 1.
    """
    host, port, reason_path = sys.argv[1:]
    probe = decode(json.loads(os.environ[HTTPS_PROBE]), TYPES)
    reason = asyncio.run(ready(probe, host, int(port)))
    if reason is not None:
        with open(reason_path, "w", encoding="utf-8") as file:
            file.write(reason)
        sys.exit(1)


async def ready(probe: HttpProbe, host: str, port: int) -> str | None:
    """Repeat the request until the service is ready; no attempt begins much later than after `PATIENCE` s.

    Return None if the service is ready, else the reason why the last request failed.
    """
    start = time.monotonic()
    while (reason := await _once(probe, host, port)) is not None:
        waited = time.monotonic() - start
        if waited > PATIENCE:
            return reason
        await asyncio.sleep(interval(waited))
    return None


async def _once(probe: HttpProbe, host: str, port: int) -> str | None:
    try:
        # Read again at each attempt: the server may create the file at its start.
        context = _context(probe.ca)
    except OSError as error:
        return f"{probe.ca}: {error.strerror or error}"
    return await attempt(probe, host, port, context)


def _context(ca: str) -> ssl.SSLContext:
    if ca:
        return ssl.create_default_context(cafile=ca)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
