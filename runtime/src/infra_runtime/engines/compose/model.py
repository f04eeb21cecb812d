"""Convert a plan to a Compose model: the content of a Compose file for one environment, as JSON data."""

from __future__ import annotations

import posixpath
import re
import shlex
import signal
from collections.abc import Iterable, Mapping

from infra_runtime.engines.compose.health import duration, health_check
from infra_runtime.engines.compose.interpolation import interpolated
from infra_runtime.engines.output import SECRETS
from infra_runtime.engines.references import (
    Piece,
    Stack,
    check_image,
    check_needs,
    container_of,
    inner_port,
    pieces,
    secret_file,
    setting_key,
    stack_of,
    working_folder,
)
from infra_runtime.engines.yaml_text import Value
from infra_runtime.errors import ConfigurationError
from infra_runtime.manifest import DEPLOYED
from infra_runtime.plan import Plan
from infra_runtime.spec import Container, ServiceSpec
from infra_runtime.value import frozen

DOCKERFILE = "Dockerfile"
#: the folder in a container in which Compose mounts secrets. Source: Compose Specification, "secrets"
_SECRETS_INSIDE = "/run/secrets"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WILDCARD = re.compile(r"[*?\[]")


@frozen
class Folders:
    """The relative paths (with `/`) between the folders of the Compose files and of the stack file."""

    #: from the Compose files to the stack file's folder
    project: str = ".."
    #: from the stack file's folder to the Compose files
    output: str = "compose"


def model(plan: Plan, name: str, folders: Folders) -> dict[str, Value]:
    """Return the Compose model of a plan: the content of a `compose.yaml` as dictionaries, lists and texts.

    Raises:
        ConfigurationError: a setting cannot be exported; the error contains its dotted key.
    """
    stack = stack_of(plan)
    services: dict[str, Value] = {}
    volumes: dict[str, Value] = {}
    secrets: dict[str, Value] = {}
    configs: dict[str, Value] = {}
    for spec in stack.services.values():
        host = stack.hosts[spec.name]
        service = _service(spec, stack, folders)
        services[host] = service
        container = container_of(spec)
        if container.data:
            volumes[f"{host}-data"] = {}
        secrets_of_service = service.get("secrets", ())
        secrets |= {
            str(secret): {"file": f"./{SECRETS}/{secret}"}
            for secret in (secrets_of_service if isinstance(secrets_of_service, list) else ())
        }
        for path, text in container.files.items():
            content = interpolated(pieces(text, spec, stack, "options"), spec, "options")
            configs[_config_name(host, path, container)] = {"content": content}
    required: dict[str, Value] = {"name": name, "services": services}
    optional = {"volumes": volumes, "secrets": secrets, "configs": configs}
    return required | {key: table for key, table in optional.items() if table}


def secret_names(models: Iterable[Mapping[str, Value]]) -> list[str]:
    """Return the names of all secret files to which these Compose models refer."""
    tables = [model.get("secrets", {}) for model in models]
    return sorted({name for table in tables if isinstance(table, Mapping) for name in table})


def generated_images(plan: Plan) -> list[str]:
    """Return the names of the services whose image is built with the generated Dockerfile."""
    return [spec.name for spec in plan.services if spec.container and _is_generated(spec.container)]


def _is_generated(container: Container) -> bool:
    return bool(container.build) and not container.dockerfile


def _service(spec: ServiceSpec, stack: Stack, folders: Folders) -> dict[str, Value]:
    container = container_of(spec)
    if container.problem:
        raise ConfigurationError(
            f"{spec.name}: {container.problem}", where=setting_key(spec.name, "container")
        )
    check_image(spec)
    replaces_entrypoint = container.entrypoint is not None
    variables, from_secrets = _environment(spec, stack)
    command: list[Value] = [
        interpolated(pieces(word, spec, stack, "command"), spec, "command") for word in container.command
    ]
    service: dict[str, Value] = dict(_image(container, folders))
    if from_secrets:
        service["entrypoint"] = ["/bin/sh", "-ec", _script(from_secrets), "sh", *(container.entrypoint or ())]
    elif container.entrypoint is not None:
        service["entrypoint"] = list(container.entrypoint)
    if command or replaces_entrypoint:
        service["command"] = command
    if replaces_entrypoint:
        # The first process of a container ignores signals by default: without an init, a program that does
        # not handle SIGTERM would run until SIGKILL. Source: Compose Specification, "init".
        service["init"] = True
    if not spec.kind and (folder := _working_folder(spec, stack)) is not None:
        service["working_dir"] = folder
    if container.user:
        service["user"] = container.user
    if not spec.kind:
        variables = {"INFRA_ENV": stack.environment, **variables}
    optional: dict[str, Value] = {
        "environment": variables,
        "depends_on": _dependencies(spec, stack),
        "ports": _ports(spec, stack),
        "volumes": _volumes(spec, stack, folders),
        "secrets": _secrets(spec, stack, from_secrets),
        "configs": [
            {"source": _config_name(stack.hosts[spec.name], path, container), "target": path}
            for path in container.files
        ],
        "healthcheck": health_check(spec, stack),
    }
    service |= {key: value for key, value in optional.items() if value}
    service |= {"restart": _restart(spec, stack), **_stop(spec)}
    if stack.environment == "development" and (watch := _watch(spec, folders)):
        service["develop"] = {"watch": watch}
    return service


def _image(container: Container, folders: Folders) -> dict[str, Value]:
    if container.image:
        return {"image": container.image}
    context = posixpath.normpath(posixpath.join(folders.project, container.build))
    dockerfile = container.dockerfile
    if _is_generated(container):
        dockerfile = posixpath.join(folders.output, DOCKERFILE)
    return {"build": {"context": context, "dockerfile": posixpath.normpath(dockerfile)}}


# --- environment and secrets -----------------------------------------------------------------------


def _environment(spec: ServiceSpec, stack: Stack) -> tuple[dict[str, Value], dict[str, list[Piece]]]:
    """Return the environment variables of a container: first those without secrets, then those with secrets.

    The Compose file contains the variables without secrets. The container reads the secrets in the other
    variables from secret files at its start.
    """
    container = container_of(spec)
    plain_variables: dict[str, Value] = {}
    from_secrets: dict[str, list[Piece]] = {}
    for name, text in container.env.items():
        parts = pieces(text, spec, stack, f"env.{name}")
        if any(piece.kind == "secret" for piece in parts):
            _check_secret_variable(spec, name, parts)
            from_secrets[name] = parts
        else:
            plain_variables[name] = interpolated(parts, spec, f"env.{name}")
    host = stack.hosts[spec.name]
    for name, secret in container.secret_files.items():
        plain_variables[name] = f"{_SECRETS_INSIDE}/{secret_file(host, secret)}"
    return plain_variables, from_secrets


def _check_secret_variable(spec: ServiceSpec, name: str, parts: Iterable[Piece]) -> None:
    where = setting_key(spec.name, f"env.{name}")
    if container_of(spec).entrypoint is None:
        problem = "the image's entry point cannot be replaced by a script that reads the secret from a file"
        raise ConfigurationError(f"{spec.name}: the variable {name} contains a secret, but {problem}", where)
    if not _VARIABLE.fullmatch(name):
        problem = "a shell cannot set a variable with this name"
        message = f"{spec.name}: the variable {name!r} contains a secret, but {problem}"
        raise ConfigurationError(message, where, hint="Use letters, digits and _.")
    if any(piece.kind == "variable" for piece in parts):
        raise ConfigurationError(
            f"{spec.name}: the variable {name} contains a secret and a reference ${{env.…}}",
            where=where,
            hint="Write the secret and the reference ${env.…} to two different variables.",
        )


def _script(variables: Mapping[str, list[Piece]]) -> str:
    """Return a shell script that sets variables from the secret files, and then executes the command.

    If a file cannot be read, the assignment `NAME="$(…)"` fails, and the option `-e` ends the script. After
    `export NAME="$(…)"`, the script would continue. Source: POSIX, "Shell Command Language", 2.9.1 and 2.14
    (export).
    """
    lines = []
    for name, parts in variables.items():
        value = "".join(
            f'"$(cat {_SECRETS_INSIDE}/{piece.value})"'
            if piece.kind == "secret"
            else shlex.quote(piece.value)
            for piece in parts
        )
        lines += [f"{name}={value}", f"export {name}"]
    return "\n".join([*lines, 'exec "$@"', ""]).replace("$", "$$")


def _secrets(spec: ServiceSpec, stack: Stack, variables: Mapping[str, list[Piece]]) -> list[Value]:
    files = container_of(spec).secret_files.values()
    mounted = [secret_file(stack.hosts[spec.name], secret) for secret in files]
    used_in_variables = [
        piece.value for parts in variables.values() for piece in parts if piece.kind == "secret"
    ]
    return list(dict.fromkeys([*mounted, *used_in_variables]))


# --- one function for each other field ---------------------------------------------------------------


def _config_name(host: str, path: str, container: Container) -> str:
    """Return the name of a file's config: `HOST-FILE`.

    `FILE` is the name of the file. If the container has several files with this name, `FILE` is the path,
    with hyphens instead of slashes.
    """
    name = posixpath.basename(path)
    if sum(posixpath.basename(other) == name for other in container.files) > 1:
        name = path.strip("/").replace("/", "-")
    return f"{host}-{name}"


def _working_folder(spec: ServiceSpec, stack: Stack) -> str | None:
    """Return the working directory of a container; None if it is the working directory of the image."""
    if spec.image:
        return container_of(spec).working_folder or None
    folder = working_folder(spec)
    return (
        posixpath.normpath(interpolated(pieces(folder, spec, stack, "cwd"), spec, "cwd")) if folder else None
    )


def _dependencies(spec: ServiceSpec, stack: Stack) -> dict[str, Value]:
    dependencies: dict[str, Value] = {}
    check_needs(spec, stack)
    for name in spec.all_needs():
        need = stack.services.get(name)
        if need is None:
            continue  # an optional reference to a service that is not in the plan
        condition = "service_started"
        if need.task:
            condition = "service_completed_successfully"
        elif health_check(need, stack):
            condition = "service_healthy"
        dependencies[stack.hosts[name]] = {"condition": condition}
    return dependencies


def _ports(spec: ServiceSpec, stack: Stack) -> list[Value]:
    """Return the ports of a service that Compose publishes on the machine.

    In development and test, all ports of all services are published; in other environments, those of public
    services.
    """
    deployed = stack.environment in DEPLOYED
    if deployed and not container_of(spec).public:
        return []
    ports: list[Value] = []
    for name, number in spec.ports.items():
        port: dict[str, Value] = {"target": inner_port(spec, name)}
        if stack.environment != "test":  # in the environment `test`, Docker chooses a free port
            port["published"] = str(number)
        if not deployed:
            port["host_ip"] = "127.0.0.1"
        ports.append({**port, "protocol": "tcp"})
    return ports


def _volumes(spec: ServiceSpec, stack: Stack, folders: Folders) -> list[Value]:
    container = container_of(spec)
    volumes: list[Value] = []
    if container.data:
        source = f"{stack.hosts[spec.name]}-data"
        volumes.append({"type": "volume", "source": source, "target": container.data})
    mounted = {posixpath.join(container.root, path): path for path in container.mounts}
    volumes += (_mount(path, target, folders) for target, path in {**mounted, **container.binds}.items())
    return volumes


def _mount(path: str, target: str, folders: Folders) -> dict[str, Value]:
    return {
        "type": "bind",
        "source": posixpath.normpath(posixpath.join(folders.project, path)).replace("$", "$$"),
        "target": posixpath.normpath(target).replace("$", "$$"),
        "read_only": True,
        # A missing folder is an error: without this setting, Docker would create a folder whose owner is
        # root.
        "bind": {"create_host_path": False},
    }


def _restart(spec: ServiceSpec, stack: Stack) -> str:
    """Return the restart policy of a service as a value of Compose.

    With `on-failure`, Docker does not start a service after a restart of the machine. Therefore, staging and
    production use `unless-stopped` instead. Source: Docker documentation, "Start containers automatically".
    """
    if spec.task or spec.restart == "never":
        return "no"
    if spec.restart == "on-failure" and stack.environment in DEPLOYED:
        return "unless-stopped"
    return spec.restart


def _stop(spec: ServiceSpec) -> dict[str, Value]:
    """Return the stop settings of a service for Compose: one signal, and the time until SIGKILL.

    The signal is that of the first stop step. The time is the sum of the seconds of all stop steps.
    """
    if not spec.stop:
        return {}
    return {
        "stop_signal": signal.Signals(spec.stop[0].signal).name,
        "stop_grace_period": duration(sum(step.seconds for step in spec.stop)),
    }


def _watch(spec: ServiceSpec, folders: Folders) -> list[Value]:
    """Return the rules by which `docker compose watch` updates a service when files change.

    Source: Compose Develop Specification, "watch".
    """
    container = container_of(spec)
    rules: list[Value] = []
    for glob in spec.watch:
        parts = glob.split("/")
        fixed_length = next(
            (number for number, part in enumerate(parts) if _WILDCARD.search(part)), len(parts)
        )
        folder, pattern = "/".join(parts[:fixed_length]), "/".join(parts[fixed_length:])
        rule: dict[str, Value] = {"path": posixpath.normpath(posixpath.join(folders.project, folder))}
        if container.image:
            rule["action"] = "restart"
        elif container.root:
            rule |= {"action": "sync+restart", "target": posixpath.normpath(f"{container.root}/{folder}")}
        else:
            rule["action"] = "rebuild"
        rules.append(rule | ({"include": [pattern]} if pattern else {}))
    return rules
