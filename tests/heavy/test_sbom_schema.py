"""SBOMs, validated by the schema of CycloneDX: `pip install 'cyclonedx-python-lib[json-validation]'`."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import pytest

from infra_runtime.images import sbom
from infra_runtime.images.project import Project

STATUS, RELEASE = Path("/var/lib/dpkg/status"), Path("/etc/os-release")


def test_the_sbom_of_this_environment_is_valid() -> None:
    """The packages of this machine stand for those of a base image, if it has Debian packages."""
    validation = pytest.importorskip("cyclonedx.validation.json")
    version = pytest.importorskip("cyclonedx.schema").SchemaVersion.V1_6
    packages = sbom.installed_packages(Path(sysconfig.get_paths()["purelib"]), [])
    if STATUS.exists():
        packages += sbom.debian_packages(STATUS.read_text(), RELEASE.read_text())
    hashes = ("sha256:" + "1" * 64, "sha256:" + "2" * 64)
    packages.append(sbom.Package(name="locked", version="1", purl="pkg:pypi/locked@1", hashes=hashes))

    document = sbom.document(Project(root=Path(), name="shop"), "api", packages, "sha256:" + "0" * 64)

    assert len(packages) > 10
    assert validation.JsonStrictValidator(version).validate_str(document.decode()) is None
