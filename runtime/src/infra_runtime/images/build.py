"""Build images of a user's own services: a base image, a layer of dependencies, and a layer of code.

For the same base image, lock file, installer (uv or pip), code and time of the files, the layers are the same
on every machine. Their compressed bytes are the same if the release of zlib is the same.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import Any

from infra_runtime.engines.project import project_dependencies
from infra_runtime.errors import ImageError
from infra_runtime.host import file_lock
from infra_runtime.images import documents, launcher, provenance, sbom
from infra_runtime.images.archives import write_archive
from infra_runtime.images.base_image import BaseImage, Contents, Source, contents, select
from infra_runtime.images.dependencies import install, installer, relocate_scripts
from infra_runtime.images.documents import Descriptor, Platform
from infra_runtime.images.layers import Entry, Layer, tree, write_layer
from infra_runtime.images.layout import Layout, disk_errors, replace_file
from infra_runtime.images.locked import find_lock, locked_packages
from infra_runtime.images.project import Project, code_files, created
from infra_runtime.images.roles import APP, DATA, DEPENDENCIES, Role, role_of
from infra_runtime.images.root_archive import DEFAULT_PATH
from infra_runtime.spec import ServiceSpec
from infra_runtime.value import frozen

#: the id of the user who runs the program, as in distroless images; the image needs no line in /etc/passwd
#: for this user
USER = 65532
#: the beginning of the name of the folder for the files of an incomplete build
_NEW = ".new-"
_LAUNCHER = "/opt/infra/launcher.py"
#: the nanoseconds in a second; the times of a health check are in nanoseconds. Source: Moby, image spec 1.2
_SECOND = 1_000_000_000
#: the beginning of the names of this project's labels
LABEL = "io.github.pytest-infra"


@frozen
class Request:
    """The arguments of a build: the services, the base image, the project and the options."""

    project: Project
    services: Sequence[ServiceSpec]
    base: Source
    platforms: Sequence[Platform] = ()
    #: the version of Python, such as `3.13`; empty: the newest version in the base image
    python: str = ""
    #: the name of one image that contains all services as roles; empty: one image for each service
    combined: str = ""
    #: the path of the lock file; None: the first file of `LOCK_FILES` in the project
    lock: Path | None = None
    archive: bool = False
    compress: bool = True


@frozen
class Built:
    """A built image: its descriptor, its layers, and the variables that it needs."""

    name: str
    layout: Layout
    #: the descriptor of a manifest, or for several platforms of an index
    image: Descriptor
    tags: Sequence[str]
    #: platform → the digests of two uncompressed layers: dependencies and code
    diff_ids: Mapping[str, Sequence[str]]
    #: the names of the environment variables that must be set when the image runs
    variables: Sequence[str]
    sbom: Path
    provenance: Path
    archives: Sequence[Path] = ()


@frozen
class _Parts:
    """The base image and the layer of dependencies for one platform; all images of the build share them."""

    base: BaseImage
    contents: Contents
    version: str
    python: str
    dependencies: Layer
    installed: Sequence[sbom.Package] = field(default_factory=tuple)


def build(request: Request, folder: Path, *, report: Callable[[str], None] = lambda _: None) -> list[Built]:
    """Build the images into layouts in a folder, with SBOM, provenance and archives beside them.

    `report` is called with a line of text for each step. The images are replaced one after the other; the
    layout of an image is replaced when all its blobs are complete.

    Raises:
        ImageError: the base image, the lock file or a package cannot be used, or the disk is full.
        ConfigurationError: a service cannot be run in an image.
        IntegrityError: a blob of the base image is damaged.
    """
    with disk_errors(folder, "Each image is complete: it is the new one, or that of the last build."):
        request = replace(request, lock=request.lock or find_lock(request.project.root))
        if not request.lock and project_dependencies(request.project.root):
            raise ImageError(
                str(request.project.root / "pyproject.toml"),
                "the project has dependencies and no lock file",
                "Write a lock file with `uv lock`, or an empty requirements.txt if the base image has all"
                " dependencies.",
            )
        folder.mkdir(parents=True, exist_ok=True)
        waits = f"waiting for another build, which writes images to {folder}"
        with (
            file_lock.folder(folder, lambda: report(waits)) as is_locked,
            tempfile.TemporaryDirectory(prefix=_NEW, dir=folder) as temporary,
        ):
            if is_locked:
                _remove_left(folder, Path(temporary))
            scratch = Layout.create(Path(temporary) / "layout")
            parts_of_platforms = list(_parts(request, scratch, Path(temporary), report))
            names = [request.combined] if request.combined else [spec.name for spec in request.services]
            return [_image(request, name, parts_of_platforms, scratch, folder, report) for name in names]


def _remove_left(folder: Path, own_folder: Path) -> None:
    """Remove the folders of killed builds except `own_folder`; a folder that cannot be removed is ignored."""
    for killed_folder in folder.glob(f"{_NEW}*"):
        if killed_folder != own_folder:
            shutil.rmtree(killed_folder, ignore_errors=True)


def _parts(
    request: Request, scratch: Layout, temporary: Path, report: Callable[[str], None]
) -> Iterator[_Parts]:
    """Yield the base image and the layer of dependencies for each platform."""
    program = installer()
    lock = request.lock
    packages = locked_packages(lock, uv=program.uv) if lock else []
    source = request.base
    for platform in request.platforms or (None,):
        base = select(source.layout, source.image, platform, source.name)
        base_contents = contents(base)
        version, python = base_contents.python(request.python, base.name)
        report(f"base image {base.name} for {base.platform}, Python {version}")
        target = temporary / f"dependencies-{base.platform.architecture}"
        install(packages, target, platform=base.platform, python=version, program=program)
        relocate_scripts(target, python)
        layer = write_layer(
            scratch, tree(target, DEPENDENCIES), time=request.project.epoch, compress=request.compress
        )
        installed = sbom.installed_packages(target, packages)
        shutil.rmtree(target)
        report(f"{len(installed)} packages from {lock.name if lock else 'no lock file'} with {program.name}")
        yield _Parts(
            base=base,
            contents=base_contents,
            version=version,
            python=python,
            dependencies=layer,
            installed=installed,
        )


def _image(
    request: Request,
    name: str,
    parts: Sequence[_Parts],
    scratch: Layout,
    folder: Path,
    report: Callable[[str], None],
) -> Built:
    """Write the layout of one image, and the files beside it."""
    services = [spec for spec in request.services if request.combined or spec.name == name]
    layout = Layout.create(folder / name)
    manifests, diff_ids, roles = [], {}, list[Role]()
    for part in parts:
        roles = [role_of(spec, part.python) for spec in services]
        code = write_layer(
            scratch, _code(request, roles, folder), time=request.project.epoch, compress=request.compress
        )
        for blob in part.base.layers:
            layout.link_from(part.base.layout, blob)
        new_layers = [part.dependencies, code]
        for layer in new_layers:
            layout.link_from(scratch, layer.descriptor)
        config = layout.add(
            documents.json_bytes(_config(request, name, part, roles, new_layers)), documents.CONFIG
        )
        blobs = [*part.base.layers, *(layer.descriptor for layer in new_layers)]
        manifest = layout.add(
            documents.manifest(config, blobs, _annotations(request, part)), documents.MANIFEST
        )
        manifests.append(replace(manifest, platform=part.base.platform))
        diff_ids[str(part.base.platform)] = [layer.diff_id for layer in new_layers]
    image = (
        replace(manifests[0], platform=None)
        if len(manifests) == 1
        else layout.add(documents.index(manifests), documents.INDEX)
    )
    tags = request.project.tags()
    layout.save([replace(image, annotations={documents.REF_NAME: tag}) for tag in tags])
    built = Built(
        name=name,
        layout=layout,
        image=image,
        tags=tags,
        diff_ids=diff_ids,
        variables=sorted({name for role in roles for name in role.variables}),
        sbom=folder / f"{name}.cdx.json",
        provenance=folder / f"{name}.provenance.json",
        archives=_archives(request, name, layout, manifests, folder) if request.archive else (),
    )
    replace_file(built.sbom, sbom.document(request.project, name, _packages(parts), image.digest))
    replace_file(
        built.provenance, provenance.document(request.project, name, image.digest, _inputs(request, parts))
    )
    report(f"image {name} {image.digest}")
    return built


def _packages(parts: Sequence[_Parts]) -> list[sbom.Package]:
    """Return the packages of the images for all platforms; equal packages can occur several times."""
    return [
        package
        for part in parts
        for package in (
            *part.installed,
            *sbom.debian_packages(part.contents.dpkg_status, part.contents.os_release),
        )
    ]


def _code(request: Request, roles: Sequence[Role], folder: Path) -> Iterator[Entry]:
    """Yield the entries of the layer of code: files of the project, folder for data, and launcher."""
    root = request.project.root
    yield from tree(root, APP, code_files(root, without=[folder]))
    if any(role.has_data for role in roles):
        yield Entry(name=DATA.strip("/"), uid=USER)
    if request.combined:
        document = documents.json_bytes({role.name: role.to_json() for role in roles})
        launcher_path = Path(_LAUNCHER.strip("/"))
        yield Entry(name=str(launcher_path), content=Path(launcher.__file__))
        yield Entry(name=str(launcher_path.with_name(launcher.ROLES)), content=document)


def _archives(
    request: Request, name: str, layout: Layout, manifests: Sequence[Descriptor], folder: Path
) -> list[Path]:
    paths, tag = [], request.project.tags()[0]
    for manifest in manifests:
        architecture = manifest.platform.architecture if manifest.platform and len(manifests) > 1 else ""
        path = folder / (f"{name}-{architecture}.tar" if architecture else f"{name}.tar")
        annotated = replace(manifest, annotations={documents.REF_NAME: tag})
        names = [f"{request.project.name}/{name}:{tag}".lower()]
        write_archive(layout, annotated, path, names, time=request.project.epoch)
        paths.append(path)
    return paths


def _labels(request: Request, name: str, part: _Parts, roles: Sequence[Role]) -> dict[str, str]:
    """Return the labels of an image. Source: OCI, "Image Format Specification" 1.1, "Annotations"."""
    project = request.project
    variables = sorted({name for role in roles for name in role.variables})
    labels = {
        "org.opencontainers.image.title": name,
        "org.opencontainers.image.version": project.version,
        "org.opencontainers.image.revision": project.revision,
        "org.opencontainers.image.created": created(project),
        f"{LABEL}.services": " ".join(role.name for role in roles),
        f"{LABEL}.variables": " ".join(variables),
    } | _annotations(request, part)
    return {label: value for label, value in labels.items() if value}


def _annotations(request: Request, part: _Parts) -> dict[str, str]:
    annotations = {"org.opencontainers.image.base.digest": part.base.manifest.digest}
    if not request.base.is_local:  # the path of a base image is left out, because it differs between machines
        annotations["org.opencontainers.image.base.name"] = part.base.name.partition("@")[0]
    return annotations


def _config(
    request: Request, name: str, part: _Parts, roles: Sequence[Role], new_layers: Sequence[Layer]
) -> dict[str, Any]:
    """Return the configuration of an image.

    Source: OCI, "Image Configuration"; Moby, image specification 1.2.
    """
    base = part.base.config
    inherited = base.get("config") or {}
    first_role = roles[0]
    env = {name: value for text in inherited.get("Env") or [] for name, _, value in [text.partition("=")]}
    sources = [APP, *([f"{APP}/src"] if (request.project.root / "src").is_dir() else []), DEPENDENCIES]
    env |= {
        "PATH": f"{DEPENDENCIES}/bin:{env.get('PATH') or DEFAULT_PATH}",
        "PYTHONPATH": ":".join(sources),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        **({} if request.combined else first_role.env),
    }
    config: dict[str, Any] = {
        "User": f"{USER}:{USER}",
        "Env": [f"{variable}={value}" for variable, value in sorted(env.items())],
        "Entrypoint": [part.python, _LAUNCHER] if request.combined else list(first_role.command),
        "WorkingDir": APP if request.combined else first_role.folder,
        "Labels": {**(inherited.get("Labels") or {}), **_labels(request, name, part, roles)},
        "StopSignal": "SIGTERM" if request.combined else first_role.stop_signal,
    }
    if request.combined:
        config["Cmd"] = ["all"]
    if ports := sorted({port for role in roles for port in role.ports}):
        config["ExposedPorts"] = {f"{port}/tcp": {} for port in ports}
    if any(role.has_data for role in roles):
        config["Volumes"] = {DATA: {}}
    check = (part.python, _LAUNCHER, "--health") if request.combined else first_role.health
    if check and any(role.health for role in roles):
        config["Healthcheck"] = {
            "Test": ["CMD", *check],
            "Interval": 10 * _SECOND,
            "Timeout": 5 * _SECOND,
            "StartPeriod": int(max(role.start_timeout for role in roles) * _SECOND),
            "Retries": 3,
        }
    history = [
        {"created": created(request.project), "created_by": f"infra workflows build: {what}"}
        for what in _LAYERS
    ]
    return {
        "architecture": part.base.platform.architecture,
        "os": part.base.platform.os,
        "created": created(request.project),
        "config": config,
        "rootfs": {
            "type": "layers",
            "diff_ids": [*part.base.diff_ids, *(layer.diff_id for layer in new_layers)],
        },
        "history": [*(base.get("history") or []), *history],
    }


_LAYERS = ("dependencies", "code")


def _inputs(request: Request, parts: Sequence[_Parts]) -> provenance.Inputs:
    return provenance.Inputs(
        base="" if request.base.is_local else request.base.name,
        base_digest=request.base.image.digest,
        platforms=[str(part.base.platform) for part in parts],
        python=parts[0].version,
        services=[spec.name for spec in request.services],
        lock=request.lock,
    )
