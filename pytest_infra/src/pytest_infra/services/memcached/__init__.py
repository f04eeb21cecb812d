"""The service kit of the kind `memcached`: each test gets a key prefix."""

from __future__ import annotations

from pytest_infra.kit import KitFixture, ServiceKit

KIT = ServiceKit(
    kind="memcached",
    variants=("prefix",),
    units="pytest_infra.services.memcached.isolation:units",
    dump="pytest_infra.services.memcached.dump:dump",
    install={"pymemcache": "pytest-infra[memcached]"},
    # pymemcache, Django and Flask-Caching accept this form.
    urls={"pymemcache": "{host}:{port}"},
    fixtures=(
        KitFixture(
            name="{service}_client",
            function="pytest_infra.services.memcached.clients:client",
            summary='A client of pymemcache with the prefix of the test: `{service}_client.get("stock")`.',
        ),
    ),
)
