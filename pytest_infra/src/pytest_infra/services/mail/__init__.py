"""The service kit of the kind `mail`: each test gets its own domain, with an inbox."""

from __future__ import annotations

from pytest_infra.kit import KitFixture, ServiceKit

KIT = ServiceKit(
    kind="mail",
    variants=("domain",),
    units="pytest_infra.services.mail.isolation:units",
    dump="pytest_infra.services.mail.dump:dump",
    urls={"smtp": "{url}"},
    fixtures=(
        KitFixture(
            name="{service}box",
            function="pytest_infra.services.mail.mailbox:mailbox",
            summary='The messages to the test\'s addresses: `{service}box.wait_for(subject="Welcome")`.',
        ),
        KitFixture(
            name="async_{service}box",
            function="pytest_infra.services.mail.mailbox:async_mailbox",
            summary='The messages, asynchronous: `await async_{service}box.wait_for(subject="Welcome")`.',
            asynchronous=True,
        ),
    ),
)
