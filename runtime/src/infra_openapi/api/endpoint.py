"""Find the operations that a document describes: paths, webhooks and callbacks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from infra_openapi import stability
from infra_openapi.document import Document, Element
from infra_openapi.document.reference import follow
from infra_openapi.finding import Operation

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query")
_VARIABLE = re.compile(r"\{([^{}]*)\}")
#: OpenAPI describes these headers with other keywords, so header parameters with these names are ignored.
_IGNORED_HEADERS = frozenset({"accept", "content-type", "authorization"})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Endpoint:
    """One operation of a document, with the path items that contain the operation.

    `items` contains the path item. If the path item is a `$ref`, `items` contains the target and then the
    path item itself. Later items have priority: their `servers` replace those of the target, and their
    parameters replace the target's parameters with the same name and `in`.
    """

    name: Operation
    element: Element
    items: tuple[Element, ...]
    document: Document

    @property
    def variables(self) -> list[str]:
        """Return the names of the variables in the path of the operation, in the order of the path."""
        return _VARIABLE.findall(self.name.path)

    def parameters(self) -> dict[tuple[str, str], Element]:
        """Return the parameters of the operation, by `in` and name.

        If a parameter of the path item and a parameter of the operation have the same key, only the parameter
        of the operation is returned.

        The key of a path parameter contains the position of its variable in the path instead of the name,
        because the name is not sent. If the path begins with a slash, a parameter of the type string is
        returned for each variable without a declared parameter. Header names are in lower case, and the
        headers in `_IGNORED_HEADERS` are omitted. The key of a parameter for the whole query string
        (OpenAPI 3.2) contains an empty name.
        """
        by_name: dict[tuple[str, str], Element] = {}
        variables = self.variables
        inherited = [element for item in self.items for element in item.items("parameters")]
        for element in (*inherited, *self.element.items("parameters")):
            parameter = follow(element)
            location, name = parameter.text("in"), parameter.text("name")
            if not location:
                element.document.note(element, "the parameter has no `in`, so the comparison ignores it")
                continue
            if location == "path" and name in variables:
                name = str(variables.index(name))
            elif location == "querystring":
                name = ""
            elif location == "header":
                name = name.lower()
                if name in _IGNORED_HEADERS:
                    continue
            by_name[location, name] = parameter
        for number, name in enumerate(variables if self.name.path.startswith("/") else ()):
            raw = {"in": "path", "name": name, "required": True, "schema": {"type": "string"}}
            undeclared = Element(self.document, self.element.file, self.element.pointer, raw)
            by_name.setdefault(("path", str(number)), undeclared)
        return by_name

    @property
    def stability(self) -> str:
        """Return the stability level of the operation (`x-stability-level`), in lower case."""
        return stability.level(self.element.value("x-stability-level"))

    @property
    def unstable(self) -> bool:
        """Return whether the operation has the stability level `draft` or `alpha`.

        These levels guarantee no compatibility to clients.
        """
        return self.stability in {"draft", "alpha"}


def template(path: str) -> str:
    """Return a path without the names of its variables (`/pets/{}`): clients do not send these names."""
    return _VARIABLE.sub("{}", path)


def endpoints(document: Document) -> Iterator[Endpoint]:
    """Yield the operations of all paths of a document; the paths have the order of the document.

    The paths in `x-ms-paths`, an extension of AutoRest for paths that differ only in their query strings, are
    included.
    """
    for key in ("paths", "x-ms-paths"):
        for path, item in document.root.mapping(key).items():
            if path.startswith("/"):
                yield from of_path(document, path, item)
            elif not path.startswith("x-"):
                document.note(
                    item,
                    "the key does not begin with a slash, so it is not a path and the comparison ignores it",
                )


def webhooks(document: Document) -> Iterator[Endpoint]:
    """Yield the operations of all webhooks of a document."""
    for key in ("webhooks", "x-webhooks"):
        for name, item in document.root.mapping(key).items():
            yield from of_path(document, f"webhook:{name}", item)


def of_path(document: Document, path: str, path_item: Element) -> Iterator[Endpoint]:
    """Yield the operations of a path item, such as `get` and `post`.

    If the path item is a `$ref`, the operations of the target and the operations next to the `$ref` are
    returned. If the target contains an operation with the same method as an operation next to the `$ref`, the
    operation of the target is not returned.
    """
    target = follow(path_item)
    is_own_target = target.pointer == path_item.pointer and target.file == path_item.file
    items = [item for item in ([path_item] if is_own_target else [target, path_item]) if _is_item(item)]
    seen: set[str] = set()
    for item in reversed(items):
        operations = {method: item.child(method) for method in METHODS if method in item.raw}
        operations |= {
            name.lower(): element for name, element in item.mapping("additionalOperations").items()
        }
        for method, element in operations.items():
            if element is None or method in seen:
                continue
            if not isinstance(element.raw, dict):
                document.note(element, "the value is not an operation, so the comparison ignores it")
                continue
            seen.add(method)
            name = Operation(method=method.upper(), path=path)
            yield Endpoint(name=name, element=element, items=tuple(items), document=document)


def _is_item(element: Element) -> bool:
    if isinstance(element.raw, dict):
        return True
    element.document.note(element, "the value is not a path item, so the comparison ignores it")
    return False
