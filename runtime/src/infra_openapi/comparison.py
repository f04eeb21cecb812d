"""The comparison of two OpenAPI documents."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping

from infra_openapi import facts
from infra_openapi.api import lifecycle, message, parameter, security, server
from infra_openapi.api.endpoint import Endpoint, endpoints, of_path, template, webhooks
from infra_openapi.change_graph import ChangeGraph, Scope
from infra_openapi.document import Document, Element
from infra_openapi.document.reference import follow
from infra_openapi.errors import CompareError
from infra_openapi.evaluation import findings
from infra_openapi.finding import Direction, Finding, Level, Operation
from infra_openapi.report import Report
from infra_openapi.schema.change import Mode
from infra_openapi.schema.comparison import new_context
from infra_openapi.severity import PRESETS, RuleLevels

__all__ = ["PRESETS", "compare"]


def compare(
    base: Document,
    revision: Document,
    *,
    preset: str = "default",
    overrides: Mapping[str, Level | str] | None = None,
    today: dt.date | None = None,
) -> Report:
    """Return the report of all changes from the old document (`base`) to the new document (`revision`).

    `overrides` maps the id of a rule, or the corresponding id of oasdiff (a program that compares documents),
    to a level; the level `ignore` disables the rule. A sunset date has passed if it is not later than
    `today`; the default of `today` is the current date in UTC.

    Raises:
        CompareError: a reference is invalid, a document is nested too deeply, the preset is unknown, or an
            override has an unknown rule or level.
    """
    rule_levels = RuleLevels(preset, overrides or {})
    changes: tuple[Finding, ...] = ()
    if not (base.digest == revision.digest and base.is_single_file and revision.is_single_file):
        try:
            walker = Walker(base, revision, today or dt.datetime.now(tz=dt.UTC).date())
            walker.compare()
            changes = findings(walker.graph, walker.starts, rule_levels)
        except RecursionError as error:
            raise CompareError(revision.name, "the document is nested too deeply to be compared") from error
    return Report(
        base=base.name, revision=revision.name, findings=changes, notes=(*base.notes, *revision.notes)
    )


class Walker:
    """Compares the operations of both documents; each operation becomes a scope of the change graph."""

    def __init__(self, base: Document, revision: Document, today: dt.date) -> None:
        self.base, self.revision, self.today = base, revision, today
        self.graph = ChangeGraph(new_context())
        #: For each operation: its scope, its name, and whether its stability level in the old document is
        #: `draft` or `alpha`.
        self.starts: list[tuple[Scope, Operation | None, bool]] = []

    def compare(self) -> None:
        for old, new in self._matched(list(endpoints(self.base)), list(endpoints(self.revision))):
            self._compare_pair(old, new, called=True)
        new_webhooks = {webhook.name: webhook for webhook in webhooks(self.revision)}
        for old in webhooks(self.base):
            self._compare_pair(old, new_webhooks.pop(old.name, None), called=False)
        for new in new_webhooks.values():
            self._compare_pair(None, new, called=False)
        if not self.starts:
            self._compare_components()
        self.graph.compare_queued_pairs()

    def _matched(
        self, old_endpoints: list[Endpoint], new_endpoints: list[Endpoint]
    ) -> Iterator[tuple[Endpoint | None, Endpoint | None]]:
        """Yield pairs of an old and a new operation with the same method.

        The two operations also have the same path, the same path template, or the same path template after
        the path of the first server. An operation without a counterpart is paired with None.
        """
        for key in (_path_key, _template_key, _address_key):
            new_by_key = {key(new): new for new in reversed(new_endpoints)}
            unmatched = []
            for old in old_endpoints:
                new = new_by_key.pop(key(old), None)
                if new is None:
                    unmatched.append(old)
                else:
                    new_endpoints.remove(new)
                    yield old, new
            old_endpoints = unmatched
        for old in old_endpoints:
            yield old, None
        for new in new_endpoints:
            yield None, new

    def _start(self, old: Endpoint | None, new: Endpoint | None) -> Scope:
        number = len(self.starts)
        scope, _ = self.graph.scope(
            ("start", number), old.element if old else None, new.element if new else None
        )
        endpoint = old or new
        self.starts.append((scope, endpoint.name if endpoint else None, bool(old and old.unstable)))
        return scope

    def _compare_pair(self, old: Endpoint | None, new: Endpoint | None, *, called: bool) -> None:
        """Compare an old and a new operation; `old` or `new` is None if the operation was added or removed.

        `called` is true if clients call the operation, and false if the API calls it.
        """
        scope = self._start(old, new)
        if old is not None and new is not None:
            self._operation(scope, old, new, called=called)
            return
        endpoint = old or new
        if endpoint is None:
            return
        container = self._container(endpoint, self.revision if old else self.base)
        if old is not None:
            kind = facts.OPERATION_REMOVED if called else facts.CALLBACK_REMOVED
            lifecycle.removed(scope, old, container, self.today, kind)
        else:
            kind = facts.OPERATION_ADDED if called else facts.CALLBACK_ADDED
            scope.fact(kind, Direction.NONE, container, endpoint.element, None, None, str(endpoint.name))

    def _container(self, endpoint: Endpoint, document: Document) -> Element:
        """Return the element of `document` that would contain an operation which the document does not have.

        The element is the path of the operation, `paths` if the document does not have the path, or the root
        if the document does not have `paths`.
        """
        paths = document.root.child("paths")
        return (paths and paths.child(endpoint.name.path)) or paths or document.root

    def _operation(self, scope: Scope, old: Endpoint, new: Endpoint, *, called: bool) -> None:
        sends = Direction.REQUEST if called else Direction.RESPONSE
        if called:
            server.compare(scope, old, new)
            security.compare(scope, old, new)
        parameter.compare(scope, old, new, sends, self.today)
        if self.graph.schemas.equality.same(old.element, new.element):
            return
        lifecycle.compare(scope, old, new)
        message.body(scope, old.element, new.element, sends)
        message.responses(scope, old.element, new.element, sends.inverse)
        self._callbacks(scope, old, new, called=called)

    def _callbacks(self, scope: Scope, old: Endpoint, new: Endpoint, *, called: bool) -> None:
        before, after = self._callbacks_of(old), self._callbacks_of(new)
        for key, old_callback in before.items():
            # The name of a callback is not sent, so callbacks with the same address are the same callback.
            new_callback = after.pop(key, None) or after.pop(
                next((new_key for new_key in after if new_key[1:] == key[1:] and new_key not in before), key),
                None,
            )
            if new_callback is None:
                lifecycle.removed(scope, old_callback, new.element, self.today, facts.CALLBACK_REMOVED)
                continue
            inner = scope.enter("callback", old_callback.element, new_callback.element, Direction.NONE)
            if inner is not None:
                self._operation(inner, old_callback, new_callback, called=not called)
        for new_callback in after.values():
            scope.fact(
                facts.CALLBACK_ADDED,
                Direction.NONE,
                old.element,
                new_callback.element,
                None,
                None,
                str(new_callback.name),
            )

    def _callbacks_of(self, endpoint: Endpoint) -> dict[tuple[str, str, str], Endpoint]:
        callbacks = {}
        for name, element in endpoint.element.mapping("callbacks").items():
            for expression, path_item in follow(element).members().items():
                if not expression.startswith("x-"):
                    for inner in of_path(endpoint.document, expression, path_item):
                        callbacks[name, expression, inner.name.method] = inner
        return callbacks

    def _compare_components(self) -> None:
        """Compare the schemas of documents that have no operations, if both documents have the schema.

        Each schema is compared as a part of requests and as a part of responses.
        """
        components = (self.base.root.child("components"), self.revision.root.child("components"))
        before, after = (element.mapping("schemas") if element else {} for element in components)
        for name in before.keys() & after.keys():
            scope, _ = self.graph.scope(("library", name), before[name], after[name])
            self.starts.append((scope, None, False))
            for direction in (Direction.REQUEST, Direction.RESPONSE):
                scope.schema((before[name],), (after[name],), Mode(direction))


def _path_key(endpoint: Endpoint) -> tuple[str, str]:
    return endpoint.name.method, endpoint.name.path


def _template_key(endpoint: Endpoint) -> tuple[str, str]:
    return endpoint.name.method, template(endpoint.name.path)


def _address_key(endpoint: Endpoint) -> tuple[str, str]:
    return endpoint.name.method, server.prefix(endpoint) + template(endpoint.name.path)
