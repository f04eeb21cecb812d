"""Compare security requirements.

The security requirements of an operation are alternatives: a client must satisfy one requirement. A
requirement can contain several security schemes: the client must satisfy every scheme of the requirement.
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

    `scopes` maps the name of each scheme to its scopes. `credentials` maps the name of each scheme to a text
    that describes the credentials that a client sends.
    """

    scopes: Mapping[str, frozenset[str]]
    credentials: Mapping[str, str]
    element: Element

    @property
    def description(self) -> str:
        """Return the requirement as text for a message: the names of the schemes with their scopes."""
        parts = [
            name + (f" ({', '.join(sorted(scopes))})" if scopes else "")
            for name, scopes in self.scopes.items()
        ]
        return " with ".join(parts) or "nothing"

    @property
    def key(self) -> str:
        """Return the requirement as a key that does not depend on the order of schemes and scopes."""
        parts = [(name, self.credentials[name], sorted(scopes)) for name, scopes in self.scopes.items()]
        return json.dumps(sorted(parts))


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemeMatching:
    """Compares requirements of both documents: which old security scheme corresponds to which new scheme.

    The name of a scheme is not sent, so a new scheme can correspond to an old scheme with another name and
    the same content. If both documents define both schemes, the two schemes do not correspond to each other:
    a document with two schemes of equal content expects different credentials for them. If `by_name` is true,
    schemes with the same name correspond, even if their content differs; separate facts report the changed
    content.
    """

    old: Document
    new: Document
    by_name: bool

    def covers(self, old: Requirement, new: Requirement) -> bool:
        """Return whether a client that satisfies the old requirement satisfies the new requirement."""
        return self.has_schemes_of(old, new) and not self.missing_scopes(old, new)

    def has_schemes_of(self, old: Requirement, new: Requirement) -> bool:
        """Return whether the old requirement has every scheme of the new one, regardless of the scopes."""
        return all(self._scopes_for(old, new, name) for name in new.scopes)

    def missing_scopes(self, old: Requirement, new: Requirement) -> list[str]:
        """Return the scopes that only the new requirement needs, as a sorted list."""
        scopes: set[str] = set()
        for name, needed_scopes in new.scopes.items():
            scopes |= needed_scopes - frozenset[str]().union(*self._scopes_for(old, new, name))
        return sorted(scopes)

    def _scopes_for(self, old: Requirement, new: Requirement, name: str) -> list[frozenset[str]]:
        """Return the OAuth scopes that the old requirement has for the scheme `name` of the new requirement.

        The result is empty if the old requirement does not have the scheme.
        """
        return [
            scopes
            for old_name, scopes in old.scopes.items()
            if self._same(old_name, old.credentials[old_name], name, new.credentials[name])
        ]

    def _same(self, old_name: str, old_credentials: str, new_name: str, new_credentials: str) -> bool:
        if old_name == new_name:
            return self.by_name or old_credentials == new_credentials
        both_defined = _scheme(self.new, old_name) and _scheme(self.old, new_name)
        return old_credentials == new_credentials and not both_defined


def compare(scope: Scope, old: Endpoint, new: Endpoint) -> None:
    """Add facts about changes of the credentials that an operation accepts."""
    old_requirements, old_element = _requirements(old)
    new_requirements, new_element = _requirements(new)
    by_content = SchemeMatching(old=old.document, new=new.document, by_name=False)
    all_accepted = all(
        _is_satisfied(by_content, requirement, new_requirements) for requirement in old_requirements
    )
    _schemes(scope, old_requirements, new_requirements, all_accepted=all_accepted)
    keys = (
        sorted({requirement.key for requirement in old_requirements}),
        sorted({requirement.key for requirement in new_requirements}),
    )
    if keys[0] == keys[1]:
        return
    inner = scope.enter(f"security {keys}", old_element, new_element, NONE)
    if inner is not None:
        matching = (
            by_content if all_accepted else SchemeMatching(old=old.document, new=new.document, by_name=True)
        )
        _compare(inner, matching, old_requirements, new_requirements, old_element, new_element)


def _is_satisfied(matching: SchemeMatching, old: Requirement, new_requirements: list[Requirement]) -> bool:
    """Return whether a client that satisfies `old` also satisfies one of the `new_requirements`.

    The empty requirement in `new_requirements` counts only if `old` is empty, too.
    """
    return any(matching.covers(old, new) for new in new_requirements if bool(new.scopes) == bool(old.scopes))


def _compare(
    scope: Scope,
    matching: SchemeMatching,
    old_requirements: list[Requirement],
    new_requirements: list[Requirement],
    old_element: Element,
    new_element: Element,
) -> None:
    subject = "the API" if scope.base and scope.base.pointer == "/security" else "the operation"
    open_before = any(not requirement.scopes for requirement in old_requirements)
    open_after = any(not requirement.scopes for requirement in new_requirements)
    if open_before and not open_after:
        description = " or ".join(requirement.description for requirement in new_requirements)
        scope.fact(facts.SECURITY_ADDED, NONE, old_element, new_element, None, description, subject)
        return
    if open_after and not open_before:
        description = " or ".join(requirement.description for requirement in old_requirements)
        scope.fact(facts.SECURITY_REMOVED, NONE, old_element, new_element, description, None, subject)
        return
    for old in old_requirements:
        if old.scopes and not _is_satisfied(matching, old, new_requirements):
            _compare_removed(
                scope, matching, old, new_requirements, new_element, subject, optional=open_after
            )
    for new in new_requirements:
        if new.scopes:
            _compare_added(scope, matching, new, old_requirements, old_element, subject)


def _compare_removed(
    scope: Scope,
    matching: SchemeMatching,
    old: Requirement,
    new_requirements: list[Requirement],
    new_element: Element,
    subject: str,
    *,
    optional: bool,
) -> None:
    new = next(
        (requirement for requirement in new_requirements if matching.has_schemes_of(old, requirement)), None
    )
    if optional:
        scope.fact(
            facts.SECURITY_OPTION_REMOVED, NONE, old.element, new_element, old.description, None, subject
        )
    elif new is None:
        scope.fact(
            facts.SECURITY_ALTERNATIVE_REMOVED, NONE, old.element, new_element, old.description, None, subject
        )
    else:
        for needed_scope in matching.missing_scopes(old, new):
            scope.fact(
                facts.SECURITY_SCOPE_ADDED, NONE, old.element, new.element, None, needed_scope, subject
            )


def _compare_added(
    scope: Scope,
    matching: SchemeMatching,
    new: Requirement,
    old_requirements: list[Requirement],
    old_element: Element,
    subject: str,
) -> None:
    similar = [
        requirement
        for requirement in old_requirements
        if len(requirement.scopes) == len(new.scopes) and matching.has_schemes_of(requirement, new)
    ]
    if not similar:
        scope.fact(
            facts.SECURITY_ALTERNATIVE_ADDED, NONE, old_element, new.element, None, new.description, subject
        )
        return
    for removed_scope in (
        matching.missing_scopes(new, similar[0])
        if all(matching.missing_scopes(new, similar_requirement) for similar_requirement in similar)
        else ()
    ):
        scope.fact(
            facts.SECURITY_SCOPE_REMOVED, NONE, similar[0].element, new.element, removed_scope, None, subject
        )


def _requirements(endpoint: Endpoint) -> tuple[list[Requirement], Element]:
    document = endpoint.document
    for container in (endpoint.element, document.root):
        requirements_element = container.child("security")
        if requirements_element is not None and isinstance(requirements_element.raw, list):
            requirements = [_requirement(element, document) for element in container.items("security")]
            return requirements or [
                Requirement(scopes={}, credentials={}, element=requirements_element)
            ], requirements_element
    return [Requirement(scopes={}, credentials={}, element=document.root)], document.root


def _requirement(element: Element, document: Document) -> Requirement:
    scopes: dict[str, frozenset[str]] = {}
    credentials = {}
    for name, scopes_element in element.members().items():
        scheme = _scheme(document, name)
        if scheme is None:
            document.note(
                element,
                f"the security requirement contains the scheme {name!r}, which the document does not define",
            )
        scopes[name] = frozenset(map(str, scopes_element.raw if isinstance(scopes_element.raw, list) else []))
        credentials[name] = _credentials(scheme) if scheme else name
    return Requirement(scopes=scopes, credentials=credentials, element=element)


def _scheme(document: Document, name: str) -> Element | None:
    components = document.root.child("components")
    schemes = components.mapping("securitySchemes") if components else {}
    return follow(schemes[name]) if name in schemes else None


def _credentials(scheme: Element) -> str:
    """Return a string that describes the credentials that a client sends for a security scheme.

    The text does not contain the name of the scheme, because this name is not sent.
    """
    kind = scheme.text("type")
    if kind == "apiKey":
        name = scheme.text("name")
        location = scheme.text("in")
        return f"the key {name.lower() if location == 'header' else name} in the {location}"
    if kind == "http":
        return f"HTTP {scheme.text('scheme').lower()}"
    if kind == "openIdConnect":
        return f"OpenID Connect at {scheme.text('openIdConnectUrl')}"
    if kind == "oauth2":
        flows = scheme.mapping("flows").values()
        urls = {flow.text(key) for flow in flows for key in _ADDRESSES} - {""}
        return f"OAuth 2 at {', '.join(sorted(urls))}"
    return kind


def _schemes(
    scope: Scope,
    old_requirements: list[Requirement],
    new_requirements: list[Requirement],
    *,
    all_accepted: bool,
) -> None:
    """Compare the security schemes that have the same name in both documents, each scheme once.

    If `all_accepted` is true, the new document still accepts all old credentials. Facts are then added only
    about the flows of OAuth 2 schemes.
    """
    names = {name for requirement in old_requirements for name in requirement.scopes} & {
        name for requirement in new_requirements for name in requirement.scopes
    }
    for name in sorted(names):
        old, new = (
            _scheme(old_requirements[0].element.document, name),
            _scheme(new_requirements[0].element.document, name),
        )
        if old is None or new is None:
            continue
        before, after = _credentials(old), _credentials(new)
        flows = old.text("type") == new.text("type") == "oauth2"
        if all_accepted and before != after and not flows:
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
        old_url: Any = old.value(key)
        new_url: Any = new.value(key)
        if old_url is not None and old_url != new_url:
            scope.fact(facts.SECURITY_URL_CHANGED, NONE, old, new, old_url, new_url, name)
    before, after = old.mapping("scopes"), new.mapping("scopes")
    for removed_scope in sorted(before.keys() - after.keys()):
        scope.fact(
            facts.SECURITY_FLOW_SCOPE_REMOVED, NONE, before[removed_scope], new, removed_scope, None, name
        )
    for added_scope in sorted(after.keys() - before.keys()):
        scope.fact(facts.SECURITY_FLOW_SCOPE_ADDED, NONE, old, after[added_scope], None, added_scope, name)
