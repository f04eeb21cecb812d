"""Compare security requirements.

Security requirements are alternatives: a client has to satisfy one of them. One requirement can contain
several security schemes, and the client must satisfy all of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra_openapi import facts
from infra_openapi.api.endpoint import Endpoint
from infra_openapi.change_graph import Scope
from infra_openapi.document import Document, Element
from infra_openapi.document.reference import follow
from infra_openapi.finding import Direction

NONE = Direction.NONE
_ADDRESSES = ("authorizationUrl", "tokenUrl", "refreshUrl", "deviceAuthorizationUrl")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Requirement:
    """One of the alternative security requirements of an operation.

    `scopes` contains the scopes of each scheme, and `presented` describes the credentials that a client
    sends.
    """

    scopes: Mapping[str, frozenset[str]]
    presented: Mapping[str, str]
    element: Element

    @property
    def shown(self) -> str:
        """Return the requirement as text for a message: the names of the schemes with their scopes."""
        parts = [
            name + (f" ({', '.join(sorted(scopes))})" if scopes else "")
            for name, scopes in self.scopes.items()
        ]
        return " with ".join(parts) or "nothing"

    @property
    def key(self) -> str:
        """Return the requirement as a key that does not depend on the order of schemes and scopes."""
        parts = [(name, self.presented[name], sorted(scopes)) for name, scopes in self.scopes.items()]
        return json.dumps(sorted(parts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """Decides which security scheme of the old document corresponds to a scheme of the new document.

    The name of a scheme is not sent, so a new scheme can correspond to an old scheme with another name and
    the same content. If both documents define two schemes with equal content, the two schemes do not
    correspond to each other, because their credentials differ. If `by_name` is true, schemes with the same
    name correspond, even if their content differs; separate facts report the changed content.
    """

    old: Document
    new: Document
    by_name: bool

    def covers(self, old: Requirement, new: Requirement) -> bool:
        """Return whether a client that satisfies the old requirement satisfies the new requirement."""
        return self.alike(old, new) and not self.lacking(old, new)

    def alike(self, old: Requirement, new: Requirement) -> bool:
        """Return whether the old requirement has every scheme of the new one, regardless of the scopes."""
        return all(self._had(old, new, name) for name in new.scopes)

    def lacking(self, old: Requirement, new: Requirement) -> list[str]:
        """Return the scopes that the new requirement needs, but the old requirement does not need."""
        scopes: set[str] = set()
        for name, wanted in new.scopes.items():
            scopes |= wanted - frozenset[str]().union(*self._had(old, new, name))
        return sorted(scopes)

    def _had(self, old: Requirement, new: Requirement, name: str) -> list[frozenset[str]]:
        """Return the OAuth scopes that the old requirement has for the scheme `name` of the new requirement.

        The result is empty if the old requirement does not have the scheme.
        """
        return [
            scopes
            for other, scopes in old.scopes.items()
            if self._same(other, old.presented[other], name, new.presented[name])
        ]

    def _same(self, name: str, presented: str, other: str, asked: str) -> bool:
        if name == other:
            return self.by_name or presented == asked
        distinct = _scheme(self.new, name) and _scheme(self.old, other)
        return presented == asked and not distinct


def compare(scope: Scope, old: Endpoint, new: Endpoint) -> None:
    """Add facts about changes of the credentials that an operation accepts."""
    first, old_element = _requirements(old)
    second, new_element = _requirements(new)
    strictly = Likeness(old=old.document, new=new.document, by_name=False)
    kept = all(_met(strictly, requirement, second) for requirement in first)
    _schemes(scope, first, second, kept=kept)
    keys = (
        sorted({requirement.key for requirement in first}),
        sorted({requirement.key for requirement in second}),
    )
    if keys[0] == keys[1]:
        return
    inner = scope.enter(f"security {keys}", old_element, new_element, NONE)
    if inner is not None:
        like = strictly if kept else Likeness(old=old.document, new=new.document, by_name=True)
        _compare(inner, like, first, second, old_element, new_element)


def _met(like: Likeness, old: Requirement, news: list[Requirement]) -> bool:
    """Return whether a client that satisfies `old` also satisfies one of the requirements in `news`."""
    return any(like.covers(old, new) for new in news if bool(new.scopes) == bool(old.scopes))


def _compare(
    scope: Scope,
    like: Likeness,
    first: list[Requirement],
    second: list[Requirement],
    old_element: Element,
    new_element: Element,
) -> None:
    subject = "the API" if scope.base and scope.base.pointer == "/security" else "the operation"
    open_before = any(not requirement.scopes for requirement in first)
    open_now = any(not requirement.scopes for requirement in second)
    if open_before and not open_now:
        asked = " or ".join(requirement.shown for requirement in second)
        scope.fact(facts.SECURITY_ADDED, NONE, old_element, new_element, None, asked, subject)
        return
    if open_now and not open_before:
        asked = " or ".join(requirement.shown for requirement in first)
        scope.fact(facts.SECURITY_REMOVED, NONE, old_element, new_element, asked, None, subject)
        return
    for old in first:
        if old.scopes and not _met(like, old, second):
            _compare_removed(scope, like, old, second, new_element, subject, optional=open_now)
    for new in second:
        if new.scopes:
            _compare_added(scope, like, new, first, old_element, subject)


def _compare_removed(
    scope: Scope,
    like: Likeness,
    old: Requirement,
    second: list[Requirement],
    new_element: Element,
    subject: str,
    *,
    optional: bool,
) -> None:
    new = next((requirement for requirement in second if like.alike(old, requirement)), None)
    if optional:
        scope.fact(facts.SECURITY_OPTION_REMOVED, NONE, old.element, new_element, old.shown, None, subject)
    elif new is None:
        scope.fact(
            facts.SECURITY_ALTERNATIVE_REMOVED, NONE, old.element, new_element, old.shown, None, subject
        )
    else:
        for wanted in like.lacking(old, new):
            scope.fact(facts.SECURITY_SCOPE_ADDED, NONE, old.element, new.element, None, wanted, subject)


def _compare_added(
    scope: Scope,
    like: Likeness,
    new: Requirement,
    first: list[Requirement],
    old_element: Element,
    subject: str,
) -> None:
    rivals = [
        requirement
        for requirement in first
        if len(requirement.scopes) == len(new.scopes) and like.alike(requirement, new)
    ]
    if not rivals:
        scope.fact(facts.SECURITY_ALTERNATIVE_ADDED, NONE, old_element, new.element, None, new.shown, subject)
        return
    for spared in like.lacking(new, rivals[0]) if all(like.lacking(new, rival) for rival in rivals) else ():
        scope.fact(facts.SECURITY_SCOPE_REMOVED, NONE, rivals[0].element, new.element, spared, None, subject)


def _requirements(endpoint: Endpoint) -> tuple[list[Requirement], Element]:
    document = endpoint.document
    for holder in (endpoint.element, document.root):
        place = holder.child("security")
        if place is not None and isinstance(place.raw, list):
            requirements = [_requirement(element, document) for element in holder.items("security")]
            return requirements or [Requirement(scopes={}, presented={}, element=place)], place
    return [Requirement(scopes={}, presented={}, element=document.root)], document.root


def _requirement(element: Element, document: Document) -> Requirement:
    scopes: dict[str, frozenset[str]] = {}
    presented = {}
    for name, asked in element.members().items():
        scheme = _scheme(document, name)
        if scheme is None:
            document.note(
                element, f"the security requirement contains the scheme {name!r}, which is not defined"
            )
        scopes[name] = frozenset(map(str, asked.raw if isinstance(asked.raw, list) else []))
        presented[name] = _presented(scheme) if scheme else name
    return Requirement(scopes=scopes, presented=presented, element=element)


def _scheme(document: Document, name: str) -> Element | None:
    components = document.root.child("components")
    schemes = components.mapping("securitySchemes") if components else {}
    return follow(schemes[name]) if name in schemes else None


def _presented(scheme: Element) -> str:
    """Return a string that describes the credentials that a client sends for a security scheme.

    The text does not contain the name of the scheme, because this name is not sent.
    """
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
        flows = scheme.mapping("flows").values()
        urls = {flow.text(key) for flow in flows for key in _ADDRESSES} - {""}
        return f"OAuth 2 at {', '.join(sorted(urls))}"
    return kind


def _schemes(scope: Scope, first: list[Requirement], second: list[Requirement], *, kept: bool) -> None:
    """Compare the security schemes that have the same name in both documents, each scheme once.

    If `kept` is true, all old credentials are still accepted, so no facts about changed schemes are added.
    """
    names = {name for requirement in first for name in requirement.scopes} & {
        name for requirement in second for name in requirement.scopes
    }
    for name in sorted(names):
        old, new = _scheme(first[0].element.document, name), _scheme(second[0].element.document, name)
        if old is None or new is None:
            continue
        before, after = _presented(old), _presented(new)
        flows = old.text("type") == new.text("type") == "oauth2"
        if kept and before != after and not flows:
            continue
        inner = scope.enter(f"scheme {name}", old, new, NONE)
        if inner is None:
            continue
        if flows:
            _flows(inner, old, new, name)
        elif before != after:
            inner.fact(facts.SECURITY_SCHEME_CHANGED, NONE, old, new, before, after, name)


def _flows(scope: Scope, old: Element, new: Element, name: str) -> None:
    before, after = old.mapping("flows"), new.mapping("flows")
    for flow in sorted({**before, **after}):
        old_flow, new_flow = before.get(flow), after.get(flow)
        if new_flow is None:
            scope.fact(facts.SECURITY_FLOW_REMOVED, NONE, old_flow, new, flow, None, name)
        elif old_flow is None:
            scope.fact(facts.SECURITY_FLOW_ADDED, NONE, old, new_flow, None, flow, name)
        else:
            _flow(scope, old_flow, new_flow, name)


def _flow(scope: Scope, old: Element, new: Element, name: str) -> None:
    for key in _ADDRESSES:
        first: Any = old.value(key)
        second: Any = new.value(key)
        if first is not None and first != second:
            scope.fact(facts.SECURITY_URL_CHANGED, NONE, old, new, first, second, name)
    before, after = old.mapping("scopes"), new.mapping("scopes")
    for gone in sorted(before.keys() - after.keys()):
        scope.fact(facts.SECURITY_FLOW_SCOPE_REMOVED, NONE, before[gone], new, gone, None, name)
    for come in sorted(after.keys() - before.keys()):
        scope.fact(facts.SECURITY_FLOW_SCOPE_ADDED, NONE, old, after[come], None, come, name)
