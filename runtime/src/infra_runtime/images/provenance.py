"""The provenance of an image, an in-toto statement about its base image, its code and its lock file.

Sources: in-toto, "Attestation Framework", Statement v1; SLSA, "Provenance" v1.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from infra_runtime import __version__
from infra_runtime.images.documents import digest_of, json_bytes
from infra_runtime.images.project import Project
from infra_runtime.value import frozen

MEDIA_TYPE = "application/vnd.in-toto+json"
_BUILD_TYPE = "https://github.com/pytest-infra/pytest-infra/tree/main/docs/how-to/build-an-image.md"


@frozen
class Inputs:
    """The inputs of the build of an image."""

    #: the reference of the base image in a registry; empty for a base image in a folder or file
    base: str
    base_digest: str
    platforms: Sequence[str]
    python: str
    services: Sequence[str]
    lock: Path | None


def document(project: Project, name: str, digest: str, inputs: Inputs) -> bytes:
    """Return the provenance of an image with a digest.

    The document does not contain the time of the build, so that the provenance is always the same for the
    same inputs and the same release of pytest-infra.
    """
    sources: list[dict[str, Any]] = [
        _source(f"image:{inputs.base or inputs.base_digest}", inputs.base_digest)
    ]
    if inputs.lock:
        sources.append(_source(f"file:{inputs.lock.name}", digest_of(inputs.lock.read_bytes())))
    if project.revision:
        commit = project.revision.removesuffix("-dirty")
        sources.append({"uri": f"git+{project.name}", "digest": {"gitCommit": commit}})
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": digest.removeprefix("sha256:")}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": _BUILD_TYPE,
                "externalParameters": {
                    "platforms": list(inputs.platforms),
                    "python": inputs.python,
                    "services": list(inputs.services),
                },
                "internalParameters": {
                    "epoch": project.epoch,
                    "uncommittedChanges": project.revision.endswith("-dirty"),
                },
                "resolvedDependencies": sources,
            },
            "runDetails": {
                "builder": {
                    "id": "https://github.com/pytest-infra/pytest-infra",
                    "version": {"pytest-infra": __version__},
                }
            },
        },
    }
    return json_bytes(statement)


def _source(uri: str, digest: str) -> dict[str, Any]:
    return {"uri": uri, "digest": {"sha256": digest.removeprefix("sha256:")}}
