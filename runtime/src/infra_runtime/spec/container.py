"""How a service runs in a container or under a Kubernetes operator, for the engines that export a stack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from infra_runtime.value import frozen


@frozen
class Operator:
    """How a Kubernetes operator runs a service: the custom resource, and the names that the operator chooses.

    Only the engine for Kubernetes uses this object. The custom resource has the name of the service.
    """

    name: str
    #: `apiVersion` and `kind` of the resource
    version: str
    kind: str
    #: the field `spec` of the resource as JSON, without the number of members and their resources
    fields: str
    #: the field with the number of members, and this number; 0: the engine chooses the number
    members: str
    instances: int = 0
    #: whether `spec` can have the field `topologySpreadConstraints`
    spread: bool = False
    #: the type of the condition in the field `status` which is true when all members are ready
    ready: str = "Ready"
    #: the suffixes that the operator adds to the name of the custom resource, to name the Service for clients
    #: and the Secret
    service: str = ""
    secret: str = ""
    #: the label of the pods whose value is the name of the custom resource, and the other labels of the pods
    label: str
    labels: Mapping[str, str] = field(default_factory=dict)
    #: the labels of the pod of the operator, and the ports of the members that the operator uses
    manager: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[int, ...] = ()
    #: the name of the Service's port with metrics; empty if the Service has no such port
    metrics: str = ""
    #: the exports whose text differs from the exports of the spec
    exports: Mapping[str, str] = field(default_factory=dict)
    #: the keys of the Secret, for references such as `${secret.password}`
    secrets: tuple[str, ...] = ("password",)
    #: the reason why the operator cannot run the service with these settings; empty if it can
    problem: str = ""


@frozen
class Container:
    """The data that describe how a service runs in a container; the local engine ignores them.

    The texts contain references like all texts of a spec. An engine replaces them by values inside the
    container: `${port.NAME}` by the number in `ports`, `${host}` by the address 0.0.0.0, `${data}` by `data`,
    `${root}` by `root`, and `${bin.NAME}` by the name of a program on the image's PATH.
    """

    #: the name of the image with its tag, such as `postgres:18.6-bookworm`; empty when the image is built
    image: str = ""
    #: the folder from which the image is built, relative to the stack file's folder; empty if `image` is set
    build: str = ""
    #: the path of the Dockerfile, relative to `build`; empty for the Dockerfile that the engine generates
    dockerfile: str = ""
    #: None: the entry point of the image is used; an empty tuple: no entry point, so that `command` is the
    #: whole command line
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    #: environment variable that contains the path of a secret's file → the secret
    secret_files: Mapping[str, str] = field(default_factory=dict)
    #: the exports whose text differs in a container, such as a URL without a password
    exports: Mapping[str, str] = field(default_factory=dict)
    #: absolute path → the text of a configuration file
    files: Mapping[str, str] = field(default_factory=dict)
    #: folders and files, relative to the stack file's folder, that are mounted read-only below `root`
    mounts: tuple[str, ...] = ()
    #: absolute path → folder or file, relative to the stack file's folder, that is mounted there read-only
    binds: Mapping[str, str] = field(default_factory=dict)
    #: the working directory, and the user; an empty text stands for the value in the image
    working_folder: str = ""
    user: str = ""
    #: the folder in the image that replaces the stack file's folder; empty if the image has none
    root: str = ""
    #: the folder whose content is kept when the container is removed; empty if the service stores no data
    data: str = ""
    #: port name → number inside the container; other ports of the service keep their numbers
    ports: Mapping[str, int] = field(default_factory=dict)
    #: a command in the image that exits with 0 when the service is ready; if empty, it is made from `ready`
    health: tuple[str, ...] = ()
    #: the program of the image that sends a health check made from `ready`: `python`, `curl` or `wget`
    health_client: str = ""
    #: true when the ports are meant for clients outside the stack in production too
    public: bool = False
    #: the number of the user that the program can run as; 0: the user of the image, whose number is unknown
    uid: int = 0
    #: folders, besides `data` and `/tmp`, in which the program creates files that need not be kept
    writable: tuple[str, ...] = ()
    #: the size of the volume for `data`, as a quantity of Kubernetes
    storage: str = "10Gi"
    #: the number of containers for engines that can run several containers of a service; 0: the engine
    #: chooses the number. A service with `data` always has one container
    replicas: int = 1
    #: in a cluster of Kubernetes, the operator that runs the service; None: a stateful set
    operator: Operator | None = None
    #: the reason why the service cannot run in the image with these settings; empty if it can
    problem: str = ""
