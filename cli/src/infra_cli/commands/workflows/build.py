"""The command `infra workflows build`, which builds OCI images of the user's own services."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from infra_cli import output
from infra_cli.completion import complete_services
from infra_cli.target import Target, target_in

if TYPE_CHECKING:
    from infra_runtime.images.build import Built
    from infra_runtime.images.project import Project


@click.command(short_help="Build container images of your own services, without Docker.")
@click.argument("services", nargs=-1, metavar="[SERVICE…]", shell_complete=complete_services)
@click.option(
    "--base",
    metavar="IMAGE",
    help="The base image, with Python: an image in a registry, an OCI layout or an OCI archive.",
)
@click.option(
    "--platform",
    "platforms",
    multiple=True,
    type=click.Choice(["linux/amd64", "linux/arm64"]),
    help="The platform of the image; can be repeated. [default: the only platform of the base image]",
)
@click.option("--python", default="", metavar="3.N", help="The version of Python. [default: the newest one]")
@click.option(
    "--combined",
    metavar="NAME",
    help="Build one image with this name for all services; the image's first argument selects the service.",
)
@click.option(
    "--lock",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The lock file. [default: uv.lock, pylock.toml, requirements.lock or requirements.txt]",
)
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder of the layouts, SBOMs and archives. [default: dist/images, beside the stack file]",
)
@click.option(
    "--archive",
    is_flag=True,
    help="Also write NAME.tar for `docker load` and `podman load`; for several platforms, one file for each.",
)
@click.option(
    "--push",
    "prefix",
    metavar="REGISTRY/PATH",
    help=(
        "Push each image to REGISTRY/PATH/NAME with the tags version, branch and commit; without these, "
        "with the tag latest."
    ),
)
@click.option("--insecure", is_flag=True, help="Use HTTP for a registry that is not on this machine.")
@click.option(
    "--uncompressed", is_flag=True, help="Do not compress layers, so that digests are the same everywhere."
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
@target_in("The environment of the stack. [default: production]")
def command(
    target: Target,
    *,
    services: tuple[str, ...],
    base: str | None,
    platforms: tuple[str, ...],
    python: str,
    combined: str | None,
    lock: Path | None,
    folder: Path | None,
    archive: bool,
    prefix: str | None,
    insecure: bool,
    uncompressed: bool,
    as_json: bool,
) -> None:
    """Build container images of your own services, without Docker and without a Dockerfile.

    An image consists of the base image, a layer with the packages of the lock file, and a layer with the
    files of the project. The same inputs result in the same layers. The program runs as the user 65532. The
    image contains no secret: variables whose values depend on the stack or the environment are listed in a
    label, and are set when the image runs. Beside each image, the command writes an SBOM (CycloneDX) and a
    provenance (SLSA); --push also pushes these two as referrers. For a registry, the command uses the
    credentials of `docker login` or `podman login`.

    Without --base, --platform, --python, --combined or --lock, the command uses the value in the table
    `image` of the stack file. The digest of a base image in a registry is written to infra.lock, and the next
    build uses the same image.

    The command uses the settings of the environment production, unless --env selects another environment.

    \b
    Examples:
      infra workflows build --base python:3.13-slim-bookworm --platform linux/amd64
      infra workflows build api --base dist/base --archive
      infra workflows build --base dist/base --push registry.example.com/shop
    """
    from infra_cli.image_request import build_images

    project, images = build_images(
        target,
        services,
        base=base,
        platforms=platforms,
        python=python,
        combined=combined,
        lock=lock,
        folder=folder,
        archive=archive,
        insecure=insecure,
        compress=not uncompressed,
        report=(lambda _: None) if as_json else output.note,
    )
    pushed = (
        {image.name: _push(image, prefix, project, insecure=insecure) for image in images} if prefix else {}
    )
    if as_json:
        output.say_json({"images": [_document(image, pushed.get(image.name, "")) for image in images]})
    else:
        _print(images, pushed)


def _push(image: Built, prefix: str, project: Project, *, insecure: bool) -> str:
    """Push an image with its SBOM and provenance, and return its reference."""
    from infra_runtime.images import provenance, sbom
    from infra_runtime.images.project import created
    from infra_runtime.images.reference import parse_reference
    from infra_runtime.images.registry import Registry

    reference = parse_reference(f"{prefix.rstrip('/')}/{image.name.replace('_', '-')}")
    with Registry(reference, insecure=insecure) as registry:
        registry.push(image.layout, image.image, list(image.tags))
        for path, media_type in ((image.sbom, sbom.MEDIA_TYPE), (image.provenance, provenance.MEDIA_TYPE)):
            registry.attach(image.image, media_type, path.read_bytes(), path.name, created=created(project))
    return f"{reference}@{image.image.digest}"


def _document(image: Built, pushed: str) -> dict[str, Any]:
    return {
        "name": image.name,
        "layout": str(image.layout.folder),
        "digest": image.image.digest,
        "tags": list(image.tags),
        "diff_ids": {platform: list(digests) for platform, digests in image.diff_ids.items()},
        "variables": list(image.variables),
        "sbom": str(image.sbom),
        "provenance": str(image.provenance),
        "archives": [str(path) for path in image.archives],
        "pushed": pushed or None,
    }


def _print(images: Sequence[Built], pushed: dict[str, str]) -> None:
    rows = [
        (image.name, image.image.digest, " ".join(image.tags), str(image.layout.folder)) for image in images
    ]
    for line in output.columns(rows, header=("IMAGE", "DIGEST", "TAGS", "LAYOUT")):
        output.say(line)
    for image in images:
        if image.variables:
            output.note(f"{image.name} needs these variables when it runs: {', '.join(image.variables)}")
        for path in image.archives:
            output.say(f"Load {image.name} with `docker load --input {path}`.")
        if image.name in pushed:
            output.say(f"pushed {pushed[image.name]}")
