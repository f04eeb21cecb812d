"""The SBOM of an image in the format CycloneDX 1.6: locked Python packages, and Debian packages of the base.

The document has no time and no random number, so that one release of pytest-infra writes the same SBOM for
the same image.

Sources: CycloneDX 1.6, JSON schema; package-url, types `pypi` and `deb`; core metadata specifications,
`License-Expression`.
"""

from __future__ import annotations

import importlib.metadata
import re
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from infra_runtime import __version__
from infra_runtime.images.documents import json_bytes
from infra_runtime.images.locked import Locked
from infra_runtime.images.project import Project
from infra_runtime.value import frozen

MEDIA_TYPE = "application/vnd.cyclonedx+json"
#: the UUID namespace of the serial numbers, which are computed from the digest of the image
_NAMESPACE = uuid.UUID("b4c3c7f4-3a52-5d0e-9a53-6d8b7c1f6a10")


@frozen
class Package:
    """A package in an image."""

    name: str
    version: str
    #: the package URL
    purl: str
    #: the licence in the metadata of the package; empty if unknown
    licence: str = ""
    #: whether the licence is an SPDX expression
    is_spdx: bool = False
    #: the hashes in the lock file; one of them is the hash of the installed wheel
    hashes: tuple[str, ...] = ()


def installed_packages(folder: Path, locked: Sequence[Locked]) -> list[Package]:
    """Return the Python packages that are installed in a folder, sorted by name."""
    hashes = {_normal(package.name): package.hashes for package in locked}
    packages = {}
    for distribution in importlib.metadata.distributions(path=[str(folder)]):
        metadata = distribution.metadata
        name, version = _normal(metadata["Name"]), distribution.version
        licence = next((metadata[key] for key in ("License-Expression", "License") if key in metadata), "")
        packages[name] = Package(
            name=name,
            version=version,
            purl=f"pkg:pypi/{quote(name)}@{quote(version)}",
            licence=licence.strip().splitlines()[0][:200] if licence.strip() else "",
            is_spdx="License-Expression" in metadata,
            hashes=hashes.get(name, ()),
        )
    return [packages[name] for name in sorted(packages)]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()  # Source: PEP 503


def debian_packages(status: str, release: str) -> Iterator[Package]:
    """Yield the packages in the texts of `/var/lib/dpkg/status` and of `/etc/os-release` (`release`)."""
    variables: dict[str, str] = dict(re.findall(r"^(\w+)=(.*)$", release, re.MULTILINE))
    vendor = variables.get("ID", "debian").strip('"')
    distribution = variables.get("VERSION_CODENAME", "").strip('"')
    for paragraph in status.split("\n\n"):
        fields = dict(re.findall(r"^(Package|Version|Architecture|Status): (.*)$", paragraph, re.MULTILINE))
        if fields.get("Status", "").endswith(" installed") and {"Package", "Version"} <= fields.keys():
            qualifiers = f"?arch={fields.get('Architecture', 'all')}"
            qualifiers += f"&distro={vendor}-{distribution}" if distribution else ""
            name, version = fields["Package"], fields["Version"]
            purl = f"pkg:deb/{vendor}/{quote(name)}@{quote(version, safe='')}{qualifiers}"
            yield Package(name=name, version=version, purl=purl)


def document(project: Project, name: str, packages: Sequence[Package], digest: str) -> bytes:
    """Return the SBOM of an image with a digest."""
    unique = {package.purl: package for package in packages}
    root = f"image:{name}"
    bom: dict[str, Any] = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, digest)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "container",
                "bom-ref": root,
                "name": f"{project.name}/{name}",
                "version": project.version or project.revision or digest,
                "hashes": [{"alg": "SHA-256", "content": digest.removeprefix("sha256:")}],
            },
            "tools": {
                "components": [{"type": "application", "name": "pytest-infra", "version": __version__}]
            },
        },
        "components": [_component(unique[purl]) for purl in sorted(unique)],
        "dependencies": [{"ref": root, "dependsOn": sorted(unique)}],
    }
    return json_bytes(bom)


def _component(package: Package) -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": package.purl,
        "name": package.name,
        "version": package.version,
        "purl": package.purl,
    }
    if package.licence:
        choice = (
            {"expression": package.licence} if package.is_spdx else {"license": {"name": package.licence}}
        )
        component["licenses"] = [choice]
    if package.hashes:
        # One of these hashes is the hash of the installed wheel. The schema requires a URL, so the package
        # URL is used.
        hashes = [
            {"alg": "SHA-256", "content": digest.removeprefix("sha256:")} for digest in sorted(package.hashes)
        ]
        component["externalReferences"] = [{"type": "distribution", "url": package.purl, "hashes": hashes}]
    return component
