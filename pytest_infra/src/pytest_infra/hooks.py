"""The hook that users implement to isolate their own services.

Every run loads this module, so it imports only small modules.
"""

from __future__ import annotations

import pytest

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from infra_runtime.engines.local.stack import Endpoint


@pytest.hookspec(firstresult=True)
def pytest_infra_isolate(
    service: str, endpoint: Endpoint, label: str
) -> AbstractContextManager[Mapping[str, str]] | None:
    """Return a context manager that creates an isolation unit of a service and removes it at its exit.

    `label` is the id of the test, class or module that uses the unit (empty for the session), or the argument
    `label` of `infra_unit`. The context manager yields a mapping from name to value: the exports of the unit
    that differ from the exports of the service. If all implementations of the hook return None, the test uses
    the shared service.
    """
