"""What the tests of isolation share."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_infra.isolation.owner import Owner


@pytest.fixture
def owner(tmp_path: Path) -> Owner:
    """This process, in a data directory of its own."""
    return Owner(tmp_path, "")
