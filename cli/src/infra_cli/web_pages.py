"""The addresses of the services' web pages, and the browser that opens them."""

from __future__ import annotations

import html
import http.client
import json
import tempfile
import webbrowser
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from infra_runtime.dashboard import KEY_HEADER, LOGIN_LINKS
from infra_runtime.engines.local.client import Client
from infra_runtime.errors import ConfigurationError, SupervisorError, UnknownServiceError
from infra_runtime.manifest import DASHBOARD
from infra_runtime.messages import ENDPOINTS, STATUS, Nothing, ServiceEndpoint

#: the maximum number of seconds to wait for the answer of the dashboard; the request starts its process
_TIMEOUT = 60.0
#: the exports that can contain the address of a web page, the preferred export first; `url` can be another
#: address
_PAGES = ("ui_url", "web_url", "inbox_url", "management_url", "admin_url", "url")


def address_of(client: Client, service: str, role: str) -> str:
    """Return the address of a service's web page; for the dashboard, a login link for a role.

    Raises `UnknownServiceError`, `ConfigurationError` if the service has no web page or has not been started,
    and `SupervisorError` if the dashboard does not create a login link.
    """
    endpoints = client.call(ENDPOINTS, Nothing()).services
    if service not in endpoints:
        services = client.call(STATUS, Nothing()).services.names
        if service in services:
            raise ConfigurationError(
                f"{service} has not been started, so its address is not known",
                hint=f"`infra runtime start {service}` starts the service.",
            )
        raise UnknownServiceError(service, list(services))
    endpoint = endpoints[service]
    if endpoint.kind == DASHBOARD.name:
        return _login_link(service, endpoint, role)
    if page := web_page(endpoint.exports):
        return page
    raise ConfigurationError(
        f"{service} has no web page",
        hint="`infra runtime status` shows the addresses of all services.",
    )


def web_page(exports: Mapping[str, str]) -> str:
    """Return the address of a web page in the exports of a service; empty if there is none."""
    addresses = (exports.get(name, "") for name in _PAGES)
    return next((address for address in addresses if urlsplit(address).scheme in {"http", "https"}), "")


def open_browser(address: str) -> None:
    """Open an address in the user's browser.

    An address with a login token is not an argument of the browser, because every user of the machine can
    read the arguments of processes. The browser opens a private file, which redirects to the address.

    Raises `ConfigurationError` if no browser can be started.
    """
    opened_address = address
    if urlsplit(address).fragment:
        opened_address = _redirecting_file(address).as_uri()
    if not webbrowser.open(opened_address):
        raise ConfigurationError(
            "no browser can be started on this machine",
            hint="`infra runtime open --print` prints the address.",
        )


def _redirecting_file(address: str) -> Path:
    """Return a new file, readable by this user only, with a page that redirects to an address."""
    with tempfile.NamedTemporaryFile(
        "w", prefix="infra-open-", suffix=".html", delete=False, encoding="utf-8"
    ) as file:
        target = html.escape(address, quote=True)
        file.write(
            f'<!doctype html><meta charset="utf-8"><meta name="referrer" content="no-referrer">'
            f'<meta http-equiv="refresh" content="0; url={target}"><a href="{target}">Log in</a>\n'
        )
    return Path(file.name)


def _login_link(service: str, endpoint: ServiceEndpoint, role: str) -> str:
    location = urlsplit(endpoint.exports["api_url"])
    connection = http.client.HTTPConnection(location.netloc, timeout=_TIMEOUT)
    try:
        connection.request(
            "POST", f"{LOGIN_LINKS}?role={role}", headers={KEY_HEADER: endpoint.exports["key"]}
        )
        response = connection.getresponse()
        answer = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        hint = f"`infra runtime logs {service}` prints the log of the service."
        raise SupervisorError(f"{service} does not answer: {error}", hint=hint) from error
    finally:
        connection.close()
    if response.status != HTTPStatus.CREATED:
        raise SupervisorError(f"{service} rejected the request for a login link: {answer.get('detail')}")
    return str(answer["url"])
