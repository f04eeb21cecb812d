"""The kit of the kind `pocketbase`: a process on a copied folder for each test.

Deleting records by the API would not reset settings, schemas, files, logs and rate limits.
"""

from __future__ import annotations

from pytest_infra.kit import ServiceKit

KIT = ServiceKit(
    kind="pocketbase",
    variants=("copy",),
    units="pytest_infra.services.pocketbase.isolation:units",
    dump="pytest_infra.services.pocketbase.dump:dump",
    urls={"http": "{url}"},
    secrets=("superuser_password",),
)
