"""The service kit of the kind `pocketbase`: each test gets a process with a copy of the data.

If each test only deleted its records through the API, the settings, schemas, files, logs and rate limits
would not be reset.
"""

from __future__ import annotations

from pytest_infra.kit import ServiceKit

KIT = ServiceKit(
    kind="pocketbase",
    variants=("copy",),
    units="pytest_infra.services.pocketbase.isolation:units",
    local_needs={"copy": "a copy of its folder for each test"},
    dump="pytest_infra.services.pocketbase.dump:dump",
    urls={"http": "{url}"},
    secrets=("superuser_password",),
)
