"""The spec (specification) of a service as frozen data that can be converted to JSON and back.

A spec contains references such as `${port.client}`, `${data}` and `${postgres.url}`, which an engine replaces
by values. To bind a spec means to replace its references. In `${…}`, these names are allowed:

    bin.NAME        the path of an executable; `bin.NAME@SERVICE` if only SERVICE uses the executable
    port.NAME       one of the service's own ports
    host            the address that the service listens on (always loopback for the supervisor)
    data            the data folder of the service, in the data directory or, in tests, in RAM
    run             a folder for the service's sockets, with a short path and mode 0700
    root            the folder of the stack file
    secret.NAME     the text of the secret that a `Secret` step created
    env.NAME        a variable of the client's environment or of the file `.env`; `${env.NAME:-default}` if it
                    may be unset
    stack.NAME      `environment`, `service` (the name of the service), `project` (the percent-encoded name of
                    the stack file's folder), `run` and `token` (texts that identify the run of the
                    supervisor), `logs` (the folder with the logs of all services), or `data` (the data
                    directory)
    out             in the steps of a `Seed`: the folder that these steps fill
    SERVICE.EXPORT  an export of another service; the reference also makes that service a need
    SERVICE.EXPORT? an export of another service, which does not make that service a need: the value is known
                    before that service starts, because the supervisor chooses the ports in advance (a value
                    with a secret is known when that service is prepared); the value is empty if the stack
                    does not contain that service

`$$` is replaced by a dollar sign.
"""

from __future__ import annotations

from infra_runtime.spec.codec import decode, encode
from infra_runtime.spec.container import Container, Operator
from infra_runtime.spec.probes import (
    Exchange,
    ExecProbe,
    Expect,
    HttpProbe,
    LengthPrefix,
    PortProbe,
    PostgresProbe,
    Probe,
    Quiesce,
    Send,
    TcpProbe,
    escape,
    unescape,
)
from infra_runtime.spec.references import (
    OWN_NAMES,
    OWN_SCOPES,
    bound_copy,
    is_open,
    map_texts,
    optional_export,
    optional_exports,
    other_service,
    references,
    references_in,
    rename,
    substitute,
    texts,
)
from infra_runtime.spec.service import TYPES, Restart, ServiceSpec, StopStep, decode_service
from infra_runtime.spec.steps import Remove, RequireFile, Run, Secret, Seed, Step, WriteFile
from infra_runtime.spec.variables import Default, merged

__all__ = [
    "OWN_NAMES",
    "OWN_SCOPES",
    "TYPES",
    "Container",
    "Default",
    "Exchange",
    "ExecProbe",
    "Expect",
    "HttpProbe",
    "LengthPrefix",
    "Operator",
    "PortProbe",
    "PostgresProbe",
    "Probe",
    "Quiesce",
    "Remove",
    "RequireFile",
    "Restart",
    "Run",
    "Secret",
    "Seed",
    "Send",
    "ServiceSpec",
    "Step",
    "StopStep",
    "TcpProbe",
    "WriteFile",
    "bound_copy",
    "decode",
    "decode_service",
    "encode",
    "escape",
    "is_open",
    "map_texts",
    "merged",
    "optional_export",
    "optional_exports",
    "other_service",
    "references",
    "references_in",
    "rename",
    "substitute",
    "texts",
    "unescape",
]
