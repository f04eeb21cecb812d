"""Chromium, which the browser tests use; `.ci/run` installs it."""

from __future__ import annotations

import os
import re
import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

PROGRAM = shutil.which("chromium")
#: In CI, the tests run without Chromium, too, and fail.
NEEDED = pytest.mark.skipif(
    PROGRAM is None and not os.environ.get("CI"), reason="Chromium is not installed (Debian: chromium)"
)
#: milliseconds for a condition in the browser, on a busy machine
PATIENCE = 60_000


def chromium() -> str:
    """Return the path of Chromium; without it, the test fails."""
    if PROGRAM is None:
        pytest.fail("Chromium is not installed; `apt-get install chromium` installs it", pytrace=False)
    return PROGRAM


def log_in(context: BrowserContext, link: str) -> Page:
    """Open a login link in a new tab; return the tab with the first page of the dashboard."""
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(link)
    page.wait_for_url(re.compile(r":\d+/$"))
    return page
