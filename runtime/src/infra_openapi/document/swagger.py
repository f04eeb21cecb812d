"""Convert a Swagger 2.0 document to OpenAPI 3.0.

The original JSON pointer of every moved part is recorded, so that messages show locations in the original
file.
"""

from __future__ import annotations

from typing import Any

from infra_openapi.document.pointer import escaped

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
_MOVED = {
    "#/definitions/": "#/components/schemas/",
    "#/parameters/": "#/components/parameters/",
    "#/responses/": "#/components/responses/",
}
_TYPE_KEYS = (
    "type",
    "format",
    "items",
    "default",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "pattern",
    "maxItems",
    "minItems",
    "uniqueItems",
    "enum",
    "multipleOf",
    "x-nullable",
)
_STYLES: dict[str, dict[str, Any]] = {
    "csv": {"explode": False},
    "multi": {"explode": True},
    "ssv": {"style": "spaceDelimited", "explode": False},
    "tsv": {"style": "tabDelimited", "explode": False},
    "pipes": {"style": "pipeDelimited", "explode": False},
}
_FORM = ("application/x-www-form-urlencoded", "multipart/form-data")
_FLOWS = {"accessCode": "authorizationCode", "application": "clientCredentials"}


def converted(data: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a Swagger 2.0 document as OpenAPI 3.0, and a table of JSON pointers.

    The table maps the pointer of each moved part in the new document to its pointer in the original document.
    """
    made = _Conversion(data)
    return made.document(), made.written


class _Conversion:
    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data
        self.written: dict[str, str] = {}
        self.parameters = _object(data.get("parameters"))
        self.responses = _object(data.get("responses"))
        #: Copies of shared responses, for operations that define their own media types.
        self.produced: dict[str, Any] = {}

    def document(self) -> dict[str, Any]:
        data = self.data
        extensions = {key: value for key, value in data.items() if key.startswith("x-")}
        components: dict[str, Any] = {
            "schemas": {
                name: self.schema(
                    schema, f"/components/schemas/{escaped(name)}", f"/definitions/{escaped(name)}"
                )
                for name, schema in _object(data.get("definitions")).items()
            },
            "parameters": {
                name: self.parameter(
                    parameter, f"/components/parameters/{escaped(name)}", f"/parameters/{escaped(name)}"
                )
                for name, parameter in self.parameters.items()
                if isinstance(parameter, dict) and str(parameter.get("in")) not in {"body", "formData"}
            },
            "responses": {
                name: self.response(
                    response,
                    data.get("produces"),
                    f"/components/responses/{escaped(name)}",
                    f"/responses/{escaped(name)}",
                )
                for name, response in self.responses.items()
            },
            "securitySchemes": {
                name: _scheme(definition)
                for name, definition in _object(data.get("securityDefinitions")).items()
            },
        }
        self.written["/components/securitySchemes"] = "/securityDefinitions"
        document: dict[str, Any] = {"openapi": "3.0.3", "info": data.get("info") or {}}
        for key in ("paths", "x-ms-paths"):
            paths = _object(data.get(key)).items()
            document[key] = {path: self.path(item, f"/{key}/{escaped(path)}") for path, item in paths}
        components["responses"] |= self.produced
        document["components"] = components
        if data.get("host") or data.get("basePath"):
            document["servers"] = self.servers(data.get("schemes"))
            self.written["/servers"] = "/host" if data.get("host") else "/basePath"
        for key in ("security", "tags", "externalDocs"):
            if key in data:
                document[key] = data[key]
        return extensions | document

    def servers(self, schemes: Any) -> list[dict[str, Any]]:
        base = str(self.data.get("basePath") or "")
        host = str(self.data.get("host") or "")
        if not host:
            return [{"url": base or "/"}]
        return [{"url": f"{scheme}://{host}{base}"} for scheme in _list(schemes)] or [
            {"url": f"//{host}{base}"}
        ]

    def path(self, item: Any, at: str) -> Any:
        if not isinstance(item, dict):
            return item
        made: dict[str, Any] = {
            key: value for key, value in item.items() if key not in {*_METHODS, "parameters"}
        }
        shared = [
            (parameter, f"{at}/parameters/{n}") for n, parameter in enumerate(_list(item.get("parameters")))
        ]
        for method in _METHODS:
            if method in item:
                made[method] = self.operation(item[method], shared, f"{at}/{method}")
        return made

    def operation(self, operation: Any, shared: list[tuple[Any, str]], at: str) -> Any:
        if not isinstance(operation, dict):
            return operation
        own = [
            (parameter, f"{at}/parameters/{n}")
            for n, parameter in enumerate(_list(operation.get("parameters")))
        ]
        given: dict[tuple[str, str], tuple[Any, str, Any]] = {}
        for parameter, source in [*shared, *own]:
            value, place = self.looked_up(parameter, source)
            if isinstance(value, dict):
                given[str(value.get("name")), str(value.get("in"))] = (value, place, parameter)
        made = {
            k: v for k, v in operation.items() if k not in {"parameters", "responses", "consumes", "produces"}
        }
        schemes = made.pop("schemes", None)
        if schemes and self.data.get("host"):
            made["servers"] = self.servers(schemes)
            self.written[f"{at}/servers"] = f"{at}/schemes"
        consumes = operation.get("consumes", self.data.get("consumes"))
        parameters: list[Any] = []
        form: list[tuple[dict[str, Any], str]] = []
        for value, place, parameter in given.values():
            if value.get("in") == "body":
                made["requestBody"] = self.body(value, consumes, f"{at}/requestBody", place)
            elif value.get("in") == "formData":
                form.append((value, place))
            elif isinstance(parameter, dict) and "$ref" in parameter:
                parameters.append(_moved(parameter))
            else:
                parameters.append(self.parameter(value, f"{at}/parameters/{len(parameters)}", place))
        if form:
            made["requestBody"] = self.form(form, consumes, f"{at}/requestBody")
        made["parameters"] = parameters
        produces = operation.get("produces", self.data.get("produces"))
        made["responses"] = {
            status: self.response(
                response, produces, f"{at}/responses/{escaped(status)}", f"{at}/responses/{escaped(status)}"
            )
            for status, response in _object(operation.get("responses")).items()
        }
        return made

    def looked_up(self, parameter: Any, at: str) -> tuple[Any, str]:
        ref = parameter.get("$ref") if isinstance(parameter, dict) else None
        if isinstance(ref, str) and ref.startswith("#/parameters/"):
            name = ref.removeprefix("#/parameters/").replace("~1", "/").replace("~0", "~")
            if name in self.parameters:
                return self.parameters[name], f"/parameters/{escaped(name)}"
        return parameter, at

    def parameter(self, value: Any, at: str, source: str) -> Any:
        if not isinstance(value, dict) or "$ref" in value:
            return _moved(value) if isinstance(value, dict) else value
        self.written[at] = source
        made = {key: member for key, member in value.items() if key not in {*_TYPE_KEYS, "collectionFormat"}}
        made["schema"] = self.typed(value)
        self.written[f"{at}/schema"] = source
        return made | _style(value)

    def typed(self, value: dict[str, Any]) -> dict[str, Any]:
        """Return the schema of a parameter or header of Swagger 2.0.

        In Swagger 2.0, the keywords of the schema are in the same object as the name of the parameter.
        """
        made: dict[str, Any] = _schema({key: value[key] for key in _TYPE_KEYS if key in value})
        return made

    def body(self, value: dict[str, Any], consumes: Any, at: str, source: str) -> dict[str, Any]:
        self.written[at] = source
        content: dict[str, Any] = {}
        for kind in _list(consumes) or ["application/json"]:
            place = f"{at}/content/{escaped(str(kind))}/schema"
            content[str(kind)] = {"schema": self.schema(value.get("schema", {}), place, f"{source}/schema")}
        return {"required": value.get("required", False), "content": content}

    def form(self, fields: list[tuple[dict[str, Any], str]], consumes: Any, at: str) -> dict[str, Any]:
        kinds = [str(media_type) for media_type in _list(consumes) if media_type in _FORM]
        if not kinds:
            kinds = [_FORM[any(field.get("type") == "file" for field, _ in fields)]]
        required = [field["name"] for field, _ in fields if field.get("required") and "name" in field]
        schema: dict[str, Any] = {
            "type": "object",
            "properties": {str(field.get("name", "")): self.typed(field) for field, _ in fields},
        }
        if required:
            schema["required"] = required
        self.written[at] = fields[0][1]
        for kind in kinds:
            for field, source in fields:
                name = escaped(str(field.get("name", "")))
                self.written[f"{at}/content/{escaped(kind)}/schema/properties/{name}"] = source
        encoding = {
            str(field.get("name", "")): _style(field) for field, _ in fields if field.get("type") == "array"
        }
        media = {"schema": schema, **({"encoding": encoding} if encoding else {})}
        return {"required": bool(required), "content": dict.fromkeys(kinds, media)}

    def response(self, value: Any, produces: Any, at: str, source: str) -> Any:
        if not isinstance(value, dict) or "$ref" in value:
            return self.shared(value, produces) if isinstance(value, dict) else value
        self.written[at] = source
        made = {key: member for key, member in value.items() if key not in {"schema", "headers", "examples"}}
        if "schema" in value:
            made["content"] = {}
            usual = "application/octet-stream" if _is_file(value["schema"]) else "application/json"
            for kind in _list(produces) or [usual]:
                place = f"{at}/content/{escaped(str(kind))}/schema"
                made["content"][str(kind)] = {
                    "schema": self.schema(value["schema"], place, f"{source}/schema")
                }
        if isinstance(value.get("headers"), dict):
            made["headers"] = {
                name: {
                    "schema": self.typed(header),
                    **{k: v for k, v in header.items() if k not in _TYPE_KEYS},
                    **_style(header),
                }
                for name, header in value["headers"].items()
                if isinstance(header, dict)
            }
        return made

    def shared(self, value: dict[str, Any], produces: Any) -> dict[str, Any]:
        """Return a reference to the converted form of a shared response (in `responses` of the document).

        In Swagger 2.0, the operation that refers to a shared response defines the media types (`produces`).
        If the operation and the document define different media types, a converted copy of the response is
        added for the media types of the operation.
        """
        moved = _moved(value)
        name = str(value["$ref"]).removeprefix("#/responses/").replace("~1", "/").replace("~0", "~")
        if name not in self.responses or _list(produces) == _list(self.data.get("produces")):
            return moved
        made = f"{name} as {', '.join(map(str, _list(produces)))}"
        if made not in self.produced:
            self.produced[made] = None  # references can be circular
            at = f"/components/responses/{escaped(made)}"
            self.produced[made] = self.response(
                self.responses[name], produces, at, f"/responses/{escaped(name)}"
            )
        return {"$ref": f"#/components/responses/{escaped(made)}"}

    def schema(self, value: Any, at: str, source: str) -> Any:
        self.written[at] = source
        return _schema(value)


def _moved(value: dict[str, Any]) -> dict[str, Any]:
    return {**value, "$ref": _reference(value["$ref"])} if isinstance(value.get("$ref"), str) else value


def _reference(ref: str) -> str:
    for old, new in _MOVED.items():
        if ref.startswith(old):
            return new + ref[len(old) :]
    return ref


def as_written(ref: str) -> str:
    """Return a reference in the form that the Swagger 2.0 document contained before the conversion."""
    for old, new in _MOVED.items():
        if ref.startswith(new):
            return old + ref[len(new) :]
    return ref


def _schema(value: Any, named: bool = False) -> Any:
    """Convert the references and keywords of a schema from Swagger 2.0 to OpenAPI 3.0.

    The function is recursive, so Python's recursion limit is the maximum depth of the schema.
    """
    if isinstance(value, list):
        return [_schema(member) for member in value]
    if not isinstance(value, dict):
        return value
    made = {}
    for key, member in value.items():
        if not named and key in {"enum", "default", "example"}:
            made[key] = member
        else:
            made[key] = _schema(member, not named and key == "properties")
    if named:
        return made
    made = _moved(made)
    if made.get("type") == "file":
        made |= {"type": "string", "format": "binary"}
    if isinstance(made.get("discriminator"), str):
        made["discriminator"] = {"propertyName": made["discriminator"]}
    if made.pop("x-nullable", False) is True:
        made["nullable"] = True
    return made


def _style(value: dict[str, Any]) -> dict[str, Any]:
    """Return the `style` and `explode` of OpenAPI 3.0 that correspond to a `collectionFormat`.

    OpenAPI 3 cannot describe the serialization of nested arrays.
    """
    if value.get("type") != "array":
        return {}
    name = str(value.get("collectionFormat", "csv"))
    made = _STYLES.get(name, {})
    inner = _object(value.get("items")).get("collectionFormat", "csv")
    return made if inner == "csv" else {**made, "style": f"{made.get('style', name)} of {inner}"}


def _is_file(schema: Any) -> bool:
    return isinstance(schema, dict) and schema.get("type") == "file"


def _scheme(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value.get("type") == "basic":
        return {"type": "http", "scheme": "basic"}
    if value.get("type") == "oauth2":
        flow = str(value.get("flow", "implicit"))
        urls = {key: value[key] for key in ("authorizationUrl", "tokenUrl") if key in value}
        return {
            "type": "oauth2",
            "flows": {_FLOWS.get(flow, flow): {**urls, "scopes": value.get("scopes") or {}}},
        }
    return value


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
