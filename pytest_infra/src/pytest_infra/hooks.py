"""The hook by which users isolate services of their own. Pytest is told at once: nothing is imported."""

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
    """Prepare a piece of a service for somebody, whose id is `label`.

    The block's value is the exports that are the piece's own; its end takes the piece away.
    None leaves the service as it is.
    """
