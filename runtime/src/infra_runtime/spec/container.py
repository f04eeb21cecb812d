"""The description of a service for containers and Kubernetes operators; the export engines read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from infra_runtime.value import frozen


@frozen
class Operator:
    """The custom resource with which a Kubernetes operator runs a service, and names that the operator uses.

    Only the Kubernetes engine reads this object. The name of the custom resource is the name of the service.
    """

    #: the name of the operator
    name: str
    #: `apiVersion` and `kind` of the resource
    version: str
    kind: str
    #: the field `spec` of the custom resource as JSON, without the number of members and without `resources`
    fields: str
    #: the name of the field with the number of members, and the number; 0: the engine chooses the number
    members: str
    instances: int = 0
    #: whether `spec` can have the field `topologySpreadConstraints`
    spread: bool = False
    #: the type of the condition in the field `status` that is true when all members are ready
    ready: str = "Ready"
    #: the suffixes that the operator appends to the name of the custom resource: for the name of the Service
    #: for clients, and for the name of the Secret
    service: str = ""
    secret: str = ""
    #: the name of the pods' label whose value is the name of the custom resource, and all other labels of the
    #: pods
    label: str
    labels: Mapping[str, str] = field(default_factory=dict)
    #: the labels of the operator's own pod, and the ports of the members to which the operator connects
    manager: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[int, ...] = ()
    #: the name of the Service's port with metrics; empty if the Service has no such port
    metrics: str = ""
    #: the exports whose text differs from the exports of the spec
    exports: Mapping[str, str] = field(default_factory=dict)
    #: the keys of the Secret, to which references such as `${secret.password}` refer
    secrets: tuple[str, ...] = ("password",)
    #: the reason why the operator cannot run the service with these settings; empty without a problem
    problem: str = ""


@frozen
class Container:
    """The description of a service's container; the local engine ignores this object.

    Like all texts of a spec, its texts can contain references. An engine replaces a reference by its value
    inside the container: `${port.NAME}` by the number in `ports`, `${host}` by the address 0.0.0.0, `${data}`
    by `data`, `${root}` by `root`, and `${bin.NAME}` by the name of a program on the image's PATH.
    """

    #: the name and the tag of the image, such as `postgres:18.6-bookworm`; empty if the image is built
    image: str = ""
    #: the folder from which the image is built, relative to the stack file's folder; empty if `image` is set
    build: str = ""
    #: the path of the Dockerfile, relative to `build`; empty for the Dockerfile that the engine generates
    dockerfile: str = ""
    #: the entry point; None: the entry point of the image; an empty tuple: no entry point, so that `command`
    #: is the complete command line
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    #: name of an environment variable → name of the secret; the variable contains the path of the secret's
    #: file
    secret_files: Mapping[str, str] = field(default_factory=dict)
    #: the exports whose text differs in a container, such as a URL without a password
    exports: Mapping[str, str] = field(default_factory=dict)
    #: absolute path → the text of a configuration file
    files: Mapping[str, str] = field(default_factory=dict)
    #: folders and files that are mounted read-only below `root`; the paths are relative to the stack file's
    #: folder
    mounts: tuple[str, ...] = ()
    #: absolute path in the container → folder or file that is mounted read-only at this path, relative to the
    #: stack file's folder
    binds: Mapping[str, str] = field(default_factory=dict)
    #: the working directory and the user; empty: the value in the image
    working_folder: str = ""
    user: str = ""
    #: the folder in the image that corresponds to the stack file's folder; empty if the image has no such
    #: folder
    root: str = ""
    #: the folder whose content remains when the container is removed; empty if the service stores no data
    data: str = ""
    #: port name → number inside the container; other ports of the service keep their numbers
    ports: Mapping[str, int] = field(default_factory=dict)
    #: a command in the image that exits with 0 if the service is ready; empty: the engine derives it from
    #: `ready`
    health: tuple[str, ...] = ()
    #: the program of the image that runs a health check derived from `ready`: `python`, `curl` or `wget`
    health_client: str = ""
    #: whether clients outside the stack can connect to the ports in staging and production
    public: bool = False
    #: the number of the user as which the program runs; 0: the user of the image, whose number is unknown
    uid: int = 0
    #: folders, in addition to `data` and `/tmp`, in which the program creates files that may be lost
    writable: tuple[str, ...] = ()
    #: the size of the volume for `data`, as a quantity of Kubernetes
    storage: str = "10Gi"
    #: the number of containers, for engines that can run several containers of a service; 0: the engine
    #: chooses the number. A service with `data` has one container, unless an operator runs the service
    replicas: int = 1
    #: the operator that runs the service in a Kubernetes cluster; None: Kubernetes runs the service without
    #: an operator
    operator: Operator | None = None
    #: the reason why the image cannot run the service with these settings; empty without a problem
    problem: str = ""
