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
#: The text in braces for a variable that can have any value. If a server has more than `_MAX_ADDRESSES`
#: combinations, the text in braces is the list of the values of a variable.
_ANY_VALUE = "*"
#: The maximum number of addresses into which the variables of a server are expanded.
_MAX_ADDRESSES = 64


def servers(endpoint: Endpoint) -> tuple[dict[str, Element], Element]:
    """Return the servers of an operation by their addresses, and the element that defines the servers.

    These addresses do not contain the path of the operation. Without `servers`, the only address is empty.
    """
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


def _can_equal_any(url: str, others: dict[str, Element]) -> bool:
    """Return whether the address `url` can be equal to one of the addresses in `others`.

    An address without a host can be on any host.
    """
    return any(
        _is_included(url, other) or _equal_apart_from_host(_split(url), _split(other)) for other in others
    )


def _equal_apart_from_host(url: SplitResult, other: SplitResult) -> bool:
    """Return whether an address has no scheme or no host, and the two addresses are equal otherwise."""
    hosts = url.netloc == other.netloc and "" in {url.scheme, other.scheme}
    return url.path == other.path and (hosts or "" in {url.netloc, other.netloc})


def _is_included(url: str, other: str) -> bool:
    """Return whether the address `other` includes every address that `url` includes.

    An address with variables includes one address for each combination of their values.
    """
    url_parts, other_parts = _VARIABLE.split(url), _VARIABLE.split(other)
    if url_parts[::2] == other_parts[::2]:
        values = zip(url_parts[1::2], other_parts[1::2], strict=True)
        return all(
            other_values == _ANY_VALUE or set(url_values.split("|")) <= set(other_values.split("|"))
            for url_values, other_values in values
        )
    expressions = [
        _values_expression(part) if number % 2 else re.escape(part) for number, part in enumerate(other_parts)
    ]
    return re.fullmatch("".join(expressions), url) is not None


def _values_expression(values: str) -> str:
    """Return a regular expression for the text `values` between two braces of an address.

    For a path variable, `values` is empty, and the result matches the braces themselves. For a server
    variable, `values` is the list of the allowed values, separated by `|`, or `*` for any value.
    """
    if not values:
        return re.escape("{}")
    return ".+" if values == _ANY_VALUE else f"(?:{'|'.join(map(re.escape, values.split('|')))})"


def _addresses(server: Element) -> list[str]:
    """Return the addresses of one server, one for each combination of values of its variables.

    A variable that can have any value becomes `{*}`. If there are more than `_MAX_ADDRESSES` combinations, a
    variable with an `enum` becomes the list of its values in braces, such as `{eu|us}`.
    """
    url = server.text("url")
    variables = server.mapping("variables")
    values = {}
    for name in dict.fromkeys(_VARIABLE.findall(url)):
        variable = variables.get(name)
        values[name] = [str(value.raw) for value in variable.items("enum")] if variable else []
    if math.prod(len(allowed) or 1 for allowed in values.values()) > _MAX_ADDRESSES:
        choices = [[f"{{{'|'.join(sorted(allowed)) or _ANY_VALUE}}}"] for allowed in values.values()]
    else:
        choices = [allowed or [f"{{{_ANY_VALUE}}}"] for allowed in values.values()]
    combinations = (dict(zip(values, choice, strict=True)) for choice in itertools.product(*choices))
    return [_normal(_with_values(url, combination)) for combination in combinations]


def _with_values(url: str, values: dict[str, str]) -> str:
    return _VARIABLE.sub(lambda match: values[match[1]], url)


def _normal(url: str) -> str:
    """Return the normal form of an address; equal addresses have the same normal form.

    The result has no trailing slash, no default port and no query. Its scheme and host are in lower case.
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
    old_addresses = {url + template(old.name.path): element for url, element in before.items()}
    new_addresses = {url + template(new.name.path): element for url, element in after.items()}
    if old_addresses.keys() == new_addresses.keys():
        return
    inner = scope.enter("servers", old_element, new_element, Direction.NONE)
    if inner is None:
        return
    for url, (address, element) in zip(before, old_addresses.items(), strict=True):
        if address not in new_addresses and not _can_equal_any(address, new_addresses):
            inner.fact(
                facts.SERVER_REMOVED, Direction.NONE, element, new_element, url or "/", None, "the API"
            )
    for url, (address, element) in zip(after, new_addresses.items(), strict=True):
        if address not in old_addresses and not _can_equal_any(address, old_addresses):
            inner.fact(facts.SERVER_ADDED, Direction.NONE, old_element, element, None, url or "/", "the API")
