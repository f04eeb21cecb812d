"""axe-core, which finds violations of the accessibility guidelines in a page of the browser.

The package is licensed under the MPL-2.0 and used by tests only. Source: axe-core's API documentation.
"""

from __future__ import annotations

import os
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from infra_runtime.binaries.recipe import Npm, Recipe
from infra_runtime.binaries.sources import npm
from infra_runtime.cache import user_cache
from infra_runtime.errors import InfraError

VERSION = "4.14.1"
#: the rules for WCAG 2.0, 2.1 and 2.2 with the levels A and AA
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
#: the rules of these levels whose result depends on the colours
COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
#: the cache outside of the tests, which keeps the script
CACHE = user_cache()
_SOURCE = Npm(package="axe-core", version=VERSION)
_RECIPE = Recipe(name="axe-core", programs={}, sources=(_SOURCE,), licence="MPL-2.0", is_users=True)
#: makes the browser also draw elements outside of the window, because elements that are not drawn have no
#: size
_VISIBLE = """() => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync("* { content-visibility: visible !important; }");
  document.adoptedStyleSheets.push(sheet);
}"""
_RUN = """async (rules) => {
  const options = { runOnly: rules, resultTypes: ["violations"], preload: false };
  const { violations } = await axe.run(document, options);
  return violations.flatMap(({ id, nodes }) => nodes.map(({ target, html, any, all, none }) =>
    `${id}: ${target}: ${html.slice(0, 150)}: ${[...any, ...all, ...none].map(({ message }) => message)}`));
}"""


def script() -> str:
    """Return the script; npm downloads it once. If npm cannot, the test is skipped; in CI, it fails."""
    path = Path(CACHE or tempfile.gettempdir(), "npm", f"axe-core-{VERSION}.js")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            try:
                npm.lock(_RECIPE, _SOURCE, "", Path(folder))
            except InfraError as error:
                require = pytest.fail if os.environ.get("CI") else pytest.skip
                require(f"npm cannot download axe-core: {error}")
            (tarball,) = Path(folder).glob("*.tgz")
            with tarfile.open(tarball) as tar:
                content = tar.extractfile("package/axe.min.js")
                assert content
                partial_file = Path(folder, "part")
                partial_file.write_bytes(content.read())
            partial_file.replace(path)
    return path.read_text(encoding="utf-8")


def violations(page: Page, axe: str, *, only_colours: bool = False) -> list[str]:
    """Return the violations in a page: the rule, the element, and the reason.

    With `only_colours`, only the rules that depend on the colours are checked.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(axe)
        page.evaluate(_VISIBLE)
    results: list[Any] = page.evaluate(_RUN, COLOURS if only_colours else TAGS)
    return [str(result) for result in results]
