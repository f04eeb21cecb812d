"""Programs of Go in the kit are built from their locked modules, for about a minute: `tox run -e heavy`.

Plain runs do not collect this folder (`norecursedirs`).
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from fakes.artefacts import save, tar
from infra_runtime.binaries import installation, recipes
from infra_runtime.binaries.installation import install
from infra_runtime.binaries.store import Store


@pytest.mark.real("go")
def test_crane_is_built_and_writes_a_valid_image(tmp_path: Path) -> None:
    recipe = recipes.find("crane")
    locked = installation.required(recipe, installation.read_locks(None), installation.current_platform())
    layer = save(tmp_path, "layer.tar", tar({"hello": b"text"}, mode="w"))

    (installed,) = install([(recipe, locked)], Store(tmp_path / "binaries"))
    crane = installed.program("crane")
    image = tmp_path / "image.tar"
    subprocess.run(
        [crane, "append", f"--new_layer={layer}", "--new_tag=acme/a", f"--output={image}"], check=True
    )
    validation = subprocess.check_output([crane, "validate", f"--tarball={image}"], text=True)

    assert locked.version in subprocess.check_output([crane, "version"], text=True)
    assert validation.startswith("PASS")
