"""A plan as systemd units, as a Procfile and as environment variables."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path

import pytest

from fakes.project import Project
from fakes.suite import free_port
from infra_runtime.data_directory.paths import Paths
from infra_runtime.engines.machine import EnvironmentFile, Procfile, Systemd, mapping
from infra_runtime.engines.machine.document import document, read
from infra_runtime.engines.machine.systemd import unit_name, user_name
from infra_runtime.engines.protocol import Engine
from infra_runtime.errors import ConfigurationError
from infra_runtime.plan import Plan
from infra_runtime.spec import ServiceSpec

#: seconds until a started stack answers, also on a busy machine
PATIENCE = 90
#: systemd's exposure level of a unit, times ten, that is still accepted
EXPOSURE = 20
STACK = """\
use = ["postgres", "valkey", "caddy", "my_api"]
[services.migrate]
command = ["${bin.python}", "-m", "shop", "100%", "$$HOME", 'a "b" \\c']
env = { DB = "${postgres.url}" }
task = true
[services.my_api]
summary = "the API"
command = ["${bin.python}", "-m", "http.server", "${port.http}", "--bind", "${host}"]
env = { KEY = "${env.KEY:-a $b}" }
ports = { http = 8765 }
needs = ["migrate"]
route = "/"
stop = { signal = "INT", seconds = 2.5 }
"""


def plan_of(project: Project, text: str, environment: str = "development") -> Plan:
    project.write(text)
    return project.resolve(environment=environment, variables_required=False).plan


def units_of(plan: Plan, folder: Path, stack: str = "shop", **more: bool) -> Mapping[str, str]:
    binaries = dict.fromkeys(plan.binaries(), sys.executable)
    return Systemd(stack=stack, folder=str(folder), binaries=binaries, **more).render(plan)


def lines(text: str, key: str) -> list[str]:
    return [line.partition("=")[2] for line in text.splitlines() if line.startswith(f"{key}=")]


# --- systemd ---------------------------------------------------------------------------------------


@pytest.fixture
def analyze() -> str:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    return program


@pytest.mark.process
@pytest.mark.parametrize(
    ("environment", "user", "folder", "stack"),
    [
        ("development", False, "units", "shop"),
        ("development", True, "units", "shop"),
        ("production", True, "a 'b' %h $HOME", "shop"),
        ("production", False, "a 'b' %h $HOME", "9-shop-with-a-name-that-no-user-can-have"),
    ],
)
def test_systemd_accepts_every_unit_without_a_message(
    project: Project, tmp_path: Path, analyze: str, environment: str, folder: str, stack: str, *, user: bool
) -> None:
    made = tmp_path / folder
    made.mkdir()
    units = units_of(plan_of(project, STACK, environment), made, stack, user=user)
    for name, text in units.items():
        (made / name).write_text(text)
    paths = [str(made / name) for name in units if not name.endswith(".json")]

    answer = subprocess.run(
        [analyze, "verify", "--recursive-errors=no", *(["--user"] if user else []), *paths],
        capture_output=True, text=True, timeout=PATIENCE, check=False,
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
    )  # fmt: skip

    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")
    assert len(paths) == 6


@pytest.mark.process
def test_every_system_unit_has_an_exposure_below_2(project: Project, tmp_path: Path, analyze: str) -> None:
    units = units_of(plan_of(project, STACK, "production"), tmp_path)
    services = [name for name in units if name.endswith(".service")]
    for name in services:
        (tmp_path / name).write_text(units[name])

    answer = subprocess.run(
        [analyze, "security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE}",
         *(str(tmp_path / name) for name in services)],
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip

    assert answer.returncode == 0, answer.stdout


def test_a_unit_starts_after_the_services_that_it_needs_are_ready(project: Project, tmp_path: Path) -> None:
    units = units_of(plan_of(project, STACK), tmp_path)

    api, task = units["shop-my_api.service"], units["shop-migrate.service"]
    assert lines(api, "Requires") == ["shop-migrate.service"]
    assert lines(task, "After") == ["shop-postgres.service", "network.target"]
    assert lines(task, "Type") == ["oneshot"]
    assert lines(units["shop-postgres.service"], "ExecStartPost")[0].endswith("stack.json postgres")
    assert (lines(api, "KillSignal"), lines(api, "TimeoutStopSec")) == (["SIGINT"], ["2"])


def test_only_services_with_low_ports_have_a_capability(project: Project, tmp_path: Path) -> None:
    units = units_of(plan_of(project, STACK, "production"), tmp_path)

    assert lines(units["shop-caddy.service"], "CapabilityBoundingSet") == ["CAP_NET_BIND_SERVICE"]
    assert lines(units["shop-my_api.service"], "CapabilityBoundingSet") == [""]
    assert lines(units["shop-postgres.service"], "IPAddressDeny") == ["any"]
    assert lines(units["shop-my_api.service"], "IPAddressDeny") == []


def test_a_public_service_listens_on_all_addresses_in_production_only(project: Project) -> None:
    def listens(environment: str) -> str:
        stack = document(plan_of(project, STACK, environment), {})
        return stack.services["caddy"].prepare[0].text  # type: ignore[union-attr]

    assert '"0.0.0.0:${port.http}"' in listens("production")
    assert '"${host}:${port.http}"' in listens("development")


def test_the_same_plan_results_in_the_same_files(project: Project, tmp_path: Path) -> None:
    plan = plan_of(project, STACK)

    assert units_of(plan, tmp_path) == units_of(plan_of(project, STACK), tmp_path)
    assert read(units_of(plan, tmp_path)["stack.json"]) == document(
        plan, dict.fromkeys(plan.binaries(), sys.executable)
    )


def test_the_name_of_a_user_starts_with_a_letter_and_has_at_most_31_characters() -> None:
    names = [user_name(stack) for stack in ("shop", "9shop", "x" * 31, "x" * 32, "y" * 32, "1" * 40)]

    assert names[:3] == ["shop", "s-9shop", "x" * 31]
    assert len({*names}) == 6
    assert all(re.fullmatch(r"[a-z][a-z0-9-]{0,30}", name) for name in names)


def test_the_name_of_a_unit_has_no_other_characters() -> None:
    assert unit_name("my api/1") == r"my\x20api\x2f1"


def test_a_service_in_a_container_is_an_error(project: Project) -> None:
    with pytest.raises(ConfigurationError) as caught:
        document(plan_of(project, "use = ['search']\n[services.search]\nimage = 'acme/search:1'\n"), {})

    assert "only the supervisor removes the containers" in caught.value.message
    assert caught.value.where == "services.search.image"


@pytest.mark.parametrize("reference", ["stack.data", "stack.logs", "stack.token"])
def test_a_reference_that_needs_the_supervisor_is_an_error(project: Project, reference: str) -> None:
    plan = plan_of(project, f'[services.api]\ncommand = ["api", "${{{reference}}}"]\n')

    with pytest.raises(ConfigurationError, match=reference) as caught:
        document(plan, {})

    assert caught.value.where == "services.api.command"


def test_the_environment_test_has_no_fixed_ports(project: Project) -> None:
    plan = plan_of(project, "use = ['valkey']", "test")
    engines: list[Engine] = [
        EnvironmentFile(),
        Procfile(folder="/srv", binaries={}),
        Systemd(stack="shop", folder="/srv", binaries={}),
    ]

    for engine in engines:
        with pytest.raises(ConfigurationError, match="no fixed ports"):
            engine.render(plan)


# --- variables -------------------------------------------------------------------------------------


@pytest.mark.process
def test_a_shell_reads_the_variables_of_the_file(project: Project, tmp_path: Path) -> None:
    text = STACK + 'exports = { word = "${env.KEY:-none} \\"$$x\\" `y`" }\n'
    path = tmp_path / "development.env"
    path.write_text(EnvironmentFile().render(plan_of(project, text))["development.env"])
    given = {"POSTGRES_PASSWORD": "se$cret", "VALKEY_PASSWORD": "v", "PATH": os.environ["PATH"]}

    shell = subprocess.run(
        ["sh", "-ec", f"set -a; . {path}; env -0"], env=given, capture_output=True, text=True, check=True,
        timeout=PATIENCE,
    )  # fmt: skip
    values = dict(line.split("=", 1) for line in shell.stdout.split("\0") if line)

    assert values["DATABASE_URL"] == "postgresql://postgres:se$cret@127.0.0.1:5432/postgres"
    assert values["PGPASSWORD"] == "se$cret"
    assert values["MY_API_WORD"] == 'none "$x" `y`'
    assert "se$cret" not in path.read_text()
    assert "# Set this variable before you use the file: POSTGRES_PASSWORD\n" in path.read_text()
    assert "Not exported, because the value is a path on one machine: postgres.socket_url" in path.read_text()


def test_services_whose_variables_have_the_same_name_are_an_error(project: Project) -> None:
    text = "".join(
        f"[services.{name}]\ncommand = ['api']\nports = {{ http = {port} }}\n"
        for name, port in (("a-b", 8001), ("a_b", 8002))
    )
    plan = plan_of(project, f"use = ['a-b', 'a_b']\n{text}")

    with pytest.raises(
        ConfigurationError, match="exports of a-b and a_b need the variable A_B_PORT"
    ) as caught:
        EnvironmentFile().render(plan)

    assert caught.value.where == "services.a_b.exports"


# --- the launcher in a unit of systemd -------------------------------------------------------------


def launch(
    project: Project, folder: Path, action: str, service: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run the launcher in the environment of a unit with a dynamic user: its folders are links."""
    resolved = project.resolve(environment="production", executables=True)
    units = Systemd(stack="shop", folder=str(folder), binaries=resolved.binaries).render(resolved.plan)
    (folder / "stack.json").write_text(units["stack.json"])
    for name in ("RUNTIME_DIRECTORY", "STATE_DIRECTORY", "CACHE_DIRECTORY"):
        made = folder / name / "private" / "shop"
        made.mkdir(mode=0o700, parents=True, exist_ok=True)
        link = folder / name / "shop"
        if not link.is_symlink():
            link.symlink_to("private/shop")
        variables[name] = str(link)
    module = "infra_runtime.engines.machine.launcher"
    data = ["--data", variables["STATE_DIRECTORY"]]
    command = [sys.executable, "-I", "-m", module, action, *data, str(folder / "stack.json"), service]
    return subprocess.run(
        command,
        env={**os.environ, **variables},
        text=True,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.mark.process
def test_the_launcher_uses_the_linked_folders_of_a_dynamic_user(project: Project, tmp_path: Path) -> None:
    project.write(
        "[services.worker]\ncommand = ['${bin.python}', '-c', 'print(1)', '${data}', '${run}/socket']\n"
        "cwd = '${data}'\n"
    )

    answer = launch(project, tmp_path, "exec", "worker")

    assert (answer.stdout, answer.stderr) == ("1\n", "")
    assert (tmp_path / "STATE_DIRECTORY/private/shop/services/worker").is_dir()
    assert any((tmp_path / "RUNTIME_DIRECTORY/private/shop").iterdir())


@pytest.mark.process
def test_the_wait_ends_when_the_program_has_exited(project: Project, tmp_path: Path) -> None:
    project.write(
        "[services.worker]\ncommand = ['${bin.python}', '-c', '']\nports = { http = 9 }\n"
        "ready = { http = '/' }\nstart_timeout = 86400\n"
    )
    exited = subprocess.Popen([sys.executable, "-S", "-c", ""])
    exited.wait(PATIENCE)

    answer = launch(project, tmp_path, "wait", "worker", MAINPID=str(exited.pid))

    assert answer.returncode == 1
    assert answer.stderr.startswith("worker: the program has exited; the last attempt of the probe: ")


# --- Procfile --------------------------------------------------------------------------------------


@pytest.fixture
def honcho() -> Iterator[list[subprocess.Popen[str]]]:
    """Return the list of started process managers, which are stopped at the end of the test."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(PATIENCE)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.real("valkey")
def test_honcho_runs_the_stack_in_the_order_of_its_needs(
    project: Project, tmp_path: Path, honcho: list[subprocess.Popen[str]]
) -> None:
    pytest.importorskip("honcho", reason="the process manager is not installed")
    http, client = free_port(), free_port()
    folder = tmp_path / "a 'b' %h $HOME #"
    folder.mkdir()
    project.write(
        f"use = ['valkey', 'api']\n[services.valkey]\nport = {client}\n"
        "[services.load]\ntask = true\nenv = { URL = '${valkey.url}' }\n"
        "command = ['${bin.python}', '-c', 'import os; open(\"loaded\", \"w\").write(os.environ[\"URL\"])']\n"
        "[services.api]\nneeds = ['load']\nready = { http = '/' }\n"
        f"ports = {{ http = {http} }}\n"
        "command = ['${bin.python}', '-m', 'http.server', '${port.http}', '--bind', '${host}']\n"
    )
    resolved = project.resolve(environment="development", executables=True)
    for name, text in Procfile(folder=str(folder), binaries=resolved.binaries).render(resolved.plan).items():
        (folder / name).write_text(text)

    with (tmp_path / "output").open("w") as file:
        honcho.append(
            subprocess.Popen(
                [sys.executable, "-m", "honcho", "-f", str(folder / "Procfile"), "start"],
                stdout=file, stderr=subprocess.STDOUT, text=True, start_new_session=True, cwd=tmp_path,
            )
        )  # fmt: skip

    def log() -> str:
        return (tmp_path / "output").read_text()

    deadline = time.monotonic() + PATIENCE
    while "api is ready" not in log():
        assert honcho[0].poll() is None, log()
        assert time.monotonic() < deadline, log()
        time.sleep(0.05)
    with urllib.request.urlopen(f"http://127.0.0.1:{http}/loaded", timeout=PATIENCE) as answer:
        assert answer.read().decode().startswith("redis://:")
    honcho[0].send_signal(signal.SIGTERM)
    honcho[0].wait(PATIENCE)
    output = log()
    assert output.index("valkey is ready") < output.index("api is ready")
    assert "SIGKILL" not in output
    assert not Path(Paths(str(folder / "data")).run).exists()


# --- the tables ------------------------------------------------------------------------------------


def test_every_field_of_a_service_has_its_row() -> None:
    """For a new field, decide how it is exported to systemd, and add a row."""
    assert set(mapping.SPEC) == {field.name for field in fields(ServiceSpec)}


def test_the_page_is_generated_from_the_code() -> None:
    """Write it with python -m infra_runtime.engines.machine.mapping > docs/reference/export-systemd.md."""
    page = Path(__file__).parents[3] / "docs" / "reference" / "export-systemd.md"

    assert page.read_text(encoding="utf-8") == mapping.page()


def test_services_with_the_variables_of_the_telemetry_can_be_exported(project: Project) -> None:
    project.write("use = ['telemetry', 'api']\n[services.telemetry]\n[services.api]\ncommand = ['api']\n")
    plan = project.resolve(variables_required=False).plan

    exported = document(plan, {"opentelemetry-proto": "/bin/python"})

    assert "${stack.run}" in exported.services["api"].env["OTEL_RESOURCE_ATTRIBUTES"]
