"""Chromium, which the browser tests use; `.ci/run` installs it."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

#: The headless shell draws pages as Chromium does, but has no windows, and needs half of the processor time.
PROGRAM = shutil.which("chromium-headless-shell") or shutil.which("chromium")
#: Features of Chromium that are off. Each window loads a list of suggestions for addresses, which it does not
#: show, with more processor time than a page of the dashboard. The other features are those of Playwright's
#: list that matter for the tests, because the option replaces this list.
_FEATURES = (
    *("WebUIOmniboxPopup", "WebUIOmniboxAimPopup", "PaintHolding", "HttpsUpgrades"),
    *("AvoidUnnecessaryBeforeUnloadCheckSync", "DestroyProfileOnBrowserClose"),
)
#: all tabs share one process that draws their pages, because a new process for each tab is slow
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--renderer-process-limit=1"),
    f"--disable-features={','.join(_FEATURES)}",
)
#: In CI, the tests run without Chromium, too, and fail.
NEEDED = pytest.mark.skipif(
    PROGRAM is None and not os.environ.get("CI"),
    reason="Chromium is not installed (Debian: chromium-headless-shell)",
)
#: milliseconds for a condition in the browser, on a busy machine
PATIENCE = 60_000


def chromium() -> str:
    """Return the path of Chromium; without it, the test fails."""
    if PROGRAM is None:
        pytest.fail(
            "Chromium is not installed; `apt-get install chromium-headless-shell` installs it", pytrace=False
        )
    return PROGRAM


def tab(context: BrowserContext, url: str, cookie: str) -> Page:
    """Return a new tab, which is logged in to the dashboard with this address."""
    name = f"infra-{url.rpartition(':')[2]}"
    context.add_cookies([{"name": name, "value": cookie, "url": url, "httpOnly": True, "sameSite": "Strict"}])
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    return page
