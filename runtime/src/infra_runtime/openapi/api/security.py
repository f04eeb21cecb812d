"""Who may call: requirements as an or of ands, seen through the schemes that they name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from infra_runtime.openapi.api.description import Endpoint
from infra_runtime.openapi.document import Document, Site
from infra_runtime.openapi.finding import Direction
from infra_runtime.openapi.ledger import Scope

NONE = Direction.NONE
#: What one requirement asks for: schemes, as what a client has to present, each with the scopes.
Alternative: TypeAlias = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Requirement:
    """One alternative, with the names that the document gives to its schemes."""

    asks: Alternative
    names: tuple[str, ...]
    site: Site

    @property
    def shown(self) -> str:
        """As people say it."""
        parts = [
            name + (f" ({', '.join(sorted(scopes))})" if scopes else "")
            for name, scopes in zip(self.names, self.asks.values(), strict=False)
        ]
        return " with ".join(parts) or "nothing"


def compare(scope: Scope, old: Endpoint, new: Endpoint) -> None:
    """Tell whether who was let in before still is."""
    first, one = _requirements(old)
    second, other = _requirements(new)
    _schemes(scope, first, second)
    if _same(first, second):
        return
    inner = scope.enter(f"security {_key(first)} {_key(second)}", one, other, NONE)
    if inner is not None:
        _compare(inner, _renamed(first, second), second, one, other)


def _compare(
    scope: Scope, first: list[Requirement], second: list[Requirement], one: Site, other: Site
) -> None:
    subject = "the API" if scope.base and scope.base.pointer == "/security" else "the operation"
    open_before = any(not each.asks for each in first)
    open_now = any(not each.asks for each in second)
    if open_before and not open_now:
        asked = " or ".join(each.shown for each in second)
        scope.fact("security-added", NONE, one, other, None, asked, subject)
        return
    if open_now and not open_before:
        asked = " or ".join(each.shown for each in first)
        scope.fact("security-removed", NONE, one, other, asked, None, subject)
        return
    _lost(scope, first, second, other, subject)
    _won(scope, first, second, one, subject)


def _lost(
    scope: Scope, first: list[Requirement], second: list[Requirement], other: Site, subject: str
) -> None:
    for old in first:
        if any(_enough(old.asks, each.asks) for each in second):
            continue
        new = _rival(old, second)
        if new is None:
            shown = old.shown
            scope.fact("security-alternative-removed", NONE, old.site, other, shown, None, subject)
            continue
        for scheme, scopes in new.asks.items():
            for wanted in sorted(scopes - old.asks[scheme]):
                scope.fact("security-scope-added", NONE, old.site, new.site, None, wanted, subject)


def _won(scope: Scope, first: list[Requirement], second: list[Requirement], one: Site, subject: str) -> None:
    for new in second:
        if any(new.asks == each.asks for each in first):
            continue
        old = _rival(new, first)
        if old is None:
            shown = new.shown
            scope.fact("security-alternative-added", NONE, one, new.site, None, shown, subject)
            continue
        for scheme, scopes in old.asks.items():
            for spared in sorted(scopes - new.asks[scheme]):
                scope.fact("security-scope-removed", NONE, old.site, new.site, spared, None, subject)


def _rival(requirement: Requirement, others: list[Requirement]) -> Requirement | None:
    """The one of the others that asks for the same schemes."""
    return next((each for each in others if set(each.asks) == set(requirement.asks)), None)


def _enough(presented: Alternative, asked: Alternative) -> bool:
    """Whether who presents the one meets the other."""
    return all(scheme in presented and scopes <= presented[scheme] for scheme, scopes in asked.items())


def _same(first: list[Requirement], second: list[Requirement]) -> bool:
    return _key(first) == _key(second)


def _key(requirements: list[Requirement]) -> str:
    asked = {
        json.dumps({name: sorted(scopes) for name, scopes in each.asks.items()}, sort_keys=True)
        for each in requirements
    }
    return json.dumps(sorted(asked))


def _requirements(endpoint: Endpoint) -> tuple[list[Requirement], Site]:
    document = endpoint.document
    for holder in (endpoint.site, document.root):
        place = holder.child("security")
        if place is not None and isinstance(place.raw, list):
            found = [_requirement(site, document) for site in holder.items("security")]
            return found or [Requirement(asks={}, names=(), site=place)], place
    return [Requirement(asks={}, names=(), site=document.root)], document.root


def _requirement(site: Site, document: Document) -> Requirement:
    asks: dict[str, frozenset[str]] = {}
    names = []
    for name, scopes in site.members().items():
        scheme = _scheme(document, name)
        if scheme is None:
            document.note(site, f"asks for the security scheme {name!r}, which is not described")
        wanted = scopes.raw if isinstance(scopes.raw, list) else []
        asks[_presented(scheme) if scheme else name] = frozenset(map(str, wanted))
        names.append(name)
    return Requirement(asks=asks, names=tuple(names), site=site)


def _scheme(document: Document, name: str) -> Site | None:
    components = document.root.child("components")
    schemes = components.mapping("securitySchemes") if components else {}
    return schemes[name].followed() if name in schemes else None


def _presented(scheme: Site) -> str:
    """What a client has to present: the scheme's name in the document never travels."""
    kind = scheme.text("type")
    if kind == "apiKey":
        name = scheme.text("name")
        place = scheme.text("in")
        return f"the key {name.lower() if place == 'header' else name} in the {place}"
    if kind == "http":
        return f"HTTP {scheme.text('scheme').lower()}"
    if kind == "openIdConnect":
        return f"OpenID Connect at {scheme.text('openIdConnectUrl')}"
    if kind == "oauth2":
        return "OAuth 2"
    return kind


def _named(requirements: list[Requirement]) -> dict[str, str]:
    return {name: asked for each in requirements for name, asked in zip(each.names, each.asks, strict=False)}


def _renamed(first: list[Requirement], second: list[Requirement]) -> list[Requirement]:
    """The old requirements with each scheme as it is now under its name: its change is told there."""
    before, after = _named(first), _named(second)
    if all(after.get(name, asked) == asked for name, asked in before.items()):
        return first
    made = []
    for each in first:
        named = zip(each.names, each.asks.items(), strict=False)
        asks = {after.get(name, asked): scopes for name, (asked, scopes) in named}
        made.append(Requirement(asks=asks, names=each.names, site=each.site))
    return made


def _schemes(scope: Scope, first: list[Requirement], second: list[Requirement]) -> None:
    """Compare the schemes that both sides name, each once for the whole document."""
    names = _named(first).keys() & _named(second).keys()
    for name in sorted(names):
        old, new = _scheme(first[0].site.document, name), _scheme(second[0].site.document, name)
        if old is None or new is None:
            continue
        inner = scope.enter(f"scheme {name}", old, new, NONE)
        if inner is None:
            continue
        before, after = _presented(old), _presented(new)
        if before != after:
            inner.fact("security-scheme-changed", NONE, old, new, before, after, name)
        elif old.text("type") == "oauth2":
            _flows(inner, old, new, name)


def _flows(scope: Scope, old: Site, new: Site, name: str) -> None:
    before, after = old.mapping("flows"), new.mapping("flows")
    for flow in sorted({**before, **after}):
        one, other = before.get(flow), after.get(flow)
        if other is None:
            scope.fact("security-flow-removed", NONE, one, new, flow, None, name)
        elif one is None:
            scope.fact("security-flow-added", NONE, old, other, None, flow, name)
        else:
            for key in ("authorizationUrl", "tokenUrl", "refreshUrl"):
                first: Any = one.value(key)
                second: Any = other.value(key)
                if first != second:
                    scope.fact("security-url-changed", NONE, one, other, first, second, name)
