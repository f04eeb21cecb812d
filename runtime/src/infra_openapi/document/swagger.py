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
    conversion = _Conversion(data)
    return conversion.document(), conversion.written


class _Conversion:
    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data
        self.written: dict[str, str] = {}
        self.parameters = _object(data.get("parameters"))
        self.responses = _object(data.get("responses"))
        #: Copies of shared responses, for operations with other media types than the document.
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

    def path(self, path_item: Any, pointer: str) -> Any:
        if not isinstance(path_item, dict):
            return path_item
        converted_item: dict[str, Any] = {
            key: value for key, value in path_item.items() if key not in {*_METHODS, "parameters"}
        }
        shared_parameters = [
            (parameter, f"{pointer}/parameters/{index}")
            for index, parameter in enumerate(_list(path_item.get("parameters")))
        ]
        for method in _METHODS:
            if method in path_item:
                converted_item[method] = self.operation(
                    path_item[method], shared_parameters, f"{pointer}/{method}"
                )
        return converted_item

    def operation(self, operation: Any, shared_parameters: list[tuple[Any, str]], pointer: str) -> Any:
        if not isinstance(operation, dict):
            return operation
        own_parameters = [
            (parameter, f"{pointer}/parameters/{index}")
            for index, parameter in enumerate(_list(operation.get("parameters")))
        ]
        parameters_by_key: dict[tuple[str, str], tuple[Any, str, Any]] = {}
        for parameter, source in [*shared_parameters, *own_parameters]:
            value, written_at = self.looked_up(parameter, source)
            if isinstance(value, dict):
                parameters_by_key[str(value.get("name")), str(value.get("in"))] = (
                    value,
                    written_at,
                    parameter,
                )
        converted_operation = {
            k: v for k, v in operation.items() if k not in {"parameters", "responses", "consumes", "produces"}
        }
        schemes = converted_operation.pop("schemes", None)
        if schemes and self.data.get("host"):
            converted_operation["servers"] = self.servers(schemes)
            self.written[f"{pointer}/servers"] = f"{pointer}/schemes"
        consumes = operation.get("consumes", self.data.get("consumes"))
        parameters: list[Any] = []
        form: list[tuple[dict[str, Any], str]] = []
        for value, written_at, parameter in parameters_by_key.values():
            if value.get("in") == "body":
                converted_operation["requestBody"] = self.body(
                    value, consumes, f"{pointer}/requestBody", written_at
                )
            elif value.get("in") == "formData":
                form.append((value, written_at))
            elif isinstance(parameter, dict) and "$ref" in parameter:
                parameters.append(_moved(parameter))
            else:
                parameters.append(
                    self.parameter(value, f"{pointer}/parameters/{len(parameters)}", written_at)
                )
        if form:
            converted_operation["requestBody"] = self.form(form, consumes, f"{pointer}/requestBody")
        converted_operation["parameters"] = parameters
        produces = operation.get("produces", self.data.get("produces"))
        converted_operation["responses"] = {
            status: self.response(
                response,
                produces,
                f"{pointer}/responses/{escaped(status)}",
                f"{pointer}/responses/{escaped(status)}",
            )
            for status, response in _object(operation.get("responses")).items()
        }
        return converted_operation

    def looked_up(self, parameter: Any, pointer: str) -> tuple[Any, str]:
        ref = parameter.get("$ref") if isinstance(parameter, dict) else None
        if isinstance(ref, str) and ref.startswith("#/parameters/"):
            name = ref.removeprefix("#/parameters/").replace("~1", "/").replace("~0", "~")
            if name in self.parameters:
                return self.parameters[name], f"/parameters/{escaped(name)}"
        return parameter, pointer

    def parameter(self, value: Any, pointer: str, source: str) -> Any:
        if not isinstance(value, dict) or "$ref" in value:
            return _moved(value) if isinstance(value, dict) else value
        self.written[pointer] = source
        converted_parameter = {
            key: member for key, member in value.items() if key not in {*_TYPE_KEYS, "collectionFormat"}
        }
        converted_parameter["schema"] = self.typed(value)
        self.written[f"{pointer}/schema"] = source
        return converted_parameter | _style(value)

    def typed(self, value: dict[str, Any]) -> dict[str, Any]:
        """Return the schema of a parameter or header of Swagger 2.0.

        In Swagger 2.0, the keywords of the schema are in the same object as the name of the parameter.
        """
        schema: dict[str, Any] = _schema({key: value[key] for key in _TYPE_KEYS if key in value})
        return schema

    def body(self, value: dict[str, Any], consumes: Any, pointer: str, source: str) -> dict[str, Any]:
        self.written[pointer] = source
        content: dict[str, Any] = {}
        for media_type in _list(consumes) or ["application/json"]:
            schema_pointer = f"{pointer}/content/{escaped(str(media_type))}/schema"
            content[str(media_type)] = {
                "schema": self.schema(value.get("schema", {}), schema_pointer, f"{source}/schema")
            }
        return {"required": value.get("required", False), "content": content}

    def form(self, fields: list[tuple[dict[str, Any], str]], consumes: Any, pointer: str) -> dict[str, Any]:
        media_types = [str(media_type) for media_type in _list(consumes) if media_type in _FORM]
        if not media_types:
            media_types = [_FORM[any(field.get("type") == "file" for field, _ in fields)]]
        required = [field["name"] for field, _ in fields if field.get("required") and "name" in field]
        schema: dict[str, Any] = {
            "type": "object",
            "properties": {str(field.get("name", "")): self.typed(field) for field, _ in fields},
        }
        if required:
            schema["required"] = required
        self.written[pointer] = fields[0][1]
        for form_type in media_types:
            for field, source in fields:
                name = escaped(str(field.get("name", "")))
                self.written[f"{pointer}/content/{escaped(form_type)}/schema/properties/{name}"] = source
        encoding = {
            str(field.get("name", "")): _style(field) for field, _ in fields if field.get("type") == "array"
        }
        media = {"schema": schema, **({"encoding": encoding} if encoding else {})}
        return {"required": bool(required), "content": dict.fromkeys(media_types, media)}

    def response(self, value: Any, produces: Any, pointer: str, source: str) -> Any:
        if not isinstance(value, dict) or "$ref" in value:
            return self.shared(value, produces) if isinstance(value, dict) else value
        self.written[pointer] = source
        converted_response = {
            key: member for key, member in value.items() if key not in {"schema", "headers", "examples"}
        }
        if "schema" in value:
            converted_response["content"] = {}
            default_type = "application/octet-stream" if _is_file(value["schema"]) else "application/json"
            for media_type in _list(produces) or [default_type]:
                schema_pointer = f"{pointer}/content/{escaped(str(media_type))}/schema"
                converted_response["content"][str(media_type)] = {
                    "schema": self.schema(value["schema"], schema_pointer, f"{source}/schema")
                }
        if isinstance(value.get("headers"), dict):
            converted_response["headers"] = {
                name: {
                    "schema": self.typed(header),
                    **{k: v for k, v in header.items() if k not in _TYPE_KEYS},
                    **_style(header),
                }
                for name, header in value["headers"].items()
                if isinstance(header, dict)
            }
        return converted_response

    def shared(self, value: dict[str, Any], produces: Any) -> dict[str, Any]:
        """Return the converted reference to a shared response (in `responses` of the document).

        In Swagger 2.0, the operation that refers to a shared response defines the media types (`produces`).
        If the operation and the document define different media types, a converted copy of the response is
        added for the media types of the operation.
        """
        reference = _moved(value)
        name = str(value["$ref"]).removeprefix("#/responses/").replace("~1", "/").replace("~0", "~")
        if name not in self.responses or _list(produces) == _list(self.data.get("produces")):
            return reference
        copy_name = f"{name} as {', '.join(map(str, _list(produces)))}"
        if copy_name not in self.produced:
            self.produced[copy_name] = None  # references can be circular
            pointer = f"/components/responses/{escaped(copy_name)}"
            self.produced[copy_name] = self.response(
                self.responses[name], produces, pointer, f"/responses/{escaped(name)}"
            )
        return {"$ref": f"#/components/responses/{escaped(copy_name)}"}

    def schema(self, value: Any, pointer: str, source: str) -> Any:
        self.written[pointer] = source
        return _schema(value)


def _moved(value: dict[str, Any]) -> dict[str, Any]:
    return {**value, "$ref": _reference(value["$ref"])} if isinstance(value.get("$ref"), str) else value


def _reference(ref: str) -> str:
    for old, new in _MOVED.items():
        if ref.startswith(old):
            return new + ref[len(old) :]
    return ref


def as_written(ref: str) -> str:
    """Return a converted reference as the Swagger 2.0 document contains it, such as `#/definitions/Pet`."""
    for old, new in _MOVED.items():
        if ref.startswith(new):
            return old + ref[len(new) :]
    return ref


def _schema(value: Any, is_map: bool = False) -> Any:
    """Convert the references and keywords of a schema from Swagger 2.0 to OpenAPI 3.0.

    The function is recursive, so Python's recursion limit is the maximum depth of the schema.
    """
    if isinstance(value, list):
        return [_schema(member) for member in value]
    if not isinstance(value, dict):
        return value
    schema = {}
    for key, member in value.items():
        if not is_map and key in {"enum", "default", "example"}:
            schema[key] = member
        else:
            schema[key] = _schema(member, not is_map and key == "properties")
    if is_map:
        return schema
    schema = _moved(schema)
    if schema.get("type") == "file":
        schema |= {"type": "string", "format": "binary"}
    if isinstance(schema.get("discriminator"), str):
        schema["discriminator"] = {"propertyName": schema["discriminator"]}
    if schema.pop("x-nullable", False) is True:
        schema["nullable"] = True
    return schema


def _style(value: dict[str, Any]) -> dict[str, Any]:
    """Return the `style` and `explode` of OpenAPI 3.0 that correspond to a `collectionFormat`.

    OpenAPI 3 has no `style` for `tsv`, and none for an array whose inner arrays have another format than
    `csv`. For these, the result contains a `style` that OpenAPI does not define.
    """
    if value.get("type") != "array":
        return {}
    name = str(value.get("collectionFormat", "csv"))
    style = _STYLES.get(name, {})
    item_format = _object(value.get("items")).get("collectionFormat", "csv")
    return (
        style if item_format == "csv" else {**style, "style": f"{style.get('style', name)} of {item_format}"}
    )


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
