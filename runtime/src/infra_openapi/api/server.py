"""Compare the addresses of operations; an address is a server URL joined with a path."""

from __future__ import annotations

import itertools
import math
import re
from urllib.parse import SplitResult, urlsplit

from infra_openapi import facts
from infra_openapi.api.endpoint import Endpoint, template
from infra_openapi.change_graph import Scope
from infra_openapi.document import Element
from infra_openapi.finding import Direction

_VARIABLE = re.compile(r"\{([^{}]*)\}")
#: The placeholder, in braces, for a variable that can have any value. A list of many values is written in
#: braces too.
_FREE = "*"
#: The maximum number of addresses into which the variables of a server are expanded.
_MOST = 64


def servers(endpoint: Endpoint) -> tuple[dict[str, Element], Element]:
    """Return the addresses of an operation's servers, and the element that defines the servers."""
    for holder in (endpoint.element, *reversed(endpoint.items), endpoint.document.root):
        elements = holder.items("servers")
        if elements:
            by_url = {url: element for element in elements for url in _addresses(element)}
            return by_url, holder.child("servers") or holder
    return {"": endpoint.document.root}, endpoint.document.root


def prefix(endpoint: Endpoint) -> str:
    """Return the path in the URL of the first server of an operation."""
    addresses, _ = servers(endpoint)
    return next((_path(url) for url in addresses), "")


def _somewhere(url: str, others: dict[str, Element]) -> bool:
    """Return whether the address `url` can be equal to one of the addresses in `others`.

    An address without a host can be on any host.
    """
    return any(_fills(url, other) or _alike(_split(url), _split(other)) for other in others)


def _alike(url: SplitResult, other: SplitResult) -> bool:
    """Return whether two addresses are equal, apart from a scheme or host that is missing in one of them."""
    hosts = url.netloc == other.netloc and "" in {url.scheme, other.scheme}
    return url.path == other.path and (hosts or "" in {url.netloc, other.netloc})


def _fills(url: str, other: str) -> bool:
    """Return whether the address `other` includes every address that `url` can stand for.

    An address with variables stands for several addresses.
    """
    mine, theirs = _VARIABLE.split(url), _VARIABLE.split(other)
    if mine[::2] == theirs[::2]:
        values = zip(mine[1::2], theirs[1::2], strict=True)
        return all(free == _FREE or set(fixed.split("|")) <= set(free.split("|")) for fixed, free in values)
    pieces = [_open(piece) if number % 2 else re.escape(piece) for number, piece in enumerate(theirs)]
    return re.fullmatch("".join(pieces), url) is not None


def _open(values: str) -> str:
    """Return a regular expression for the text `values` between two braces of an address.

    The text is empty for a path variable, whose braces are compared as they are. For a server variable, the
    text is the list of the allowed values, or a mark for any value.
    """
    if not values:
        return re.escape("{}")
    return ".+" if values == _FREE else f"(?:{'|'.join(map(re.escape, values.split('|')))})"


def _addresses(server: Element) -> list[str]:
    """Return the addresses of one server, one for each combination of values of its variables.

    A variable that is not limited to listed values, or that has many values, stays in braces.
    """
    url = server.text("url")
    variables = server.mapping("variables")
    choices = []
    for name in dict.fromkeys(_VARIABLE.findall(url)):
        variable = variables.get(name)
        allowed = [str(value.raw) for value in variable.items("enum")] if variable else []
        choices.append([(name, value) for value in allowed] or [(name, f"{{{_FREE}}}")])
    if math.prod(map(len, choices)) > _MOST:
        choices = [
            [(choice[0][0], f"{{{'|'.join(sorted(value for _, value in choice))}}}")] for choice in choices
        ]
    return [_normal(_put(url, dict(chosen))) for chosen in itertools.product(*choices)]


def _put(url: str, values: dict[str, str]) -> str:
    return _VARIABLE.sub(lambda match: values[match[1]], url)


def _normal(url: str) -> str:
    """Return an address in a form that can be compared.

    The form has no trailing slash and no default port, and its scheme and host are in lower case.
    """
    parts = _split(url)
    host = parts.netloc.lower().removesuffix({"http": ":80", "https": ":443"}.get(parts.scheme, "\0"))
    start = f"{parts.scheme}://{host}" if parts.scheme else f"//{host}" if host else ""
    return start + parts.path.rstrip("/")


def _path(url: str) -> str:
    return _split(url).path


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:  # an invalid address, which can still be equal in both documents
        return SplitResult("", "", url, "", "")


def compare(scope: Scope, old: Endpoint, new: Endpoint) -> None:
    """Add facts about the added and removed addresses of an operation."""
    before, old_element = servers(old)
    after, new_element = servers(new)
    first = {url + template(old.name.path): element for url, element in before.items()}
    second = {url + template(new.name.path): element for url, element in after.items()}
    if first.keys() == second.keys():
        return
    inner = scope.enter("servers", old_element, new_element, Direction.NONE)
    if inner is None:
        return
    for url, (address, element) in zip(before, first.items(), strict=True):
        if address not in second and not _somewhere(address, second):
            inner.fact(
                facts.SERVER_REMOVED, Direction.NONE, element, new_element, url or "/", None, "the API"
            )
    for url, (address, element) in zip(after, second.items(), strict=True):
        if address not in first and not _somewhere(address, first):
            inner.fact(facts.SERVER_ADDED, Direction.NONE, old_element, element, None, url or "/", "the API")
