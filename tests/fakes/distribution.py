"""A distribution that adds kinds by entry point, in its own folder on the import path."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from infra_runtime import catalogue

#: a kind that consumes and contributes metrics and consumes notes, and a kind that contributes a note; the
#: key of the notes is private
ACME = """
import json

from infra_runtime.binaries import Binary
from infra_runtime.catalogue import Entry, Port, Ports, ServiceSettings
from infra_runtime.contributions import Contribution, Metrics
from infra_runtime.spec import ServiceSpec


class StorePorts(Ports):
    http: Port = 19090


class StoreSettings(ServiceSettings):
    ports: StorePorts = StorePorts()


def store(settings, contributions):
    targets = [
        f"${{{offer.service}.host?}}:${{{offer.service}.{offer.value.port}_port?}}{offer.value.path}"
        for offer in contributions
        if offer.key == "metrics"
    ]
    notes = [offer.value for offer in contributions if offer.key == "acme-note"]
    return ServiceSpec(
        name="store",
        command=("${bin.python}", *targets, *notes),
        ports=settings.port_map(),
        exports={"host": "${host}", "port": "${port.http}"},
    )


STORE = Entry(
    summary="stores metrics",
    settings=StoreSettings,
    make=store,
    consumes=("metrics", "acme-note"),
    roles=("metrics-store",),
    contributions=lambda settings: [Contribution(key="metrics", value=Metrics(port="http"))],
    binaries=(Binary(name="python"),),
)
WORDS = Entry(
    summary="contributes a note",
    settings=ServiceSettings,
    make=lambda settings, contributions: ServiceSpec(name="words", command=("${bin.python}",)),
    contributions=lambda settings: [Contribution(key="acme-note", value="VERSION 1")],
    binaries=(Binary(name="python"),),
)
"""


class Distribution:
    """A distribution that is importable until the test ends."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch

    def install(self, module: str, code: str, points: Mapping[str, str]) -> None:
        """Write the module and the entry points, and put the folder on the import path."""
        info = self.folder / f"{module}-1.0.dist-info"
        info.mkdir(parents=True)
        (self.folder / f"{module}.py").write_text(code, encoding="utf-8")
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        lines = "\n".join(f"{name} = {module}:{target}" for name, target in points.items())
        (info / "entry_points.txt").write_text(f"[infra.services]\n{lines}\n")
        self._monkeypatch.syspath_prepend(self.folder)
        self._monkeypatch.setattr(sys, "dont_write_bytecode", True)
        self.uninstall()

    def uninstall(self) -> None:
        """Clear the imported modules and the caches, so that the next request behaves like a new process."""
        for path in self.folder.glob("*.py"):
            sys.modules.pop(path.stem, None)
        catalogue.joined.cache_clear()
