"""The pages and their streams: what they show, and that no text of a service becomes a part of the page."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("jinja2", reason="the minimal profile has no templates")
pytest.importorskip("starlette", reason="the minimal profile has no web framework")
pytest.importorskip("httpx", reason="the minimal profile has no HTTP client")

from starlette.responses import Response

from fakes.asgi import scope_of
from fakes.dashboard import KEY, Site, events, many_events, service
from infra_runtime.dashboard import streams
from infra_runtime.dashboard.context import Dashboard
from infra_runtime.dashboard.navigation_counts import NavigationCounts
from infra_runtime.dashboard.stack import dependents
from infra_runtime.dashboard.streams import parts_stream
from infra_runtime.errors import ConfigurationError, SupervisorError
from infra_runtime.logs import linear_pattern
from infra_runtime.messages import Phase, Services, Status
from infra_runtime.web.asgi import Message

#: tags, quotes, an ANSI sequence, a link (OSC 8), a mark that changes the direction, and template syntax
HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(1)>\"'`</textarea>\x1b[31m"
    "\x1b]8;;javascript:alert(1)\x07x"
    "\u202e{{ 71 * 73 * 79 }}{% raw %}&lt;"
)
#: the numbers in the navigation, which every stream of a page updates
COUNTS = (*NavigationCounts().numbers(None),)


class Page(HTMLParser):
    """The elements of a page, as a browser reads them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return "".join(self.texts)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(
        tmp_path,
        service(
            "db", kind="postgres", exports={"url": "postgresql://127.0.0.1:1", "ui_url": "http://127.0.0.1:2"}
        ),
        service("api", needs=("db",), phase=Phase.FAILED, reason="exited with status 1"),
        service("worker", needs=("api",), restarts=2),
    )


def page(site: Site, path: str) -> Page:
    response = site.ask(path, headers={"x-dashboard-key": KEY})
    assert response.status_code == 200
    return Page(response.text)


# --- services --------------------------------------------------------------------------------------


def test_the_services_are_shown_with_state_reason_and_addresses(site: Site) -> None:
    shown = page(site, "/")

    links = [attributes["href"] for tag, attributes in shown.elements if tag == "a"]
    assert {"/services/db", "/services/api", "/services/worker", "http://127.0.0.1:2"} <= set(links)
    assert "postgresql://127.0.0.1:1" not in links
    assert "exited with status 1" in shown.text
    assert "2 restarts" in shown.text


def test_a_stop_names_the_services_that_need_the_service(site: Site) -> None:
    shown = page(site, "/")

    dependents = {
        attributes["data-service"]: attributes["data-dependents"]
        for _, attributes in shown.elements
        if "data-dependents" in attributes
    }
    assert dependents == {"db": "api worker", "api": "worker", "worker": ""}


def test_an_action_that_is_not_possible_has_its_reason(site: Site) -> None:
    buttons = [
        attributes for _, attributes in page(site, "/services/api").elements if "data-action" in attributes
    ]

    titles = {button["data-action"]: button.get("title", "") for button in buttons}
    assert titles == {"start": "", "restart": "", "stop": "The service is not running"}
    assert [button["data-action"] for button in buttons if button.get("aria-disabled")] == ["stop"]


def test_a_task_that_is_done_can_be_hidden_and_a_failed_task_is_shown(tmp_path: Path) -> None:
    tasks = (service("old", task=True, phase=Phase.DONE), service("new", task=True, phase=Phase.FAILED))

    shown = page(Site(tmp_path, *tasks), "/")

    rows = {values["id"]: values["class"] for _, values in shown.elements if "data-service" in values}
    assert rows == {"service-old": "row finished", "service-new": "row"}


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("/", "/api/v1/services"),
        ("/services/db", "/api/v1/services/db"),
        ("/graph", "/api/v1/services"),
        ("/logs?level=error", "/api/v1/logs?level=error"),
        ("/charts?since=5m", "/api/v1/metrics?since=5m"),
        ("/configuration", "/api/v1/configuration"),
        ("/start", "/api/v1/start"),
        ("/snapshots", "/api/v1/snapshots"),
        ("/alerts?status=firing", "/api/v1/alerts?status=firing"),
        ("/apis", "/api/v1/apis"),
        ("/traces?status=error", "/api/v1/traces?status=error"),
    ],
)
def test_a_page_links_to_its_content_as_json(site: Site, path: str, address: str) -> None:
    assert exports(site, path) == [address]


def test_the_page_of_tests_links_to_sessions_and_to_failure_reports(site: Site) -> None:
    assert exports(site, "/tests?text=x") == ["/api/v1/tests/sessions?text=x", "/api/v1/tests?text=x"]


def exports(site: Site, path: str) -> list[str]:
    return [values["href"] for _, values in page(site, path).elements if "data-export" in values]


def test_a_stack_without_services_has_the_command_that_starts_them(tmp_path: Path) -> None:
    assert "infra runtime up" in page(Site(tmp_path), "/").text


def test_a_page_of_500_services_is_complete(tmp_path: Path) -> None:
    site = Site(
        tmp_path,
        *(service(f"s{number}", needs=(f"s{number - 1}",) if number else ()) for number in range(500)),
    )

    rows = [
        attributes
        for _, attributes in page(site, "/").elements
        if attributes.get("id", "").startswith("service-s")
    ]

    assert len(rows) == 500


def test_an_unknown_service_is_not_found(site: Site) -> None:
    for path in ("/services/missing", "/stream/services/missing", "/api/v1/services/missing"):
        assert site.ask(path, headers={"x-dashboard-key": KEY}).status_code == 404


def test_a_supervisor_that_does_not_answer_is_reported(site: Site) -> None:
    site.supervisor.is_gone = True

    response = site.ask("/", headers={"x-dashboard-key": KEY})

    assert response.status_code == 503
    assert "the supervisor has exited" in response.text
    assert site.ask("/ready").status_code == 503
    assert site.ask("/health").status_code == 200


def test_dependents_are_found_also_in_a_cycle() -> None:
    services = Services([service("a", needs=("c",)), service("b", needs=("a",)), service("c", needs=("b",))])

    assert dependents(services) == {"a": ("b", "c"), "b": ("a", "c"), "c": ("a", "b")}


# --- one service -----------------------------------------------------------------------------------


def test_a_service_has_its_settings_with_their_source(site: Site) -> None:
    site.settings = {
        "services.db.port": ("5432", "infra.toml:3"),
        "services.db.password": ("***", "INFRA_SERVICES__DB__PASSWORD"),
        "services.api.port": ("1", "default"),
    }

    text = page(site, "/services/db").text

    assert "infra.toml:3" in text
    assert "INFRA_SERVICES__DB__PASSWORD" in text
    assert "***" in text


def test_the_history_is_that_of_the_journal(site: Site) -> None:
    lines = [
        {"time": 1.0, "event": "up", "pid": 1},
        {"time": 1.5, "event": "early-start", "service": "db", "pid": 66},
        {"time": 2.0, "event": "spawned", "service": "db", "pid": 77},
        {"time": 3.0, "event": "exited", "service": "db", "status": -9},
        {"time": 4.0, "event": "ready", "service": "api"},
    ]
    Path(site.paths.journal).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")

    text = page(site, "/services/db").text

    assert "process 66" in text
    assert "process 77" in text
    assert "signal 9" in text
    assert text.index("exited") < text.index("spawned")


def test_the_results_of_the_probe_of_each_start_are_shown(site: Site) -> None:
    reason = "127.0.0.1:5: <b>Connection refused</b>"
    events = [
        {"time": 2.0, "event": "spawned"},
        {"time": 2.25, "event": "probe-failed", "reason": reason},
        {"time": 3.0, "event": "ready"},
        {"time": 4.0, "event": "paused"},
        {"time": 5.0, "event": "ready"},
    ]
    lines = [{"time": 1.0, "event": "up"}, *({**event, "service": "db"} for event in events)]
    Path(site.paths.journal).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")

    text = page(site, "/services/db").text
    answer = site.ask("/api/v1/services/db/history", headers={"x-dashboard-key": KEY}).json()

    assert [(probe["time"], probe["seconds"], probe["is_ready"]) for probe in answer["probes"]] == [
        (3.0, 1.0, True),
        (2.25, 0.25, False),
    ]
    assert "probe-failed" not in {item["event"] for item in answer["items"]}
    assert reason in text
    assert "after 250 ms" in text


def test_a_stack_file_that_is_not_valid_is_reported_on_the_page(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def configuration() -> Any:
        raise ConfigurationError("unknown setting 'x'", "infra.toml:1")

    dashboard = site.dashboard
    monkeypatch.setattr(site, "dashboard", lambda: replace(dashboard(), configuration=configuration))

    assert "infra.toml:1: unknown setting 'x'" in page(site, "/configuration").text


def test_the_services_of_a_column_are_in_the_order_of_their_needs(tmp_path: Path) -> None:
    site = Site(
        tmp_path,
        service("db"),
        service("cache"),
        service("reports", needs=("cache",)),
        service("orders", needs=("db",)),
        service("shop", needs=("db", "cache")),
        service("web", needs=("reports", "shop")),
    )

    shown = page(site, "/graph").elements

    names = [attributes["data-name"] for _, attributes in shown if "data-name" in attributes]
    assert names == ["db", "cache", "orders", "shop", "reports", "web"]


# --- texts of others -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/services/db", "/logs", "/alerts", "/tests", "/graph", "/start"),
        *("/snapshots", "/configuration"),
    ],
)
def test_no_text_becomes_an_element_of_a_page(tmp_path: Path, path: str) -> None:
    exports = {"url": f"javascript:{HOSTILE}", "a_url": f"http://x/{HOSTILE}", "name": HOSTILE}
    plain = Site(tmp_path / "plain", service("db"))
    site = Site(
        tmp_path / "hostile",
        service("db", kind=HOSTILE, summary=HOSTILE, reason=HOSTILE, phase=Phase.FAILED, exports=exports),
    )
    site.settings = {f"services.db.{HOSTILE}": (HOSTILE, HOSTILE), HOSTILE: (HOSTILE, HOSTILE)}
    event = {"time": 1.0, "event": HOSTILE, "service": "db", "reason": HOSTILE}
    Path(site.paths.journal).write_text(json.dumps(event) + "\n", encoding="utf-8")
    site.log("db", HOSTILE + "\n")

    shown = page(site, path)

    own = {element.get("src") for tag, element in page(plain, path).elements if tag == "script"}
    assert {element.get("src") for tag, element in shown.elements if tag == "script"} == own
    assert None not in own
    assert "img" not in {tag for tag, _ in shown.elements}
    attributes = {name for _, element in shown.elements for name in element}
    assert not [name for name in attributes if name.startswith("on") or name == "style"]
    assert not [element for _, element in shown.elements if element.get("href", "").startswith("javascript")]
    assert "409457" not in shown.text


def test_a_search_text_is_only_a_text(site: Site) -> None:
    response = site.ask("/configuration", params={"text": HOSTILE}, headers={"x-dashboard-key": KEY})

    assert "script" not in {tag for tag, element in Page(response.text).elements if not element}
    assert "<script>alert" not in response.text


# --- streams ---------------------------------------------------------------------------------------


def test_a_stream_has_only_the_parts_that_have_changed(site: Site) -> None:
    def fail() -> None:
        site.supervisor.services["db"] = service("db", phase=Phase.FAILED, reason="disk full")

    first, second = events(site, "/stream/services", 2, fail)

    assert [*first[1]["parts"]] == ["service-db", "service-api", "service-worker", "summary", *COUNTS]
    assert first[1]["order"] == {"services": ["service-db", "service-api", "service-worker"]}
    assert [*second[1]["parts"]] == ["service-db", "summary", "count-services"]
    assert "disk full" in second[1]["parts"]["service-db"]
    assert "2 failed" in second[1]["parts"]["summary"]


def test_a_new_service_and_a_removed_service_change_the_order(site: Site) -> None:
    def change() -> None:
        del site.supervisor.services["worker"]
        site.supervisor.services["mail"] = service("mail")

    _, second = events(site, "/stream/services", 2, change)

    assert second[1]["order"] == {"services": ["service-db", "service-api", "service-mail"]}
    # The other two are no longer needed by the removed service.
    assert [*second[1]["parts"]] == ["service-db", "service-api", "service-mail"]


def test_a_stream_reports_a_supervisor_that_does_not_answer(site: Site) -> None:
    def end() -> None:
        site.supervisor.is_gone = True

    _, (name, text) = events(site, "/stream/services", 2, end)

    assert (name, text) == ("lost", "the supervisor has exited")


def test_a_stream_continues_after_a_restart_of_the_supervisor(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "UPDATE", 0.05)
    status = site.supervisor.status

    def starting() -> Status:
        monkeypatch.setattr(site.supervisor, "status", status)
        site.supervisor.services["db"] = service("db", reason="started again", phase=Phase.STARTING)
        raise SupervisorError("the supervisor has exited")

    def restart() -> None:
        monkeypatch.setattr(site.supervisor, "status", starting)

    first, lost, again = events(site, "/stream/services", 3, restart)

    assert (first[0], lost) == ("parts", ("lost", "the supervisor has exited"))
    assert "started again" in again[1]["parts"]["service-db"]


@pytest.mark.parametrize("path", ["/stream/services", "/stream/logs"])
def test_a_stream_reports_that_the_supervisor_answers_again_although_nothing_has_changed(
    site: Site, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(streams, "UPDATE", 0.05)
    status = site.supervisor.status

    def once() -> Status:
        monkeypatch.setattr(site.supervisor, "status", status)
        raise SupervisorError("the supervisor is busy")

    def fail() -> None:
        monkeypatch.setattr(site.supervisor, "status", once)

    _, lost, again = events(site, path, 3, fail)

    assert lost == ("lost", "the supervisor is busy")
    assert again[0] == "parts"


def sent_until(site: Site, wanted: str, make: Callable[[Dashboard], Response]) -> list[str]:
    """Return the events of a stream up to the one that contains a text."""
    sent: list[str] = []

    async def main() -> None:
        dashboard = site.dashboard()

        async def send(message: Message) -> None:
            text = message.get("body", b"").decode()
            if "event: " in text:
                sent.append(text)
            if wanted in text:
                dashboard.closing.set()

        async def receive() -> Message:
            await dashboard.closing.wait()
            return {"type": "http.disconnect"}

        await asyncio.wait_for(make(dashboard)(scope_of("/"), receive, send), 60)

    asyncio.run(main())
    return sent


def test_a_change_while_the_parts_of_a_page_are_computed_is_sent_at_once(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "UPDATE", 3600.0)
    texts = iter(("first", "second", "third"))

    def make(dashboard: Dashboard) -> Response:
        async def parts() -> streams.Parts[str]:
            text = next(texts)
            if text == "first":
                dashboard.stack.change()
            return {"part": text}

        return parts_stream(dashboard, parts)

    first, second = sent_until(site, "second", make)

    assert "first" in first
    assert "second" in second


def test_a_stream_continues_after_the_parts_that_the_page_has(site: Site) -> None:
    def make(dashboard: Dashboard) -> Response:
        async def parts() -> streams.Parts[str]:
            return {"db": "stopped", "api": "ready"}

        return parts_stream(dashboard, parts, order="services", initial_parts={"db": "ready", "api": "ready"})

    (only,) = sent_until(site, "stopped", make)

    assert json.loads(only.partition("data: ")[2]) == {"parts": {"db": "stopped"}, "order": {}}


def test_fifty_browsers_share_the_state_of_the_stack(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    status, calls = site.supervisor.status, []

    def counted() -> Status:
        calls.append(1)
        return status()

    monkeypatch.setattr(site.supervisor, "status", counted)

    events = many_events(site, "/stream/services", 50)

    assert [[*data["parts"]] for data in events] == [
        ["service-db", "service-api", "service-worker", "summary", *COUNTS]
    ] * 50
    assert len(calls) < 25


def test_the_stream_of_a_service_has_its_head_and_its_history(site: Site) -> None:
    ((name, data),) = events(site, "/stream/services/api", 1)

    assert name == "parts"
    assert data["parts"].keys() == {"head", "history", "probes", "charts", *COUNTS}


def test_a_log_stream_continues_after_the_last_line_that_the_browser_has(site: Site) -> None:
    file = site.log("db", "one\ntwo\n")
    inode = file.stat().st_ino

    ((name, data),) = events(site, "/api/v1/streams/logs", 1, **{"last-event-id": f"db:{inode:x}:4"})

    assert name == "lines"
    assert [line["text"] for line in data["items"]] == ["two"]


def test_a_log_stream_with_a_too_complex_pattern_reports_this_error(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linear_pattern, "TRANSITIONS", 1000)
    file = site.log("db", "".join(random.Random(1).choices("ab", k=6000)) + "\n")
    cursor = f"db:{file.stat().st_ino:x}:0"

    ((name, text),) = events(
        site, "/api/v1/streams/logs?grep=(a|b)*a(a|b){30}c", 1, **{"last-event-id": cursor}
    )

    assert (name, text) == (
        "refused",
        "the regular expression cannot be used: it is too complex for these lines",
    )


def test_a_text_in_a_stream_cannot_end_the_event(site: Site) -> None:
    file = site.log("db", b"")
    line = "x\rdata: {}\u2028\u2029event: parts"
    file.write_text(f"{line}\n", encoding="utf-8")

    ((_, data),) = events(
        site, "/api/v1/streams/logs", 1, **{"last-event-id": f"db:{file.stat().st_ino:x}:0"}
    )

    assert [entry["text"] for entry in data["items"]] == [line]
