"""The hook by which users isolate their own services. Every run loads this module, so it imports little."""

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
    """Prepare an isolation unit of a service; `label` is the id of the test, module or class that uses it.

    The value of the block contains the exports that differ from those of the service. The unit is removed
    when the block ends. If the hook returns None, the service is shared.
    """
