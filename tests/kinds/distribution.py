"""Another distribution that adds a kind, installed into a separate folder like a wheel."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra_runtime import manifest

#: kind → the folder with the sources of the distribution
DISTRIBUTIONS = {"acme-memcached": Path(__file__).parent / "acme"}
KEPT = ("INFRA_TEST_SUITE", "INFRA_TEST_PROFILE", "INFRA_CACHE", "INFRA_BINARIES")
METADATA = "Metadata-Version: 2.1\nName: {kind}\nVersion: 1.0\n"
ENTRY_POINTS = """
[infra.services]
{kind} = {package}.service:ENTRY
[infra.kits]
{kind} = {package}.kit:KIT
"""


def install(kind: str, site: Path) -> None:
    """Install the distribution: its package, its metadata, and its server as an executable."""
    package = kind.replace("-", "_")
    shutil.copytree(DISTRIBUTIONS[kind] / package, site / package)
    server = site / package / "bin" / kind
    server.parent.mkdir()
    source = (site / package / "server.py").read_text(encoding="utf-8")
    server.write_text(f"#!{sys.executable} -IS\n{source}", encoding="utf-8")
    server.chmod(0o755)
    metadata = site / f"{package}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(METADATA.format(kind=kind), encoding="utf-8")
    (metadata / "entry_points.txt").write_text(
        ENTRY_POINTS.format(kind=kind, package=package), encoding="utf-8"
    )


@contextmanager
def installed(kind: str, site: Path) -> Iterator[None]:
    """Install the kind's distribution, unless it is shipped, for this process and its children.

    In the block, the environment has no variables of pytest-infra or pytest-xdist, except `KEPT`.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("INFRA_", "PYTEST_XDIST")) and name not in KEPT:
                patch.delenv(name)
        patch.delenv("CI", raising=False)
        if kind in DISTRIBUTIONS:
            install(kind, site)
            patch.syspath_prepend(site)
            patch.setenv("PYTHONPATH", str(site))
            manifest.joined.cache_clear()
        yield
    if kind in DISTRIBUTIONS:
        manifest.joined.cache_clear()
        package = kind.replace("-", "_")
        for module in [name for name in sys.modules if name.partition(".")[0] == package]:
            del sys.modules[module]
