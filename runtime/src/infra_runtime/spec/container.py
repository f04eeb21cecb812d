"""`Container`: how a service runs in a container, for the engines that generate container configurations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from infra_runtime.value import frozen


@frozen
class Container:
    """How a service runs in a container; the local engine ignores it.

    The texts contain references like all texts of a spec. An engine binds them to values inside the
    container: `${port.NAME}` to the number in `ports`, `${host}` to all its addresses, `${data}` to `data`,
    `${root}` to `root`. `${bin.NAME}` is a program on the image's PATH.
    """

    #: with its tag, such as `postgres:18.6-bookworm`; empty when the image is built
    image: str = ""
    #: the folder that the image is built from, relative to the stack file's; empty when `image` is named
    build: str = ""
    #: relative to `build`; empty for the Dockerfile that the engine generates
    dockerfile: str = ""
    #: None keeps the image's entry point; an empty tuple removes it: `command` is the whole command line then
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    #: environment variable → the secret whose file's path it holds
    secret_files: Mapping[str, str] = field(default_factory=dict)
    #: the exports that have another text in a container, such as a URL without a password
    exports: Mapping[str, str] = field(default_factory=dict)
    #: absolute path → the text of a configuration file
    files: Mapping[str, str] = field(default_factory=dict)
    #: folders and files, relative to the stack file's folder, that are mounted read-only below `root`
    mounts: tuple[str, ...] = ()
    #: the folder of the image that stands for the stack file's folder; empty when the image has none
    root: str = ""
    #: the folder whose content is kept when the container is removed; empty for a service without a state
    data: str = ""
    #: port name → number inside the container; a port of the service that is missing here keeps its number
    ports: Mapping[str, int] = field(default_factory=dict)
    #: a command that the image has and that exits with 0 when the service is ready; empty: made from `ready`
    health: tuple[str, ...] = ()
    #: the program of the image that sends a health check made from `ready`: `python`, `curl` or `wget`
    health_client: str = ""
    #: true when the ports are meant for clients outside the stack in production too
    public: bool = False
    #: why the service with these settings cannot run in the image; empty when it can
    problem: str = ""
