"""A dashboard without a process: the application, a supervisor without services, and a client."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from fakes import asgi
from infra_runtime.dashboard.api_checks import ApiChecks
from infra_runtime.dashboard.application import application
from infra_runtime.dashboard.context import Dashboard
from infra_runtime.dashboard.error_counts import ErrorCounts
from infra_runtime.dashboard.sessions import Role, Sessions
from infra_runtime.dashboard.stack import Stack
from infra_runtime.dashboard.usage import UsageMeter
from infra_runtime.data_directory.paths import Paths
from infra_runtime.errors import SnapshotError, SupervisorError
from infra_runtime.messages import (
    Endpoints,
    Failure,
    Outcome,
    Phase,
    Restored,
    ServiceEndpoint,
    Services,
    ServiceStatus,
    Snapshot,
    Status,
)
from infra_runtime.web.asgi import Message
from infra_runtime.web.audit import AuditLog

KEY = "k" * 32
HOST = "127.0.0.1:1337"
ORIGIN = f"http://{HOST}"


def service(name: str, **fields: Any) -> ServiceStatus:
    """Return the state of a service that is ready."""
    values: dict[str, Any] = {
        "name": name,
        "kind": "",
        "summary": "",
        "phase": Phase.READY,
        "ready": True,
        "task": False,
        "copy_of": "",
        "reason": "",
        "pid": 0,
        "seconds": 5.0,
        "restarts": 0,
        "needs": (),
        "ports": {},
        "exports": {},
        "log": "",
    }
    return ServiceStatus(**{**values, **fields})


class Supervisor:
    """The calls to a supervisor that changes only the phases of its services."""

    def __init__(self, *services: ServiceStatus) -> None:
        self.services = {service.name: service for service in services}
        self.began = time.time()
        self.acted: list[tuple[str, tuple[str, ...]]] = []
        self.exported: dict[str, dict[str, str]] = {}
        self.is_gone = False

    def status(self) -> Status:
        if self.is_gone:
            raise SupervisorError("the supervisor has exited")
        return Status(
            pid=1,
            environment="development",
            data="/data",
            leases=1,
            stay=False,
            stay_seconds=None,
            services=Services(
                replace(service, seconds=service.seconds + time.time() - self.began)
                for service in self.services.values()
            ),
        )

    def endpoints(self) -> Endpoints:
        return Endpoints(
            services={
                name: ServiceEndpoint(kind="", exports=exports, ports={}, data="", env={}, program="")
                for name, exports in self.exported.items()
            }
        )

    def act(self, action: str, names: Iterable[str]) -> Outcome:
        self.acted.append((action, tuple(names)))
        phase = Phase.STOPPED if action == "stop" else Phase.READY
        for name in names:
            self.services[name] = replace(self.services[name], phase=phase)
        return Outcome(services=Services(self.services[name] for name in names))

    def save(self, name: str) -> Snapshot:
        self.acted.append(("save", (name,)))
        return _snapshot(name, self.services)

    def restore(self, name: str) -> Restored:
        self.acted.append(("restore", (name,)))
        if name == "missing":
            raise SnapshotError(name, "the snapshot does not exist")
        failures = (Failure(service="db", kind="start", reason="disk full"),) if name == "broken" else ()
        return Restored(services=Services(), failures=failures, snapshot=_snapshot(name, self.services))

    def follow(self, changed: Callable[[], None]) -> None:
        changed()


def _snapshot(name: str, services: Iterable[str]) -> Snapshot:
    return Snapshot(format=2, name=name, time=1.0, services=dict.fromkeys(services, ""), executables={})


class Site:
    """A dashboard in a folder, with the supervisor behind it."""

    def __init__(
        self, folder: Path, *services: ServiceStatus, clock: Callable[[], float] | None = None
    ) -> None:
        self.supervisor = Supervisor(*services)
        self.folder = folder
        paths = Paths(str(folder / "data"))
        for path in (paths.data, paths.logs):
            Path(path).mkdir(parents=True)
        self.settings: dict[str, tuple[str, str]] = {}
        self.meter = UsageMeter()
        self.sessions = Sessions(folder / "sessions.json", "run", **({"clock": clock} if clock else {}))
        self.paths = paths
        self.audit = folder / "audit.jsonl"

    def dashboard(self, port: int = 1337) -> Dashboard:
        """Return the dashboard of this site; an event loop must be running."""
        return Dashboard(
            name="dashboard",
            port=port,
            root=Path("/projects/shop"),
            paths=self.paths,
            key=KEY,
            stack=Stack(self.supervisor, self.meter, ErrorCounts(Path(self.paths.logs))),
            sessions=self.sessions,
            audit=AuditLog(self.audit),
            configuration=lambda: self.settings,
            apis=ApiChecks(self.folder),
            reports=(Path(self.paths.data), self.folder / "data-test"),
        )

    def log(self, name: str, text: str | bytes) -> Path:
        """Write the log of a service."""
        path = Path(self.paths.logs, f"{name}.log")
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def cookie(self, role: Role = Role.ADMIN) -> str:
        """Return the cookie of a new session."""
        cookie = self.sessions.log_in(self.sessions.issue(role))
        assert cookie
        return cookie

    def header_token(self, cookie: str) -> str:
        """Return the value of the header that requests of a session need to change something."""
        session = self.sessions.find(cookie)
        assert session
        return session.header_token

    def ask(
        self, path: str, *, method: str = "GET", headers: Any = None, cookie: str = "", **more: Any
    ) -> Any:
        """Send one request, without a process; return the response."""
        fields = {"host": HOST, **(dict(headers or {}))}
        if cookie:
            fields["cookie"] = f"infra-1337={cookie}"

        async def work(client: httpx.AsyncClient) -> httpx.Response:
            return await client.request(method, path, headers=fields, **more)

        return self.run(work)

    def change(self, path: str, cookie: str, **headers: str) -> Any:
        """Send a POST as the pages of the dashboard send it."""
        fields = {"origin": ORIGIN, "sec-fetch-site": "same-origin", **headers}
        fields.setdefault("x-dashboard-token", self.header_token(cookie))
        return self.ask(path, method="POST", headers=fields, cookie=cookie)

    def run(self, work: Callable[[httpx.AsyncClient], Awaitable[Any]]) -> Any:
        """Run a coroutine with a client of the application; return its result."""

        async def main() -> Any:
            transport = httpx.ASGITransport(app=application(self.dashboard()))
            async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
                return await asyncio.wait_for(work(client), 60)

        return asyncio.run(main())

    def entries(self) -> list[dict[str, Any]]:
        """Return the entries of the audit log."""
        return [json.loads(line) for line in self.audit.read_text(encoding="utf-8").splitlines()]


def events(site: Site, path: str, count: int, during: Any = None, **headers: str) -> list[tuple[str, Any]]:
    """Return the first events of a stream as name and data; `during` is called after the first one."""

    async def main() -> list[tuple[str, Any]]:
        dashboard = site.dashboard()
        received: asyncio.Queue[bytes] = asyncio.Queue()

        async def send(message: Message) -> None:
            received.put_nowait(message.get("body", b""))

        async def receive() -> Message:
            await dashboard.closing.wait()
            return {"type": "http.disconnect"}

        fields = [("host", HOST), ("x-dashboard-key", KEY), *headers.items()]
        task = asyncio.create_task(application(dashboard)(asgi.scope_of(path, headers=fields), receive, send))
        events: list[tuple[str, Any]] = []
        while len(events) < count:
            part = (await asyncio.wait_for(received.get(), 60)).decode()
            lines = dict(line.partition(": ")[::2] for line in part.splitlines())
            if "event" in lines:
                events.append((lines["event"], json.loads(lines["data"])))
                if len(events) == 1 and during:
                    during()
                    dashboard.stack.change()
        dashboard.closing.set()
        await asyncio.wait_for(task, 60)
        return events

    return asyncio.run(main())


def many_events(site: Site, path: str, count: int) -> list[Any]:
    """Return the data of the first event that each of several browsers receives from one dashboard."""

    async def first(app: Any, closing: asyncio.Event) -> Any:
        event: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        async def send(message: Message) -> None:
            text = message.get("body", b"").decode()
            if "data: " in text and not event.done():
                event.set_result(json.loads(text.partition("data: ")[2]))

        async def receive() -> Message:
            await closing.wait()
            return {"type": "http.disconnect"}

        fields = [("host", HOST), ("x-dashboard-key", KEY)]
        task = asyncio.create_task(app(asgi.scope_of(path, headers=fields), receive, send))
        return await asyncio.wait_for(event, 60), task

    async def main() -> list[Any]:
        dashboard = site.dashboard()
        app = application(dashboard)
        results = await asyncio.gather(*(first(app, dashboard.closing) for _ in range(count)))
        dashboard.closing.set()
        await asyncio.wait_for(asyncio.gather(*(task for _, task in results)), 60)
        return [data for data, _ in results]

    return asyncio.run(main())
