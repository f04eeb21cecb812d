"""The service kit of the kind `prometheus`: tests share the server, and each test has its own label."""

from __future__ import annotations

from pytest_infra.kit import KitFixture, ServiceKit

KIT = ServiceKit(
    kind="prometheus",
    variants=("label",),
    units="pytest_infra.shared_units:labels",
    dump="pytest_infra.services.prometheus.dump:dump",
    fixtures=(
        KitFixture(
            # Not `{service}_client`, which is the name of a library that tests import.
            name="{service}_queries",
            function="pytest_infra.services.prometheus.queries:queries",
            summary='Queries after the next scrape: `{service}_queries.value("orders_total")`.',
        ),
    ),
)
