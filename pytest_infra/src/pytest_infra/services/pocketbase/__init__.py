"""The kit of the kind `pocketbase`: a process on a copied folder for each test.

To empty collections by the API would leave settings, schemas, files, logs and rate limits as they were.
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
