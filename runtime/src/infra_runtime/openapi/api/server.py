"""Where operations are served: servers joined with paths."""

from __future__ import annotations

import itertools
import re
from urllib.parse import urlsplit

from infra_runtime.openapi.api.description import Endpoint, template
from infra_runtime.openapi.document import Site
from infra_runtime.openapi.finding import Direction
from infra_runtime.openapi.ledger import Scope

_VARIABLE = re.compile(r"\{([^{}]*)\}")
#: Stands for a variable that may have any value; no address has it.
_FREE = "{*}"
#: More addresses than this from one server's variables are not spelled out.
_MOST = 64


def servers(endpoint: Endpoint) -> tuple[dict[str, Site], Site]:
    """The addresses that an operation is served under, and where they are written."""
    for holder in (endpoint.site, *reversed(endpoint.items), endpoint.document.root):
        sites = holder.items("servers")
        if sites:
            found = {url: site for site in sites for url in _addresses(site)}
            return found, holder.child("servers") or holder
    return {"": endpoint.document.root}, endpoint.document.root


def prefix(endpoint: Endpoint) -> str:
    """The path of the operation's first server."""
    addresses, _ = servers(endpoint)
    return next((_path(url) for url in addresses), "")


def _somewhere(url: str, others: dict[str, Site]) -> bool:
    """Whether an address may be one of the others: without a host, it is wherever the document is served."""
    return any(
        _fills(url, other) or (_path(url) == _path(other) and "" in {_host(url), _host(other)})
        for other in others
    )


def _fills(url: str, other: str) -> bool:
    """Whether the other one becomes this address by some values of its variables, which are free."""
    if _FREE not in other:
        return False
    return re.fullmatch(".+".join(map(re.escape, other.split(_FREE))), url) is not None


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc
    except ValueError:
        return url


def _addresses(server: Site) -> list[str]:
    url = server.text("url")
    variables = server.mapping("variables")
    choices = []
    for name in dict.fromkeys(_VARIABLE.findall(url)):
        variable = variables.get(name)
        allowed = [each.raw for each in variable.items("enum")] if variable else []
        choices.append([(name, str(value)) for value in allowed] or [(name, _FREE)])
    found = []
    for chosen in itertools.islice(itertools.product(*choices), _MOST):
        address = url
        for name, value in chosen:
            address = address.replace("{" + name + "}", value)
        found.append(_normal(address))
    return found


def _normal(url: str) -> str:
    """An address without what does not count: a last slash, a default port, the case of scheme and host."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.rstrip("/")
    host = parts.netloc.lower().removesuffix({"http": ":80", "https": ":443"}.get(parts.scheme, "\0"))
    start = f"{parts.scheme}://{host}" if parts.scheme else f"//{host}" if host else ""
    return start + parts.path.rstrip("/")


def _path(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        return ""


def compare(scope: Scope, old: Endpoint, new: Endpoint) -> None:
    """Tell which addresses of an operation came and went."""
    before, one = servers(old)
    after, other = servers(new)
    first = {url + template(old.name.path): site for url, site in before.items()}
    second = {url + template(new.name.path): site for url, site in after.items()}
    if first.keys() == second.keys():
        return
    inner = scope.enter("servers", one, other, Direction.NONE)
    if inner is None:
        return
    for url, (address, site) in zip(before, first.items(), strict=True):
        if address not in second and not _somewhere(address, second):
            inner.fact("server-removed", Direction.NONE, site, other, url or "/", None, "the API")
    for url, (address, site) in zip(after, second.items(), strict=True):
        if address not in first and not _somewhere(address, first):
            inner.fact("server-added", Direction.NONE, one, site, None, url or "/", "the API")
