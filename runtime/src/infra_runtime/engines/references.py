"""Replace the references of a plan by their values inside containers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import field
from typing import Literal

from infra_runtime.errors import ConfigurationError
from infra_runtime.plan import Plan
from infra_runtime.spec import OWN_SCOPES, Container, ServiceSpec, substitute
from infra_runtime.value import frozen

#: all addresses of the container: other containers cannot connect to a service that listens on loopback only
ALL_ADDRESSES = "0.0.0.0"  # noqa: S104 - the container's own network; `model` publishes ports explicitly
#: the folder of the sockets in a container; other containers cannot access this folder
RUN = "/tmp"  # noqa: S108 - the container's own
#: the greatest length of a label of a DNS name. Source: RFC 1035, section 2.3.4
LONGEST_LABEL = 63
_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
#: regular expressions for the parts of an image's name. Source: OCI, "Distribution Specification", "Pulling
#: manifests"
WORD = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
TAG = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
REGISTRY = r"[A-Za-z0-9.-]+:\d{1,5}"
_HOST = rf"{REGISTRY}|[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\](:\d{{1,5}})?"
#: Source: OCI, "Image Format Specification", "Digests", "Registered algorithms"
_DIGEST = "sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}"
_IMAGE = re.compile(rf"(({_HOST})/)?{WORD}(/{WORD})*(:{TAG})?(@({_DIGEST}))?")
#: the names and addresses with which a program connects to its own container
LOOPBACK = re.compile(r"\blocalhost\b|\b127\.0\.0\.1\b|\[::1\]")
#: a separator that no text of a spec contains, because arguments and variables cannot contain this character
_MARK = "\0"


@frozen
class Piece:
    """A part of a text whose references are replaced: plain text, a secret, or an environment variable.

    For a secret, `value` is the name of the secret in the exported files. For a variable, `value` is `NAME`
    or `NAME:-DEFAULT`.
    """

    kind: Literal["text", "secret", "variable"]
    value: str


@frozen
class Stack:
    """The services of one plan that have a container, and the names of the services without a container."""

    environment: str
    services: Mapping[str, ServiceSpec]
    #: the services of the plan that have no container
    omitted: frozenset[str]
    #: service → its name in the exported files, which is also its host name
    hosts: Mapping[str, str]
    #: the folder of the project on this machine
    root: str = ""
    #: service → the host name for its clients, if this name differs from the name in `hosts`
    addresses: Mapping[str, str] = field(default_factory=dict)

    def address(self, service: str) -> str:
        """Return the host name that the clients of a service use."""
        return self.addresses.get(service, self.hosts[service])


def stack_of(plan: Plan) -> Stack:
    """Return the stack of a plan: its services with a container, and the names of the other services."""
    services = {spec.name: spec for spec in plan.services if spec.container is not None}
    return Stack(
        environment=plan.environment,
        services=services,
        omitted=frozenset(spec.name for spec in plan.services) - services.keys(),
        hosts=_hosts(services),
        root=plan.root,
    )


def host_name(name: str, taken: Collection[str] = (), longest: int = LONGEST_LABEL) -> str:
    """Return the host name of a service: its name as a DNS label of at most `longest` characters.

    If the name is too long or already in `taken`, the label ends with the first digits of a hash of the name.
    A hyphen replaces each other character than a letter, a digit or a hyphen, such as an underscore: many
    clients reject a URL whose host name contains an underscore.
    Source: RFC 1123, section 2.1.
    """
    return shortened(re.sub(r"[^a-z0-9-]", "-", name.lower()).strip("-"), name, taken, longest)


def shortened(label: str, name: str, taken: Collection[str], longest: int) -> str:
    """Return `label`; if it is empty, too long or taken, shorten it and append a hash of `name`."""
    if label and len(label) <= longest and label not in taken:
        return label
    return f"{label[: longest - 7].rstrip('-') or 'x'}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def _hosts(names: Collection[str]) -> dict[str, str]:
    """Return a unique host name for each service; names that are valid host names are not changed."""
    hosts = {name: name for name in names if len(name) <= LONGEST_LABEL and _DNS_LABEL.fullmatch(name)}
    for name in names:
        if name not in hosts:
            hosts[name] = host_name(name, hosts.values())
    return hosts


def secret_file(host: str, secret: str) -> str:
    """Return the name of a secret in exported files; the file with its value has the same name."""
    return f"{host}-{secret}"


def setting_key(service: str, field: str) -> str:
    """Return the dotted key of a service's setting, such as `services.api.env`, for an error's location."""
    return f"services.{service}.{field}"


def pieces(text: str, spec: ServiceSpec, stack: Stack, field: str) -> list[Piece]:
    """Replace the references in a text of a spec; return the pieces: plain text, secrets and variables.

    `field` is the name of the setting that contains the text.

    Raises:
        ConfigurationError: a reference has no value in a container.
    """
    _check_path(text, spec, stack, field)
    bound = substitute(text, _lookup(spec, stack, field, inside=True))
    text_pieces = []
    for number, part in enumerate(bound.split(_MARK)):
        if number % 2:
            kind, _, value = part.partition(":")
            text_pieces.append(Piece(kind="secret" if kind == "secret" else "variable", value=value))
        elif part:
            text_pieces.append(Piece(kind="text", value=part))
    return text_pieces


def _check_path(text: str, spec: ServiceSpec, stack: Stack, field: str) -> None:
    """Raise `ConfigurationError` if a text contains a path in the folder of the project on this machine.

    This is checked only for images that pytest-infra builds: another image may have a folder with the same
    path.
    """
    root, container = stack.root, container_of(spec)
    if len(root) <= 1 or root not in text or container.root.startswith(root):
        return
    if spec.kind or container.image or container.dockerfile:
        return
    if match := re.search(rf"(?<![\w./-]){re.escape(root)}(?![\w.-])[^\s\"']*", text):
        raise ConfigurationError(
            f"{spec.name}: `{field}` contains the path {match[0]!r} of this machine, which a container does"
            " not have",
            where=setting_key(spec.name, field),
            hint="Write ${root} instead of the folder of the project.",
        )


def working_folder(spec: ServiceSpec) -> str:
    """Return the working directory of a user's own program.

    The result is empty if it is the working directory of the image. Raises `ConfigurationError` if it is a
    folder of this machine that the image does not have.
    """
    container = container_of(spec)
    if {"${root}": container.root, "${data}": container.data}.get(spec.cwd) == "":
        return ""
    own_image = container.image or container.dockerfile
    exists = spec.cwd in ("/", "/tmp") or f"{spec.cwd}/".startswith(f"{container.root}/")  # noqa: S108 - in the container
    if spec.cwd.startswith("/") and not own_image and not exists:
        raise ConfigurationError(
            f"{spec.name} has the working directory {spec.cwd!r} of this machine, which its image does not"
            " have",
            where=setting_key(spec.name, "cwd"),
            hint="Write a path relative to the stack file.",
        )
    return spec.cwd


def misplaced_secret(piece: Piece, spec: ServiceSpec, field: str) -> ConfigurationError:
    """Return the error for a secret outside of `env`, where other users could read the secret."""
    return ConfigurationError(
        f"{spec.name}: `{field}` contains the secret {piece.value!r}, which only `env` can contain",
        where=setting_key(spec.name, field),
        hint="Use the secret in `env`, which the container reads at its start.",
    )


def check_needs(spec: ServiceSpec, stack: Stack) -> None:
    """Raise `ConfigurationError` if a service in the field `needs` of a service has no container."""
    for need in spec.needs:
        if need not in stack.services:
            raise ConfigurationError(
                f"{spec.name} needs {need}, which has no container image",
                where=setting_key(spec.name, "needs"),
                hint=f"Remove {need} from `needs`, or describe {need} as your own service with an image.",
            )


def check_image(spec: ServiceSpec) -> None:
    """Raise `ConfigurationError` if the image of a service's container is not a valid image name."""
    image = container_of(spec).image
    if image and not _IMAGE.fullmatch(image):
        raise ConfigurationError(
            f"{spec.name}: {image!r} is not the name of an image",
            where=setting_key(spec.name, "image" if spec.kind or spec.image else "container.image"),
            hint="Write the name as REGISTRY/PATH:TAG, such as registry.example/shop/api:1.4.2.",
        )


def container_of(spec: ServiceSpec) -> Container:
    """Return the container of a spec. Raises `ValueError` if the spec has no container."""
    if spec.container is None:
        raise ValueError(f"{spec.name} has no container")
    return spec.container


def inner_port(spec: ServiceSpec, name: str) -> int:
    """Return the number of a service's port inside the service's container."""
    return container_of(spec).ports.get(name, spec.ports[name])


def _lookup(spec: ServiceSpec, stack: Stack, field: str, *, inside: bool) -> Callable[[str], str]:
    """Return a function that takes a reference of a service, and returns its value in a container.

    `inside` is true for texts of the service's own container, false for exports, which other containers use.
    """
    container = container_of(spec)
    secrets = frozenset(container.secret_files.values())
    values = {
        "host": ALL_ADDRESSES if inside else stack.address(spec.name),
        "stack.environment": stack.environment,
        "stack.service": spec.name,
        **{f"port.{name}": str(inner_port(spec, name)) for name in spec.ports},
    }
    if inside:
        values |= {"run": RUN, "data": container.data, "root": container.root}

    def lookup(reference: str) -> str:
        if value := values.get(reference):
            return value
        scope, dot, name = reference.partition(".")
        if scope == "env":
            return f"{_MARK}variable:{name}{_MARK}"
        if scope == "secret" and name in secrets:
            return f"{_MARK}secret:{secret_file(stack.hosts[spec.name], name)}{_MARK}"
        if scope == "bin" and inside:
            return name
        if dot and scope not in OWN_SCOPES:
            return _export(scope, name, spec, stack, field)
        raise _without_value(reference, spec, field, inside=inside)

    return lookup


def _without_value(reference: str, spec: ServiceSpec, field: str, *, inside: bool) -> ConfigurationError:
    problem, hint = "only a stack on this machine has the value", ""
    if reference.startswith("secret."):
        problem = "the image does not use this secret"
    elif not inside and not reference.startswith("stack."):
        problem, hint = (
            "the value is a path inside another container",
            "Refer to a URL or a port of the service.",
        )
    elif reference == "root":
        problem = "the folder of the project in the image is not known"
        hint = f"Set `root` in [services.{spec.name}.container]."
    message = f"{spec.name}: ${{{reference}}} has no value in a container: {problem}"
    return ConfigurationError(message, where=setting_key(spec.name, field), hint=hint)


def _export(service: str, name: str, user: ServiceSpec, stack: Stack, field: str) -> str:
    """Return the value of an export of `service`, to which a string of the service `user` refers.

    The value is empty if the reference is optional, and `service` or the export does not exist.
    """
    name, optional = name.removesuffix("?"), name.endswith("?")
    reference = f"${{{service}.{name}}}"
    where = setting_key(user.name, field)
    spec = stack.services.get(service)
    if spec is None:
        if optional:
            return ""
        problem = "has no container image" if service in stack.omitted else "is not part of this stack"
        raise ConfigurationError(
            f"{user.name} refers to {reference}, and {service} {problem}",
            where=where,
            hint=f"Remove the reference, or describe {service} as your own service with a command and an"
            f" image: [services.{service}.container].",
        )
    if name not in spec.exports:
        if optional:
            return ""
        raise ConfigurationError(f"{user.name} refers to {reference}, which {service} does not export", where)
    text = container_of(spec).exports.get(name, spec.exports[name])
    if match := LOOPBACK.search(text):
        raise ConfigurationError(
            f"{user.name} refers to {reference}, whose value is {text!r}: inside a container, {match[0]}"
            " is the container itself",
            where=where,
            hint=f"Use an export of {service} that contains its ${{host}}.",
        )
    try:
        return substitute(text, _lookup(spec, stack, field, inside=False))
    except ConfigurationError as error:
        message = f"{user.name} refers to {reference}, which other containers cannot use: {error.message}"
        raise ConfigurationError(message, where=where, hint=error.hint) from None
