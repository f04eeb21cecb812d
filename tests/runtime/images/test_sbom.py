from __future__ import annotations

import json
from pathlib import Path

from infra_runtime.images import sbom
from infra_runtime.images.project import Project


def install(folder: Path, name: str, metadata: str) -> None:
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\n{metadata}")


def test_an_spdx_expression_is_distinguished_from_another_licence(tmp_path: Path) -> None:
    install(tmp_path, "a", "License-Expression: MIT OR Apache-2.0\n")
    install(tmp_path, "b", "License: BSD, see the file LICENSE\n")
    install(tmp_path, "c", "")

    project = Project(root=Path(), name="shop")
    packages = sbom.installed_packages(tmp_path, [])
    document = json.loads(sbom.document(project, "api", packages, "sha256:" + "0" * 64))

    assert [component.get("licenses") for component in document["components"]] == [
        [{"expression": "MIT OR Apache-2.0"}],
        [{"license": {"name": "BSD, see the file LICENSE"}}],
        None,
    ]
