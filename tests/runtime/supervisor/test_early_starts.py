"""Services that start together with the supervisor, before their client has sent the request `up`."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fakes.stacks import is_running, journal_events, kill, kill_both, resolved, server, services_of, until
from infra_runtime.data_directory import control_file, remains
from infra_runtime.data_directory.paths import Paths
from infra_runtime.engines.local.client import raise_failures
from infra_runtime.engines.local.engine import LocalEngine
from infra_runtime.engines.local.stack import Stack, up_request
from infra_runtime.errors import StartError
from infra_runtime.host import file_lock, privileges
from infra_runtime.message import Message
from infra_runtime.messages import STOP, UP, Method, Names
from infra_runtime.spec import Run, Secret, Seed, ServiceSpec, WriteFile
from infra_runtime.supervisor.early_choice import MOST
from infra_runtime.supervisor.seed_folders import seed_folder

pytestmark = pytest.mark.process
#: builds a tree with a file that has the same content in every copy
BUILD = Run(command=("sh", "-c", "echo content > ${out}/file"))
#: a step that writes a line at each run; with it, the service is prepared in a separate process
RUN = Run(command=("sh", "-c", "echo run >> ${data}/runs"))
#: a copy that leaves a file, so that a test can distinguish it from a later copy
MARKED = "lambda tree, to, copy=copy: (copy(tree, to), open(f'{to}/early', 'w').close())"
ENDLESS = "lambda tree, to: time.sleep(600)"


def seeded(name: str = "web") -> ServiceSpec:
    return server(name, prepare=(Seed(into="${data}", steps=(BUILD,)),))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the seeds, in a cache for this test."""
    monkeypatch.setenv("INFRA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "seeds"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the folder of the seed, which a first start has built."""
    folder = tmp_path_factory.mktemp("built")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("INFRA_CACHE", str(folder / "cache"))
        start(folder / "data", "copy")
    return folder / "cache"


@pytest.fixture
def tree(built: Path, cache: Path, data: Path) -> Path:
    """The folder of the seed in the cache for this test."""
    shutil.copytree(built, cache.parent)
    [seed] = seeded().prepare
    assert isinstance(seed, Seed)
    return Path(seed_folder(Paths(str(data)).seeds(), seeded(), seed, {}))


def opened(data: Path, copy: str, *specs: ServiceSpec, **options: Any) -> Stack:
    """Open a stack whose supervisor uses another function for the early copies, and starts services early.

    The data are on the disk, so that the client makes no copies (see `test_seeds_ahead`).
    """

    def launch(argv: list[str], stdin: int) -> subprocess.Popen[bytes]:
        patch = "import os, time; from infra_runtime.host import file_copy; copy = file_copy.copy; "
        patch += f"file_copy.copy = {copy}; "
        code = argv[4].replace(
            "from infra_runtime.supervisor.main", f"{patch}from infra_runtime.supervisor.main"
        )
        return subprocess.Popen([*argv[:4], code, *argv[5:]], stdin=stdin, start_new_session=True)

    plan = resolved(data, specs or [seeded()], tmpfs=False, **options)
    return LocalEngine(launch=launch).open(plan, starting=True)


def early(data: Path) -> dict[str, int]:
    """Return a mapping from service to the pid of its early start."""
    return {event.service: event.pid for event in journal_events(data) if event.event == "early-start"}


def up(stack: Stack, data: Path, *specs: ServiceSpec) -> None:
    raise_failures(stack.up(resolved(data, specs)).failures)


def printing(name: str, text: str, **fields: Any) -> ServiceSpec:
    """Return a service that prints a text and exits with status 3."""
    command = ("sh", "-c", f"echo {text}; exit 3")
    return server(name, command=command, restart="never", exports={}, **fields)


def start(data: Path, copy: str) -> list[str]:
    """Start the service with this function for the early copy; return the files in its data folder."""
    with opened(data, copy) as stack:
        raise_failures(stack.up(resolved(data, [seeded()])).failures)
        folder = services_of(data)
        assert sorted(path.name for path in folder.iterdir()) == ["web"]
        return sorted(path.name for path in (folder / "web").iterdir())


def supervisor(data: Path) -> int:
    """Return the pid of the supervisor that was started last."""
    return next(event.pid for event in reversed(journal_events(data)) if event.event == "up")


def test_the_service_uses_the_copy_that_was_started_with_the_supervisor(tree: Path, data: Path) -> None:
    assert start(data, MARKED) == ["early", "file"]


def test_the_data_folder_is_private(tree: Path, data: Path) -> None:
    with opened(data, MARKED) as stack:
        raise_failures(stack.up(resolved(data, [seeded()])).failures)

        assert stack.web.data.stat().st_mode & 0o777 == tree.stat().st_mode & 0o777


def test_a_seed_without_a_copy_in_the_cache_is_built_as_before(data: Path) -> None:
    assert start(data, MARKED) == ["file"]


@pytest.mark.parametrize(
    "function",
    [
        "lambda tree, to: copy('/missing', to)",
        "lambda tree, to: (os.mkdir(to), 1 / 0)",
        "lambda tree, to: (os.mkdir(to), os.kill(os.getpid(), 9))",
    ],
)
def test_a_copy_that_fails_is_repeated(tree: Path, data: Path, function: str) -> None:
    assert start(data, function) == ["file"]


def test_a_copy_of_a_damaged_seed_is_not_used(tree: Path, data: Path) -> None:
    (tree / "file").write_text("damaged")

    assert start(data, MARKED) == ["file"]
    assert (tree / "file").read_text() == "content\n"


def test_a_copy_of_another_seed_is_not_used(tree: Path, data: Path) -> None:
    """Another client can start a service of this name with other settings."""
    other = server("web", prepare=(Seed(into="${data}", steps=(BUILD, BUILD)),))
    with opened(data, MARKED) as stack:
        up(stack, data, other)

        assert [path.name for path in stack.web.data.iterdir()] == ["file"]
        assert not is_running(early(data)["web"])


def test_the_seed_can_be_removed_after_the_start(tree: Path, data: Path) -> None:
    with opened(data, "copy") as stack:
        raise_failures(stack.up(resolved(data, [seeded()])).failures)

        descriptor = file_lock.acquire(f"{tree}.lock")

        assert descriptor is not None
        os.close(descriptor)


def test_a_copy_of_a_service_that_is_not_started_ends_with_the_stack(tree: Path, data: Path) -> None:
    stack = opened(data, ENDLESS)
    copying = early(data)["web"]

    leaks = stack.finish()
    assert leaks
    assert leaks.clean
    assert not is_running(copying)


def test_the_guardian_ends_a_copy_after_the_supervisor_was_killed(tree: Path, data: Path) -> None:
    stack = opened(data, ENDLESS)
    copying = early(data)["web"]

    kill(supervisor(data))

    until(lambda: not is_running(copying) and not services_of(data).exists())
    stack.close()


def test_the_next_supervisor_ends_a_copy_whose_guardian_was_killed(tree: Path, data: Path) -> None:
    stack = opened(data, ENDLESS)
    copying = early(data)["web"]
    kill_both(data, supervisor(data))
    stack.close()

    assert start(data, "copy") == ["file"]
    assert not is_running(copying)


# --- which services start early ----------------------------------------------------------------------


def test_only_services_that_need_no_others_start_early(tree: Path, data: Path) -> None:
    specs = [
        seeded("built"),
        server("plain"),
        server("dependent", needs=("plain",)),
        server("optional", env={"URL": "${plain.url?}"}),
        server("below", prepare=(Seed(into="${data}/below", steps=(BUILD,)),)),
        server("unbuilt", prepare=(Seed(into="${data}", steps=(BUILD, BUILD)),)),
        server("on-connection", starts_on_connection=True),
        ServiceSpec(name="task", command=("true",), task=True),
    ]
    kind = {"built": "web"}
    specs = [replace(spec, kind=kind.get(spec.name, "")) for spec in specs]
    with opened(data, "copy", *specs):
        assert sorted(early(data)) == ["built", "plain"]


def test_a_stack_of_many_services_starts_few_of_them_early(data: Path) -> None:
    specs = [server(f"web{number}") for number in range(MOST + 2)]
    with opened(data, "copy", *specs) as stack:
        assert len(early(data)) == MOST

        up(stack, data, *specs)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root switches to another user")
@pytest.mark.parametrize("prepare", [(), (RUN,)], ids=["spawned", "forked"])
def test_a_service_of_another_user_gets_its_folders_although_its_early_start_fails(
    data: Path, prepare: tuple[Run, ...]
) -> None:
    """Without user namespaces, a program that refuses to start as root runs as another user."""
    no_namespaces = "copy; from infra_runtime.host import privileges; "
    no_namespaces += "privileges.user_namespaces_work = lambda: False; "
    no_namespaces += "privileges.enter_user_namespace = lambda: open('/missing/uid_map')"
    spec = server("web", refuses_root=True, prepare=prepare)
    with opened(data, no_namespaces, spec) as stack:
        up(stack, data, spec)

        assert [event.pid for event in journal_events(data) if event.event == "spawned"] != [
            early(data)["web"]
        ]
        assert stack.web.data.stat().st_uid == privileges.other_user()[0]


def test_other_environments_start_no_service_early(data: Path) -> None:
    spec = ServiceSpec(name="sleep", command=("sleep", "600"))
    with opened(data, "copy", spec, environment="development"):
        assert not early(data)


def test_a_stack_that_is_only_opened_starts_no_service_early(data: Path) -> None:
    with LocalEngine().open(resolved(data, [server("web")])):
        assert not early(data)


# --- the work of an early start ----------------------------------------------------------------------


def test_the_process_of_an_early_start_is_the_process_of_the_service(data: Path) -> None:
    with opened(data, "copy", server("web"), server("forked", prepare=(RUN,))) as stack:
        up(stack, data, server("web"), server("forked", prepare=(RUN,)))

        assert {service.name: service.pid for service in stack.status().services} == early(data)
        assert (stack.forked.data / "runs").read_text() == "run\n"


def test_an_early_start_writes_the_files_of_the_preparation(data: Path) -> None:
    steps = (Secret(path="${data}/key.secret"), WriteFile(path="${data}/conf", text="${secret.key} ${run}"))
    for index, prepare in enumerate([steps, (*steps, RUN)]):
        spec = server(f"web{index}", prepare=prepare, exports={"key": "${secret.key}"})
        folder = data.with_name(f"data{index}")
        with opened(folder, "copy", spec) as stack:
            up(stack, folder, spec)

            endpoint = stack[spec.name]
            secret, run = (endpoint.data / "conf").read_text().split()
            assert secret == endpoint["key"]
            assert Path(run).is_dir()


def test_an_optional_reference_to_a_service_that_started_early_has_its_port(tree: Path, data: Path) -> None:
    """The service may already listen on its port when the other service is prepared."""
    specs = [seeded(), server("api", env={"URL": "${web.url?}"}, exports={"web": "${web.url?}"})]
    with opened(data, MARKED, *specs) as stack:
        up(stack, data, *specs)

        assert stack.api["web"] == stack.web.url
        pid = next(service.pid for service in stack.status().services if service.name == "api")
        assert f"URL={stack.web.url}\0".encode() in Path(f"/proc/{pid}/environ").read_bytes()


def ignored(status: str) -> int:
    """Return the mask of the ignored signals in a text of `/proc/PID/status`."""
    (mask,) = re.findall(r"SigIgn:\s*([0-9a-f]+)", status)
    return int(mask, 16)


def test_programs_that_start_early_do_not_ignore_the_signals_that_python_ignores(data: Path) -> None:
    """Python ignores SIGPIPE, and a program inherits that."""
    show = ("sh", "-c", 'grep SigIgn /proc/self/status > ignored; exec "$@"', "sh", *server("web").command)
    specs = [server("web", command=show), server("forked", command=show, prepare=(RUN,))]
    with opened(data, "copy", *specs) as stack:
        up(stack, data, *specs)

        python = 1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1
        for name in early(data):
            assert ignored((stack[name].data / "ignored").read_text()) & python == 0


def test_the_values_of_variables_are_not_among_the_arguments_of_the_supervisor(data: Path) -> None:
    spec = server("web", env={"KEY": "${env.KEY}"})
    plan = replace(resolved(data, [spec]), variables={"KEY": "value-of-key"})
    with LocalEngine().open(plan, starting=True) as stack:
        arguments = Path(f"/proc/{stack.status().pid}/cmdline").read_bytes()

        assert early(data)
        assert b"value-of-key" not in arguments


# --- failures ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("prepare", [(), (RUN,)], ids=["spawned", "forked"])
def test_a_service_that_exits_fails_as_usual(data: Path, prepare: tuple[Run, ...]) -> None:
    spec = printing("web", "no-configuration", prepare=prepare)
    with opened(data, "copy", spec) as stack:
        until(lambda: not is_running(early(data)["web"]))

        with pytest.raises(StartError, match="status 3") as caught:
            up(stack, data, spec)

    assert "no-configuration" in caught.value.log_tail


def test_a_process_that_cannot_be_started_early_is_started_later(data: Path) -> None:
    fails = "copy; from infra_runtime.supervisor import early_starts; "
    fails += "early_starts.fork = lambda *_: os.stat('/missing')"
    with opened(data, fails, server("web", prepare=(RUN,))) as stack:
        up(stack, data, server("web", prepare=(RUN,)))

        assert not early(data)
        folder = Path(f"/proc/{stack.status().pid}/fd")
        opened_files = [str(path.readlink()) for path in folder.iterdir() if int(path.name) > 2]
        assert len([file for file in opened_files if file.startswith("pipe:")]) == 1  # of the guardian


@pytest.mark.parametrize("prepare", [(), (RUN,)], ids=["spawned", "forked"])
def test_a_command_that_cannot_be_executed_fails_as_usual(data: Path, prepare: tuple[Run, ...]) -> None:
    spec = server("web", command=("/missing/program",), prepare=prepare)
    with (
        opened(data, "copy", spec) as stack,
        pytest.raises(StartError, match="cannot start /missing/program"),
    ):
        up(stack, data, spec)


def test_a_step_that_fails_is_reported_as_usual(data: Path) -> None:
    spec = server("web", prepare=(Run(command=("false",)),))
    with opened(data, "copy", spec) as stack, pytest.raises(StartError, match="false exited with status 1"):
        up(stack, data, spec)


def test_a_step_of_a_killed_preparation_runs_again(data: Path) -> None:
    """The remains of the first preparation are removed."""
    once = Run(command=("sh", "-c", "[ -e ${root}/killed ] || { touch ${root}/killed; kill -9 $PPID; }"))
    spec = server("web", prepare=(RUN, once))
    with opened(data, "copy", spec) as stack:
        up(stack, data, spec)

        assert (stack.web.data / "runs").read_text() == "run\n"
        assert early(data)["web"] != stack.status().services[0].pid


@pytest.mark.parametrize("reference", ["${web.key?}", "${between.key?}"])
def test_other_services_use_the_secret_of_the_preparation_that_is_used(data: Path, reference: str) -> None:
    """The first preparation is killed when the other service could already read its secret."""
    once = "[ -e ${root}/killed ] || { until [ -e ${root}/end ]; do sleep 0.01; done; "
    once += "touch ${root}/killed; kill -9 $PPID; }"
    prepare = (Secret(path="${data}/key.secret"), Run(command=("sh", "-c", once)))
    specs = [
        server("web", prepare=prepare, exports={"key": "${secret.key}"}),
        server("between", exports={"key": "${web.key?}"}),
        server("api", env={"KEY": reference}),
    ]
    with opened(data, "copy", *specs) as stack:
        until((services_of(data) / "web" / "key.secret").exists)
        stack.up(resolved(data, specs), wait=False)
        assert {service.name for service in stack.status().services} == {"web", "between", "api"}
        (data.parent / "end").touch()

        up(stack, data, *specs)

        pid = next(service.pid for service in stack.status().services if service.name == "api")
        assert f"KEY={stack.web['key']}\0".encode() in Path(f"/proc/{pid}/environ").read_bytes()


def test_a_service_can_be_stopped_during_its_preparation(data: Path) -> None:
    spec = server("web", prepare=(Run(command=("sleep", "600")),))
    with opened(data, "copy", spec) as stack:
        stack.up(resolved(data, [spec]), wait=False)

        stack.stop("web")

        assert not is_running(early(data)["web"])
        assert [path.name for path in services_of(data).iterdir()] == []


# --- changes between the start and the request -----------------------------------------------------


def requests(data: Path, *messages: tuple[Method[Any, Any], Message]) -> list[dict[str, Any]]:
    """Send requests as one block, so that the supervisor begins all of them at once; return the answers."""
    recorded = control_file.read(Paths(str(data)))
    assert recorded is not None
    block = ""
    for number, (method, params) in enumerate(messages):
        block += json.dumps({"id": number, "method": method.name, "params": params.to_json()}) + "\n"
    with socket.socket(socket.AF_UNIX) as client, client.makefile("r") as lines:
        client.connect(recorded.socket)
        client.sendall(block.encode())
        return [json.loads(lines.readline()) for _ in messages]


@pytest.mark.parametrize("prepare", [(), (RUN,)], ids=["spawned", "forked"])
def test_a_service_that_is_stopped_before_its_preparation_starts_again(
    data: Path, prepare: tuple[Run, ...]
) -> None:
    spec = server("web", prepare=prepare)
    with opened(data, "copy", spec) as stack:
        request = up_request(resolved(data, [spec]), wait=False)
        answers = requests(data, (UP, request), (STOP, Names(services=("web",))))
        assert all("result" in answer for answer in answers)
        assert not is_running(early(data)["web"])

        up(stack, data, spec)

        assert stack.status().services[0].pid != early(data)["web"]
        assert "exited" not in [event.event for event in journal_events(data)]


@pytest.mark.parametrize("prepare", [(), (RUN,)], ids=["spawned", "forked"])
def test_the_process_of_a_service_that_is_not_requested_ends(data: Path, prepare: tuple[Run, ...]) -> None:
    specs = [server("web", prepare=prepare), server("db", prepare=prepare)]
    with opened(data, "copy", *specs) as stack:
        raise_failures(stack.up(resolved(data, specs), ["db"]).failures)

        assert not is_running(early(data)["web"])
        assert [path.name for path in services_of(data).iterdir()] == ["db"]

        up(stack, data, *specs)


def test_a_request_for_another_service_changes_no_preparation(data: Path) -> None:
    wait = Run(command=("sh", "-c", "until [ -e ${root}/end ]; do sleep 0.01; done"))
    specs = [server("web", prepare=(wait,)), server("db")]
    with opened(data, "copy", *specs) as stack:
        stack.up(resolved(data, specs), ["web"], wait=False)
        raise_failures(stack.up(resolved(data, specs), ["db"]).failures)
        (data.parent / "end").touch()

        up(stack, data, *specs)

        pids = {service.name: service.pid for service in stack.status().services}
        assert pids["web"] == early(data)["web"]


def test_the_process_of_another_spec_ends_before_its_ports_are_free(data: Path) -> None:
    """The service has another spec in the request, and is not requested."""
    with opened(data, "copy", server("web"), server("db")) as stack:
        specs = [server("web", env={"KEY": "value"}), server("db")]
        raise_failures(stack.up(resolved(data, specs), ["db"]).failures)

        assert not is_running(early(data)["web"])


# --- kills -------------------------------------------------------------------------------------------


def test_the_guardian_ends_early_processes_that_no_client_has_requested(data: Path) -> None:
    stack = opened(data, "copy", server("web"), server("forked", prepare=(RUN,)))

    kill(supervisor(data))

    until(lambda: not any(map(is_running, early(data).values())))
    stack.close()


def test_the_next_supervisor_ends_early_processes_whose_guardian_was_killed(data: Path) -> None:
    """A program can overwrite its environment, in which the token of the stack is."""
    clean = ("env", "-i", *server("web").command)
    stack = opened(
        data, "copy", server("web", command=clean), server("forked", command=clean, prepare=(RUN,))
    )
    processes_of_first = early(data)
    until(lambda: all(b"server.py" in argument_bytes(pid) for pid in processes_of_first.values()))
    kill_both(data, supervisor(data))
    stack.close()

    with LocalEngine().open(resolved(data, [server("web")])):
        assert not any(map(is_running, processes_of_first.values()))


def test_the_clean_up_ends_a_preparation_whose_guardian_was_killed(data: Path) -> None:
    stack = opened(data, "copy", server("web", prepare=(Run(command=("sleep", "600")),)))
    preparing = early(data)["web"]
    kill_both(data, supervisor(data))
    stack.close()

    assert preparing in remains.end_unsupervised(Paths(str(data))).pids
    assert not is_running(preparing)


def test_a_preparation_that_ends_after_supervisor_and_guardian_executes_no_command(data: Path) -> None:
    wait = Run(command=("sh", "-c", "until [ -e ${root}/end ]; do sleep 0.01; done"))
    stack = opened(data, "copy", server("web", command=("touch", "${root}/executed"), prepare=(wait,)))
    preparing = early(data)["web"]
    kill_both(data, supervisor(data))
    stack.close()

    (data.parent / "end").touch()

    until(lambda: not is_running(preparing))
    assert not (data.parent / "executed").exists()
    remains.end_unsupervised(Paths(str(data)))


def argument_bytes(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def test_early_processes_end_when_the_client_exits_before_its_request(data: Path) -> None:
    stack = opened(data, "copy", server("web"))
    running = early(data)["web"]

    stack.close()

    until(lambda: not is_running(running) and not services_of(data).exists())


def test_a_client_that_sends_its_first_request_late_gets_an_answer(data: Path) -> None:
    """It was paused between the start of the supervisor and the request."""

    def launch(argv: list[str], stdin: int) -> subprocess.Popen[bytes]:
        code = argv[4].replace(
            "sys.exit(main())", "import select; select.select = lambda *_: [[]]; sys.exit(main())"
        )
        return subprocess.Popen([*argv[:4], code, *argv[5:]], stdin=stdin, start_new_session=True)

    plan = resolved(data, [server("web")])
    with LocalEngine(launch=launch).open(plan, starting=True) as stack:
        up(stack, data, server("web"))

        assert not early(data)
