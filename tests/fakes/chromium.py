"""Chromium, which the browser tests use; `.ci/run` installs it."""

from __future__ import annotations

import os
import shutil

import pytest

PROGRAM = shutil.which("chromium")
#: In CI, the tests run without Chromium, too, and fail.
NEEDED = pytest.mark.skipif(
    PROGRAM is None and not os.environ.get("CI"), reason="Chromium is not installed (Debian: chromium)"
)


def chromium() -> str:
    """Return the path of Chromium; without it, the test fails."""
    if PROGRAM is None:
        pytest.fail("Chromium is not installed; `apt-get install chromium` installs it", pytrace=False)
    return PROGRAM
