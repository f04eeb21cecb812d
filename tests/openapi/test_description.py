"""The texts that locate an element; they are part of the fingerprints in files of accepted findings."""

from __future__ import annotations

from fakes.api import parse
from fakes.samples import every
from infra_openapi.description import describe
from infra_openapi.document import Element

PARAMETER = {"in": "query", "name": "tag", "schema": {"type": "string"}}
DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Pets", "version": "1"},
    "paths": {"/pets": {"get": {"parameters": [PARAMETER]}}},
}
RESPONSE = "/paths/~1pets/get/responses/200"


@every(
    [
        ("", "api.yaml"),
        ("/info/title", "info title"),
        ("/components/schemas/Pet", "Pet"),
        ("/components/schemas/Pet/properties/owner/properties/name", "Pet.owner.name"),
        ("/components/schemas/Pet/allOf/1/properties/tags/items", "Pet.tags[]"),
        ("/components/schemas/Pet/additionalProperties", "Pet.*"),
        ("/components/schemas/Pet/$defs/Name", "Pet Name"),
        ("/components/schemas/Pet/not", "Pet not"),
        ("/$defs/Pet", "Pet"),
        ("/definitions/Pet/properties/name", "Pet.name"),
        ("/components/headers/Limit", "headers Limit"),
        ("/components/responses/Gone/content/text~1plain/schema", "responses Gone (text/plain)"),
        ("/paths/~1pets", "paths /pets"),
        ("/paths/~1pets/parameters/0", "parameter 0 of /pets"),
        ("/paths/~1pets/get", "GET /pets"),
        ("/paths/~1pets/get/security", "GET /pets security"),
        ("/paths/~1pets/get/parameters/0/schema", "the query parameter tag of GET /pets"),
        ("/paths/~1pets/get/parameters/7", "parameter 7 of GET /pets"),
        ("/paths/~1pets/get/requestBody/content/x~1y/schema/oneOf/0", "the body of GET /pets (x/y)"),
        (f"{RESPONSE}/headers/X-Next/schema", "the 200 response of GET /pets, header X-Next"),
        (f"{RESPONSE}/content/x~1y/schema/items", "the 200 response of GET /pets (x/y)[]"),
        ("/webhooks/sold/post/requestBody", "the body of POST sold"),
    ]
)
def test_an_element_has_a_short_path(pointer: str, text: str) -> None:
    assert describe(Element(parse(DOCUMENT), "api.yaml", pointer, None)) == text
