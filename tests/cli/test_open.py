"""`infra runtime open`: the login link of the dashboard, and the web pages of other services."""

from __future__ import annotations

import re
import stat
import webbrowser
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from fakes.command_line import CommandLine, service, stack_file
from fakes.samples import every
from infra_cli import web_pages
from infra_cli.web_pages import open_browser, web_page
from infra_runtime.catalogue import entry
from infra_runtime.errors import ConfigurationError


@pytest.fixture
def opened_addresses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Record the addresses with which a browser is started."""
    addresses: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda address: bool(addresses.append(address)) or True)
    monkeypatch.setattr(web_pages.tempfile, "tempdir", str(tmp_path))
    return addresses


def test_the_page_of_a_service_is_its_first_address_for_a_browser() -> None:
    assert web_page({"url": "smtp://x:1", "inbox_url": "http://x:2", "host": "x"}) == "http://x:2"
    assert web_page({"url": "http://x:1", "admin_url": "http://x:1/_/"}) == "http://x:1/_/"
    assert web_page({"url": "javascript:alert(1)"}) == ""


@every(["alertmanager", "grafana", "jaeger", "mail", "pocketbase", "prometheus", "rabbitmq", "traefik"])
def test_the_kinds_with_a_web_page_have_its_address(kind: str) -> None:
    kind_entry = entry(kind)

    spec = kind_entry.make(kind_entry.settings.model_validate({}), ())

    assert web_page(spec.exports).startswith("http://${host}:${port.")


def test_a_token_is_not_an_argument_of_the_browser(opened_addresses: list[str]) -> None:
    open_browser("http://dashboard.localhost:1337/login#secret&x")

    (address,) = opened_addresses
    file = Path(urlsplit(address).path)
    assert "secret" not in address
    assert "url=http://dashboard.localhost:1337/login#secret&amp;x" in file.read_text(encoding="utf-8")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_an_address_without_a_token_is_opened_directly(opened_addresses: list[str]) -> None:
    open_browser("http://127.0.0.1:8025")

    assert opened_addresses == ["http://127.0.0.1:8025"]


def test_a_machine_without_a_browser_is_an_error_with_the_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webbrowser, "open", lambda _: False)

    with pytest.raises(ConfigurationError) as error:
        open_browser("http://127.0.0.1:8025")

    assert "--print" in error.value.hint


@pytest.mark.real("dashboard")
def test_the_command_prints_a_link_or_the_address_of_a_page(infra: CommandLine) -> None:
    exports = "{ url = 'x://${host}', ui_url = 'http://${host}:${port.main}/ui' }"
    text = service("api", exports=exports) + service(
        "db", ports="{ main = 18442 }", exports="{ url = 'x://h' }"
    )
    infra.write(stack_file(f"{text}[services.dashboard]\nport = 18443\n", ["api", "db", "dashboard"]))
    started = infra("runtime", "up", "--detach")

    link = infra("runtime", "open", "--json", "--role", "viewer")
    page = infra("runtime", "open", "api", "--print")
    without = infra("runtime", "open", "db")
    unknown = infra("runtime", "open", "dashbord")

    after_head = started.out.partition("SERVICE")[2].splitlines()[1]
    assert after_head.startswith("dashboard ")
    assert re.fullmatch(r"http://dashboard\.localhost:\d+/login#[\w-]{22}", link.json["url"])
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/ui\n", page.out)
    assert "db has no web page" in without.err
    assert "did you mean 'dashboard'?" in unknown.err
