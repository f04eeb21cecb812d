"""Health checks of containers: convert the probe of a service to a command of the service's image."""

from __future__ import annotations

from infra_runtime.engines.references import container_of, inner_port, setting_key
from infra_runtime.errors import ConfigurationError
from infra_runtime.spec import ExecProbe, HttpProbe, Probe, ServiceSpec, TcpProbe
from infra_runtime.value import frozen

#: the range of HTTP statuses that `HttpProbe` accepts by default, and that `curl --fail` and `wget` accept
SUCCESS = (200, 399)
#: seconds between two checks after the start of the service, and the time limit of one check in seconds
INTERVAL, TIMEOUT = 10, 5


@frozen
class HealthCommand:
    """A command of the image that exits with 0 if the service is ready."""

    #: the words of the command, with references
    words: tuple[str, ...]
    #: the setting from which the command is derived: `container.health` or `ready`
    field: str
    #: the time limit of one execution in seconds
    timeout: float = TIMEOUT


def health_command(spec: ServiceSpec) -> HealthCommand | None:
    """Return the command that checks a service in its container.

    The result is None for a task, and for a service without a probe and without `container.health`.

    Raises:
        ConfigurationError: the probe cannot be expressed as a command of the image.
    """
    container = container_of(spec)
    if spec.task or (spec.ready is None and not container.health):
        return None
    if container.health or spec.ready is None:
        return HealthCommand(words=container.health, field="container.health")
    timeout = spec.ready.timeout if isinstance(spec.ready, ExecProbe) else TIMEOUT
    return HealthCommand(words=_command(spec, spec.ready), field="ready", timeout=timeout)


def _command(spec: ServiceSpec, probe: Probe) -> tuple[str, ...]:
    client = container_of(spec).health_client
    match probe:
        case ExecProbe():
            return probe.command
        case HttpProbe():
            return _http(spec, probe, client)
        case TcpProbe() if client == "python":
            return "python", "-c", _TCP_SCRIPT.format(port=inner_port(spec, probe.port))
        case TcpProbe():
            problem = f"the image contains no known program for TCP connections{_named(client)}"
            raise _impossible(spec, problem, "python")
    raise _impossible(spec, f"no program for the probe {type(probe).__name__} is known")


def _http(spec: ServiceSpec, probe: HttpProbe, client: str) -> tuple[str, ...]:
    scheme = "https" if probe.tls else "http"
    url = f"{scheme}://127.0.0.1:{inner_port(spec, probe.port)}{probe.path}"
    if client == "python":
        lowest, highest = probe.status
        script = _HTTP_SCRIPT.format(
            url=url,
            headers=dict(sorted(probe.headers.items())),
            lowest=lowest,
            highest=highest,
            contains=probe.contains,
        )
        return "python", "-c", script
    if client and (probe.contains or probe.status != SUCCESS):
        problem = f"{client} supports neither `contains` nor a `status` other than 200 to 399"
        raise _impossible(spec, problem, "python")
    headers = [f"{name}: {value}" for name, value in sorted(probe.headers.items())]
    if client == "curl":
        return (
            "curl",
            "-fsSk" if probe.tls else "-fsS",
            "-o",
            "/dev/null",
            *(word for line in headers for word in ("-H", line)),
            url,
        )
    if client == "wget":
        insecure = ("--no-check-certificate",) if probe.tls else ()
        return "wget", "-q", *insecure, "-O", "/dev/null", *(f"--header={line}" for line in headers), url
    problem = f"the image contains no known program for HTTP requests{_named(client)}"
    raise _impossible(spec, problem, "python", "curl", "wget")


#: a script that does not follow redirects, like the probe of the local engine
_HTTP_SCRIPT = """\
import ssl, sys, urllib.error, urllib.request
class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_): return None
try:
    answer = urllib.request.build_opener(
        urllib.request.ProxyHandler({{}}), Stay,
        urllib.request.HTTPSHandler(context=ssl._create_unverified_context())).open(
        urllib.request.Request({url!r}, headers={headers!r}), timeout=4)
except urllib.error.HTTPError as error:
    answer = error
sys.exit(not ({lowest} <= answer.status <= {highest} and {contains!r}.encode() in answer.read(65536)))
"""
_TCP_SCRIPT = "import socket; socket.create_connection(('127.0.0.1', {port}), timeout=4).close()"


def _named(client: str) -> str:
    return f" ({client} cannot be used)" if client else ""


def _impossible(spec: ServiceSpec, problem: str, *clients: str) -> ConfigurationError:
    """Return an error; its hint names the programs with which a health check is possible."""
    names = " or ".join(f'"{client}"' for client in clients)
    choice = f"`health_client` to {names}, if the image contains this program, or " if clients else ""
    return ConfigurationError(
        f"the probe of {spec.name} cannot be converted to a health check: {problem}",
        where=setting_key(spec.name, "ready"),
        hint=f"In [services.{spec.name}.container], set {choice}`health` to a command of the image.",
    )
