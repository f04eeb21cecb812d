"""Base images for tests: the Python of this machine with some modules, or only names of files."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from infra_runtime.images import documents
from infra_runtime.images.documents import Descriptor, Platform
from infra_runtime.images.layers import Entry, write_layer
from infra_runtime.images.layout import Layout

#: the modules of the base image with Python; those that they import are also in the image
MODULES = "encodings.idna, encodings.latin_1, http.server, json, runpy, signal, ssl, typing, urllib.request"
VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
STATUS = """\
Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9+deb12u10

Package: removed
Status: deinstall ok config-files
Architecture: amd64
Version: 1.0
"""


def write_base(
    folder: Path,
    entries: Sequence[Entry],
    *,
    architectures: Sequence[str] = (MACHINE,),
    env: Mapping[str, str] | None = None,
) -> Layout:
    """Write a layout with an image of one layer; for several architectures, with an index of images."""
    layout = Layout.create(folder)
    layer = write_layer(layout, entries, time=0, compress=False)
    manifests = []
    for architecture in architectures:
        config = {
            "architecture": architecture,
            "os": "linux",
            "config": {"Env": [f"{name}={value}" for name, value in (env or {}).items()]},
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id]},
        }
        descriptor = layout.add(documents.json_bytes(config), documents.CONFIG)
        data = documents.manifest(descriptor, [layer.descriptor], {})
        manifest = layout.add(data, documents.MANIFEST)
        manifests.append(
            Descriptor(
                media_type=manifest.media_type,
                digest=manifest.digest,
                size=manifest.size,
                platform=Platform(architecture=architecture),
            )
        )
    image = manifests[0]
    if len(manifests) > 1:
        image = layout.add(documents.index(manifests), documents.INDEX)
    layout.save([image])
    return layout


def bare_base(folder: Path, *, architectures: Sequence[str] = ("amd64",)) -> Layout:
    """Write a base image that contains the name of an interpreter and Debian's list of packages."""
    entries = [
        Entry(name="usr/bin/python3.11", content=b"", executable=True),
        Entry(name="var/lib/dpkg/status", content=STATUS.encode()),
        Entry(name="etc/os-release", content=b"ID=debian\nVERSION_CODENAME=bookworm\n"),
    ]
    return write_base(folder, entries, architectures=architectures)


def python_base(folder: Path) -> Layout:
    """Write a base image with the Python of this machine, which can run a small web server."""
    entries = {entry.name: entry for entry in _python_files()}
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LD_LIBRARY_PATH": "/usr/local/lib"}
    return write_base(folder, list(entries.values()), env=env)


def _python_files() -> Iterator[Entry]:
    code = f"""\
import sys, sysconfig
import {MODULES}
print(sysconfig.get_path("stdlib"))
for module in list(sys.modules.values()):
    if file := getattr(module, "__file__", None):
        print(file)
"""
    command = [sys.executable, "-I", "-S", "-X", "frozen_modules=off", "-c", code]
    library, *files = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=300
    ).stdout.splitlines()
    program = os.path.realpath(sys.executable)
    yield Entry(name=f"usr/local/bin/python{VERSION}", content=Path(program), executable=True)
    shared = [program]
    for file in files:
        yield Entry(
            name=f"usr/local/lib/python{VERSION}/{Path(file).relative_to(library)}", content=Path(file)
        )
        shared += [file] if file.endswith(".so") else []
    # Python searches for its library with the first of these files and with the folder. From Python 3.13 on,
    # `sys.modules["collections.abc"]` has the name of another file.
    for name in ("os.py", "collections/abc.py"):
        yield Entry(name=f"usr/local/lib/python{VERSION}/{name}", content=Path(library) / name)
    yield Entry(name=f"usr/local/lib/python{VERSION}/lib-dynload")
    yield from _libraries(shared)
    yield Entry(name="tmp")


def _libraries(programs: Sequence[str]) -> Iterator[Entry]:
    """Yield the shared libraries of programs, and the loader at its absolute path."""
    process = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False, timeout=300)
    for line in process.stdout.splitlines():
        words = line.split()
        if "=>" in words and len(words) > 2 and words[2].startswith("/"):
            yield Entry(name=f"usr/local/lib/{words[0]}", content=Path(words[2]).resolve(), executable=True)
        elif words and words[0].startswith("/lib"):
            yield Entry(name=words[0].lstrip("/"), content=Path(words[0]).resolve(), executable=True)
