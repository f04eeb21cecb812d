"""Invalid documents give an error with file, line and reason; they are never reported as compatible."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.api import document, receives
from fakes.rewriting import documents
from fakes.samples import every
from infra_openapi import CompareError, compare, load, parse
from infra_openapi.document import json_text, yaml_text
from infra_openapi.formats import render

yaml = pytest.importorskip("yaml")

EXAMPLES = settings().max_examples
HEAD = '{"openapi": "3.0.0", "paths": {}'
NESTED_ALIASES = "a0: &a0 [x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
DEEP_BY_ALIASES = "a0: &a0 []\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 300))
LONG_BY_ALIASES = f"a: &a {'x' * 1_000_000}\nb: [{', '.join(['*a'] * 100)}]\n"

INVALID: list[tuple[str, bytes, int, str]] = [
    ("empty", b"", 0, "is empty"),
    ("blank", b" \n ", 0, "is empty"),
    ("binary", b"PK\x03\x04\x00\x00", 1, "is a binary file"),
    ("half of UTF-16", "openapi: 3.0.0".encode("utf-16") + b"x", 1, "is not UTF-16 text"),
    ("latin", b"openapi: 3.0.0\ninfo: {title: caf\xe9}", 2, "is not UTF-8 text"),
    ("truncated", b'{"openapi": "3.0.0",\n "paths": {', 2, "is not JSON"),
    ("a control character", b'openapi: 3.0.0\npaths: {}\nx: "\x07"', 3, "the control character 0x07"),
    ("tabs", b"openapi: 3.0.0\npaths:\n\t/a: {}", 3, "is not YAML"),
    ("twice in JSON", HEAD.encode() + b',\n "info": {"a": 1, "a": 2}}', 2, "has the key 'a' twice"),
    ("twice in YAML", b"openapi: 3.0.0\npaths: {}\npaths: {}", 3, "has the key 'paths' twice"),
    ("two documents", b"openapi: 3.0.0\npaths: {}\n---\na: b", 3, "more than one YAML document"),
    ("a list", b"- openapi", 1, "is not OpenAPI: it is an array"),
    ("something else", b'{"name": "x"}', 1, "neither `openapi` nor `swagger`"),
    ("nothing in version 2", b'{"swagger": "2.0"}', 1, "neither paths nor x-ms-paths nor definitions"),
    ("paths of version 2 in a list", b'{"swagger": "2.0",\n "paths": []}', 2, "`paths` is an array"),
    (
        "definitions in a list",
        b'{"swagger": "2.0", "paths": {},\n "definitions": []}',
        2,
        "`definitions` is an array",
    ),
    (
        "dangling in version 2",
        b'{"swagger": "2.0", "paths": {"/a": {"get": {"responses":\n {"200": {"$ref": "#/responses/N"}}}}}}',
        2,
        "the target of the reference '#/responses/N' does not exist",
    ),
    ("too old", b'{"swagger": "1.2"}', 1, "Swagger version '1.2'"),
    ("nearly a version", b'{"openapi": "3.10.0", "paths": {}}', 1, "OpenAPI version '3.10.0'"),
    (
        "two kinds",
        b'{"openapi": "3.0.0",\n "swagger": "2.0", "paths": {}}',
        2,
        "both `openapi` and `swagger`",
    ),
    ("too new", b'{"openapi": "4.0.0", "paths": {}}', 1, "OpenAPI version '4.0.0'"),
    ("nothing in it", b'{"openapi": "3.1.0"}', 1, "neither paths nor webhooks nor components"),
    ("paths in a list", b'{"openapi": "3.0.0",\n "paths": []}', 2, "`paths` is an array"),
    (
        "dangling",
        HEAD.encode() + b',\n "x": 0, "components": {"schemas": {"A": {"$ref": "#/B"}}}}',
        2,
        "does not exist",
    ),
    (
        "a circle",
        HEAD.encode() + b', "components": {"schemas": {"A": {"$ref": "#/components/schemas/A"}}}}',
        1,
        "is circular",
    ),
    ("deep JSON", b"[" * 100_000, 1, "nested more than"),
    ("deep YAML", b"- " * 1000 + b"a", 1, "nested more than 200 levels"),
    ("laughs", NESTED_ALIASES.encode(), 7, "the aliases of the document are replaced by more than"),
    ("deep by aliases", DEEP_BY_ALIASES.encode(), 200, "nested more than 200 levels"),
    ("long by aliases", LONG_BY_ALIASES.encode(), 2, "the aliases of the document are replaced by more than"),
    ("an alias in itself", b"a: &a [*a]", 1, "inside the value that it refers to"),
    ("too large a number", b"openapi: 3.0.0\npaths: {}\nx: 1e400", 3, "too large"),
    ("a huge number in base 16", b"openapi: 3.0.0\npaths: {}\nx: 0x" + b"f" * 5000, 3, "digits"),
    ("a huge number", HEAD.encode() + b', "x": ' + b"9" * 5000 + b"}", 1, "digits"),
    ("a list as key", b"? [a]\n: b", 1, "as a key"),
]


@every([case[1:] for case in INVALID])
def test_an_invalid_document_is_an_error_with_file_line_and_reason(
    raw: bytes, line: int, reason: str
) -> None:
    with pytest.raises(CompareError) as caught:
        parse(raw, name="api.yaml")

    assert reason in str(caught.value)
    assert (caught.value.file, caught.value.line) == ("api.yaml", line)
    assert caught.value.exit_code == 2


def test_a_missing_file_a_directory_and_a_pipe_are_errors(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    for name, reason in (("none.yaml", "does not exist"), ("", "directory"), ("pipe", "not a regular file")):
        with pytest.raises(CompareError, match=reason):
            load(tmp_path / name)


def test_a_reference_outside_the_root_is_an_error_unless_the_root_is_set(tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text('{"type": "string"}')
    inner = tmp_path / "api"
    inner.mkdir()
    (inner / "openapi.json").write_text(json.dumps(receives({"$ref": "../secret.json"})))

    with pytest.raises(CompareError, match="is outside of"):
        load(inner / "openapi.json")
    assert load(inner / "openapi.json", root=tmp_path)


def test_a_file_url_is_read_like_a_path(tmp_path: Path) -> None:
    (tmp_path / "name.json").write_text('{"type": "string"}')
    for name, target in (("inside", tmp_path / "name.json"), ("outside", Path("/etc/passwd"))):
        (tmp_path / f"{name}.json").write_text(json.dumps(receives({"$ref": target.as_uri()})))

    with pytest.raises(CompareError, match="/etc/passwd: the file is outside of"):
        load(tmp_path / "outside.json")
    assert load(tmp_path / "inside.json")


def test_an_invalid_file_name_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "openapi.json").write_text(json.dumps(receives({"$ref": "a%00b.json"}), indent=1))

    with pytest.raises(CompareError, match=r"cannot be read: .*embedded null") as caught:
        load(tmp_path / "openapi.json")
    assert caught.value.line > 1
    with pytest.raises(CompareError, match="embedded null"):
        load("a\0b.json")


def test_a_symbolic_link_outside_the_root_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text('{"type": "string"}')
    inner = tmp_path / "api"
    inner.mkdir()
    (inner / "link.json").symlink_to(tmp_path / "secret.json")
    (inner / "openapi.json").write_text(json.dumps(receives({"$ref": "link.json"})))

    with pytest.raises(CompareError, match="is outside of"):
        load(inner / "openapi.json")


def test_a_reference_to_a_url_is_not_fetched(tmp_path: Path) -> None:
    (tmp_path / "openapi.json").write_text(json.dumps(receives({"$ref": "https://example.com/a.json"})))

    with pytest.raises(CompareError, match="on the network"):
        load(tmp_path / "openapi.json")


def test_a_change_in_a_referenced_file_has_its_location(tmp_path: Path) -> None:
    for side, most in (("base", 10), ("revision", 5)):
        folder = tmp_path / side / "schemas"
        folder.mkdir(parents=True)
        (folder / "pet.yaml").write_text(
            "Pet:\n  type: object\n  properties:\n    name: {$ref: '#/Name'}\n"
            f"Name:\n  type: string\n  maxLength: {most}\n"
        )
        (tmp_path / side / "api.json").write_text(json.dumps(receives({"$ref": "schemas/pet.yaml#/Pet"})))
    findings = compare(
        load(tmp_path / "revision" / "api.json"), load(tmp_path / "base" / "api.json")
    ).findings

    assert [finding.rule for finding in findings] == ["response-max-length-increased"]
    assert findings[0].revision is not None
    assert (Path(findings[0].revision.file).name, findings[0].revision.line) == ("pet.yaml", 5)


def test_a_byte_order_mark_and_carriage_returns_are_accepted() -> None:
    text = "openapi: 3.0.0\r\ninfo: {title: a, version: '1'}\r\npaths: {}\r\n"

    assert compare(parse(b"\xef\xbb\xbf" + text.encode()), parse(text)).verdict == "compatible"


def test_line_numbers_are_those_of_an_editor() -> None:
    text = 'openapi: 3.0.0\nx: "one\u2028line\x85still"\npaths:\n  /a: {$ref: "#/nowhere"}\n'

    with pytest.raises(CompareError, match="does not exist") as caught:
        parse(text)
    assert (caught.value.line, caught.value.column) == (4, 3)


def test_libyaml_is_used_if_it_is_installed() -> None:
    assert yaml_text._Loader is (yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader)


class LimitedLoader(yaml.SafeLoader):
    """Raises an error for a bracket beyond its limit while it reads ahead, like libyaml 0.2.6."""

    LIMIT = 0

    def fetch_flow_collection_start(self, token_class: type) -> None:
        if self.flow_level >= self.LIMIT:
            raise yaml.scanner.ScannerError(None, None, "the library's limit", self.get_mark())
        super().fetch_flow_collection_start(token_class)


DEEP: list[tuple[str, int, int]] = [
    ("x: " + "[" * 1000 + "]" * 1000, 1, 4 + 199),
    ("x:\n  y: " + "[" * 500, 2, 6 + 198),
    ("x: " + "[" * 150 + "\n" + "[" * 400, 2, 50),
    ("x: [" + "[], " * 50 + "'[[', # ]]]\n" + "[" * 1000, 2, 199),
    ("x: " + "{a: " * 250 + "}" * 250, 1, 4 + 4 * 199),
]


@pytest.mark.parametrize("limit", [None, 200, 256])
@pytest.mark.parametrize(("text", "line", "column"), DEEP)
def test_deep_nesting_gives_the_same_error_for_every_limit_of_the_library(
    text: str, line: int, column: int, limit: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if limit is not None:
        monkeypatch.setattr(LimitedLoader, "LIMIT", limit)
        monkeypatch.setattr(yaml_text, "_Loader", LimitedLoader)

    with pytest.raises(CompareError, match="nested more than 200 levels") as caught:
        parse(text)

    assert (caught.value.line, caught.value.column) == (line, column)


@pytest.mark.parametrize("text", ["x: [" + "[], " * 300 + "\n}", 'x: ["' + "[" * 300 + '"\n}', "x: [\n}"])
def test_a_syntax_error_is_not_reported_as_deep_nesting(text: str) -> None:
    with pytest.raises(CompareError, match="is not YAML"):
        parse(text)


@pytest.mark.parametrize("raw", [HEAD.encode() + b', "x": [1, 2, 3, 4]}', b"openapi: 3.0.0\nx: [1, 2, 3, 4]"])
def test_a_document_with_too_many_values_is_an_error_before_it_is_decoded(
    raw: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (json_text, yaml_text):
        monkeypatch.setattr(module, "MAX_VALUES", 4)

    with pytest.raises(CompareError, match="has more than 4 values"):
        parse(raw)


def test_commas_in_strings_are_not_counted_as_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_text, "MAX_VALUES", 4)

    assert parse(HEAD + ', "x": "one, two, three, [four]"}')


@pytest.mark.parametrize(
    ("raw", "hint"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 123\n", "git lfs pull"),
        (b"<!DOCTYPE html>\n<title>Log in</title>", "an HTML page"),
        (b"openapi: 3.0.0\n<<<<<<< HEAD\ninfo: {}\n=======\npaths: {}\n", "merge conflict"),
    ],
)
def test_the_hint_names_the_real_kind_of_a_file(raw: bytes, hint: str) -> None:
    with pytest.raises(CompareError) as caught:
        parse(raw)

    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("kind", "keyword"), [("string", "minLength"), ("array", "minItems"), ("object", "minProperties")]
)
@pytest.mark.parametrize("count", [2, 2.0, 1.5])
def test_a_count_can_be_written_with_a_fraction(kind: str, keyword: str, count: float) -> None:
    free, bound = receives({"type": kind}), receives({"type": kind, keyword: count})

    findings = compare(parse(bound), parse(free)).findings

    assert [(finding.level, finding.before) for finding in findings] == [("breaking", 2)]
    assert compare(parse(bound), parse(receives({"type": kind, keyword: 2}))).findings == ()


def test_a_reference_in_an_example_is_data() -> None:
    assert parse(receives({"type": "object", "example": {"$ref": "#/nowhere"}}))


def test_an_invalid_part_is_ignored_with_a_note() -> None:
    made = parse(
        document(
            {
                "pets": {},
                "/a": {"get": {"parameters": {}, "responses": {"abc": {}, "200": {"description": ""}}}},
            }
        )
    )
    other = parse(document({"/a": {"get": {"responses": {"200": {"description": ""}}}}}))

    notes = compare(made, other).notes

    assert len(notes) == 3
    assert all(note.file == "openapi" and note.line == 1 for note in notes)


ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    10**400,
    "",
    "#/",
    [],
    {},
    [None],
    {"$ref": "#"},
    {"$ref": 5},
    {"allOf": [{"$ref": "#"}]},
    "(a+)+$",
    "[",
]


def mutate(value: Any, random: Random) -> Any:
    """Return a document with a random part replaced by an unusual value."""
    if random.random() < 0.04:
        return random.choice(ODD)
    if isinstance(value, dict):
        return {key: mutate(inner, random) for key, inner in value.items() if random.random() > 0.02}
    return [mutate(inner, random) for inner in value] if isinstance(value, list) else value


@settings(max_examples=EXAMPLES * 3 // 2, derandomize=True)
@given(data=documents(), random=st.randoms(use_true_random=False))
def test_a_random_document_is_compared_or_gives_an_error(data: dict[str, Any], random: Random) -> None:
    with contextlib.suppress(CompareError):
        base, revision = parse(data), parse(mutate(data, random))
        json_report = json.loads(render({"": compare(base, revision)}, "json"))

        assert json_report["verdict"] in {"compatible", "warning", "breaking"}


SWAGGER: dict[str, Any] = {
    "swagger": "2.0",
    "host": "a.example",
    "parameters": {"L": {"in": "query", "name": "l", "type": "array", "items": {"type": "string"}}},
    "definitions": {"P": {"type": "object", "discriminator": "k", "properties": {"k": {"type": "string"}}}},
    "securityDefinitions": {"o": {"type": "oauth2", "flow": "accessCode", "scopes": {"r": ""}}},
    "paths": {
        "/a": {
            "get": {"parameters": [{"$ref": "#/parameters/L"}], "responses": {"200": {"description": ""}}},
            "post": {"parameters": [{"in": "body", "schema": {"$ref": "#/definitions/P"}}]},
            "put": {"parameters": [{"in": "formData", "name": "f", "type": "file", "required": True}]},
        }
    },
}


@settings(max_examples=EXAMPLES * 3, derandomize=True)
@given(random=st.randoms(use_true_random=False))
def test_a_random_swagger_document_is_compared_or_gives_an_error(random: Random) -> None:
    with contextlib.suppress(CompareError):
        verdict = compare(parse(SWAGGER), parse(mutate(SWAGGER, random))).verdict

        assert verdict in {"compatible", "warning", "breaking"}


@settings(max_examples=EXAMPLES * 3, derandomize=True)
@given(
    raw=st.one_of(
        st.binary(max_size=60), st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass"))
    )
)
def test_random_bytes_are_read_or_give_an_error(raw: bytes) -> None:
    with pytest.raises(CompareError):
        parse(raw)
