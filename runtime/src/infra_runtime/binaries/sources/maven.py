"""Java programs of Maven repositories: the jars of artefacts and their dependencies, downloaded by `mvn`.

Source: Maven documentation, "Apache Maven Dependency Plugin", goal `copy-dependencies`.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from pathlib import Path

from infra_runtime.binaries import registry_client
from infra_runtime.binaries.lockfile import Artefact, Locked
from infra_runtime.binaries.recipe import Maven, Recipe
from infra_runtime.binaries.registry_client import Progress
from infra_runtime.binaries.version import major_version
from infra_runtime.errors import InstallError

NAME = "maven"
#: the folder of the jars in an unpacked entry
JARS = "lib"
#: options for Java: Maven runs for some seconds, so compiling less halves its processor time
_OPTIONS = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
#: the folder with the compiled classes of the kit and their sources
_CLASSES = Path(__file__).parent.parent / "java"


def lock(recipe: Recipe, source: Maven, platform: str, work: Path) -> Locked:
    """Download artefacts with the dependencies that they have at run time, and return their lock entry.

    Raises `InstallError` if Maven is missing, or if no repository has the artefact.
    """
    coordinates = [tuple(text.split(":")) for text in source.artefacts]
    jars = _copy(recipe.name, coordinates, work, transitive=True)
    main = source.artefacts[0].split(":")
    return Locked(
        recipe=recipe.name,
        platform=platform,
        source=NAME,
        version=main[2],
        licence=recipe.licence,
        artefacts=tuple(_artefact(path, work / "jars") for path in jars),
        build=_classes_hash(source),
    )


def _classes_hash(source: Maven) -> str:
    """Return a hash of the additional classes; empty without additional classes."""
    content = b"".join((_CLASSES / f"{name}.class").read_bytes() for name in source.classes)
    return hashlib.sha256(content).hexdigest() if content else ""


def _artefact(path: Path, repository: Path) -> Artefact:
    """Return the artefact of a jar, whose path in a repository is GROUP/ARTEFACT/VERSION/FILE."""
    *group, artefact, version, _ = path.relative_to(repository).parts
    return Artefact.of(
        path,
        registry=NAME,
        name=f"{'.'.join(group)}:{artefact}",
        version=version,
        path=str(path.relative_to(repository)),
    )


def fetch(recipe: str, artefacts: Sequence[Artefact], folder: Path, progress: Progress | None) -> None:
    """Download locked jars into an empty folder. Raises `InstallError` if no repository has a jar."""
    coordinates = [(*artefact.name.split(":"), artefact.version) for artefact in artefacts]
    expected = sum(artefact.size for artefact in artefacts)
    _copy(recipe, coordinates, folder, transitive=False, expected=expected, progress=progress)
    for artefact in artefacts:
        path = folder / "jars" / artefact.path
        if not path.is_file():
            raise InstallError(recipe, f"Maven has not downloaded {artefact.path}")
        path.replace(folder / artefact.file_name)


def _copy(
    recipe: str,
    coordinates: Iterable[tuple[str, ...]],
    work: Path,
    *,
    transitive: bool,
    expected: int = 0,
    progress: Progress | None = None,
) -> list[Path]:
    """Run Maven in the folder `work`, and return the paths of the jars, in the layout of a repository."""
    program = shutil.which("mvn")
    if program is None:
        raise InstallError(recipe, "mvn is missing", "Install Maven, or install from a bundle.")
    (work / "pom.xml").write_text(_project(coordinates, transitive=transitive), encoding="utf-8")
    options = ("-DincludeScope=runtime", "-DincludeTypes=jar", "-Dmdep.useRepositoryLayout=true")
    command = [
        *(program, "--batch-mode", "--quiet", "--no-transfer-progress", f"--file={work / 'pom.xml'}"),
        *("dependency:copy-dependencies", f"-DoutputDirectory={work / 'jars'}", *options),
    ]
    env = {"MAVEN_OPTS": os.environ.get("MAVEN_OPTS", _OPTIONS)}
    registry_client.run(recipe, command, folder=work, expected=expected, progress=progress, env=env)
    return sorted((work / "jars").rglob("*.jar"))


def _project(coordinates: Iterable[tuple[str, ...]], *, transitive: bool) -> str:
    """Return the text of a project file whose dependencies are artefacts: group, artefact and version."""
    project = ET.Element("project", xmlns="http://maven.apache.org/POM/4.0.0")
    _fill(project, {"modelVersion": "4.0.0", "groupId": "infra", "artifactId": "lock", "version": "1"})
    _fill(project, {"packaging": "pom"})
    dependencies = ET.SubElement(project, "dependencies")
    for group, artefact, version in coordinates:
        dependency = ET.SubElement(dependencies, "dependency")
        _fill(dependency, {"groupId": group, "artifactId": artefact, "version": version})
        if not transitive:
            exclusion = ET.SubElement(ET.SubElement(dependency, "exclusions"), "exclusion")
            _fill(exclusion, {"groupId": "*", "artifactId": "*"})
    return ET.tostring(project, encoding="unicode")


def _fill(element: ET.Element, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        ET.SubElement(element, name).text = text


def build(recipe: Recipe, source: Maven, root: Path, java: Path) -> None:
    """Write a script for each program, which runs its main class with the jars.

    Java also reads options from the variable JDK_JAVA_OPTIONS. Source: JDK documentation, "The java Command".
    """
    folder, classes = root / "bin", root / "classes"
    folder.mkdir(exist_ok=True)
    classes.mkdir()
    for name in source.classes:
        shutil.copyfile(_CLASSES / f"{name}.class", classes / f"{name}.class")
    paths = f"${{0%/*}}/../{classes.name}:${{0%/*}}/../{JARS}/*"
    for name, main in recipe.programs.items():
        start = f'exec {shlex.quote(str(java))} -cp "{paths}" {shlex.quote(main)} "$@"'
        (folder / name).write_text(f"#!/bin/sh\n{start}\n", encoding="utf-8")


def java_program(recipe: str, oldest: int, installed: Path | None) -> Path:
    """Return the path of `java`: `installed`, which is the `java` in the store, or `java` on PATH.

    Raises `InstallError` if Java is missing or older than the major version `oldest`.
    """
    on_path = shutil.which("java")
    problems = []
    for path in filter(None, (installed, Path(on_path) if on_path else None)):
        version = major_version(path) or 0
        if version >= oldest:
            return path
        problems.append(f"{path} is version {version}")
    reason = "; ".join(problems) or "no `java` was found"
    problem = f"Java {oldest} or later is required: {reason}"
    raise InstallError(recipe, problem, "`infra bin install jdk` installs Java.")
