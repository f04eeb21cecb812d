"""The fixture `owner`, which the tests of isolation share."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_infra.isolation.owner import Owner


@pytest.fixture
def owner(tmp_path: Path) -> Owner:
    """Return an owner for this process in an empty data directory."""
    return Owner(tmp_path, "")
