"""Invalid input of `infra dev api-check` exits with 2; it prints file, line and reason, but no traceback."""

from __future__ import annotations

import pytest

from fakes.checks import HEAD, PETS, Checks

EMPTY = HEAD + "paths: {}\n"


def referring(target: str) -> str:
    return HEAD + f"paths:\n  /x:\n    get:\n      responses:\n        '200':\n          $ref: '{target}'\n"


def nested_aliases(times: int = 9) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, times)]
    return EMPTY + "\n".join(lines) + "\n"


#: description → content, location after the file name, part of the reason
BAD: dict[str, tuple[str | bytes, str, str]] = {
    "empty": ("", "", "is empty"),
    "blank": ("\n\n  \n", "", "is empty"),
    "a truncated object": ('{"openapi": "3.0.0",\n "paths": {', ":2:12", "is not JSON"),
    "a truncated string": ('{"openapi": "3.0', ":1:13", "is not JSON"),
    "truncated YAML": (HEAD + "paths: {'/x': {\n", ":4:1", "is not YAML"),
    "a tab": (HEAD + "paths:\n\t/x: {}\n", ":4:1", "is not YAML"),
    "a key twice in YAML": (EMPTY + "paths:\n  /x: {}\n  /y: {}\n", ":4:1", "has the key 'paths' twice"),
    "a key twice in JSON": (
        '{"openapi": "3.0.0",\n"paths": {},\n"paths": {}}',
        ":3:1",
        "has the key 'paths' twice",
    ),
    "a wrong version": (EMPTY.replace("3.0.3", "4.0.0"), ":1:1", "the OpenAPI version '4.0.0'"),
    "an old Swagger": ("paths: {}\nswagger: '1.2'\n", ":2:1", "has the Swagger version '1.2'"),
    "no version": ("info: {}\npaths: {}\n", ":1", "neither `openapi` nor `swagger`"),
    "a list": ("- openapi\n", ":1", "is an array"),
    "a text": ("openapi\n", ":1", "is a string"),
    "a number": ("3", ":1", "is a number"),
    "null": ("null", ":1", "is null"),
    "paths in a list": (HEAD + "paths: []\n", ":3:1", "`paths` is an array"),
    "nothing but a version": ("openapi: 3.1.0\n", ":1", "neither paths"),
    "a reference that dangles": (referring("#/components/responses/No"), ":7:9", "does not exist"),
    "a reference to itself": (referring("#/paths/~1x/get/responses/200"), ":7:9", "is circular"),
    "references in a circle": (
        EMPTY + "components:\n  schemas:\n    A: {$ref: '#/components/schemas/B'}\n"
        "    B: {$ref: '#/components/schemas/A'}\n",
        ":6:",
        "is circular",
    ),
    "a reference that leaves the root": (referring("../../secret.yaml"), ":7:9", "is outside of"),
    "a reference to an absolute path": (referring("/etc/passwd"), ":7:9", "is outside of"),
    "a reference to a missing file": (referring("gone.yaml#/x"), ":7:9", "does not exist"),
    "a reference to the network": (referring("http://127.0.0.1:1/x"), ":7:9", "is on the network"),
    "a huge integer in JSON": ('{"openapi": "3.0.0", "x":\n' + "9" * 5000 + "}", ":2:1", "5000 digits"),
    "a huge integer in YAML": (EMPTY + "x: " + "9" * 5000, ":4:4", "5000 digits"),
    "a number beyond a float": ('{"openapi": "3.0.0",\n"y": "1e999", "x": 1e999}', ":2:20", "too large"),
    "not a number": ('{"openapi": "3.0.0", "y": "NaN",\n "x": NaN}', ":2:7", "NaN is not a JSON value"),
    "a list as a key": (EMPTY + "? [a, b]\n: 1\n", ":4:", "as a key"),
    "a binary": (b"\x00\x01\x02\x03openapi", ":1", "is a binary file"),
    "an image": (b"\x89PNG\r\n\x1a\n\x00\x00", ":1", "is not UTF-8 text"),
    "another encoding": ((EMPTY + "x: é\n").encode("latin-1"), ":4", "is not UTF-8 text"),
    "two documents": (EMPTY + "---\n" + EMPTY, ":4:1", "more than one YAML document"),
    "a billion laughs": (nested_aliases(), ":10:", "the aliases of the document are replaced by more than"),
    "an alias of nothing": (EMPTY + "x: *y\n", ":4:4", "contains the alias *y, but no anchor with this name"),
    "deep nesting": ('{"openapi": "3.0.0", "paths": ' + "[" * 100_000, "", "levels deep"),
    "deep nesting in YAML": (EMPTY + "x: " + "[" * 1000 + "]" * 1000, ":4:", "levels deep"),
}


@pytest.mark.parametrize("side", ["base", "revision"])
@pytest.mark.parametrize("kind", BAD)
def test_an_invalid_document_exits_with_2_and_prints_file_line_and_reason(
    check: Checks, kind: str, side: str
) -> None:
    content, place, reason = BAD[kind]
    name = "bad.json" if str(content).startswith("{") else "bad.yaml"
    check.write(name, content)
    check.write("good.yaml", PETS)

    said = check(*((name, "good.yaml") if side == "base" else ("good.yaml", name)))

    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(f"infra: error: {name}{place}")
    assert reason in said.err
    assert "This is a bug" not in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("kind", "option"),
    [("a reference to the network", "`--allow-network`"), ("a reference that leaves the root", "`--root`")],
)
def test_the_hint_of_a_refused_reference_names_the_option(check: Checks, kind: str, option: str) -> None:
    check.write("bad.yaml", BAD[kind][0])
    check.write("good.yaml", PETS)

    hint = check("bad.yaml", "good.yaml").err.partition("hint: ")[2]

    assert option in hint


GOOD: dict[str, str | bytes] = {
    "a byte order mark": b"\xef\xbb\xbf" + PETS.encode(),
    "CRLF": PETS.replace("\n", "\r\n"),
    "both": b"\xef\xbb\xbf" + PETS.replace("\n", "\r\n").encode(),
    "UTF-16": PETS.encode("utf-16"),
    "keys that are integers": PETS.replace('"200"', "200"),
}


@pytest.mark.parametrize("kind", GOOD)
def test_the_encoding_of_a_file_makes_no_difference(check: Checks, kind: str) -> None:
    check.write("good.yaml", PETS)
    check.write("odd.yaml", GOOD[kind])

    said = check("good.yaml", "odd.yaml", "--format=json")

    assert (said.code, said.json["findings"]) == (0, [])


def test_a_yaml_tag_executes_no_code(check: Checks) -> None:
    check.write("bad.yaml", EMPTY + "x: !!python/object/apply:os.mkdir [ran]\n")

    check("bad.yaml", "bad.yaml")

    assert not (check.root / "ran").exists()


def test_a_directory_is_an_error(check: Checks) -> None:
    check.write("api/openapi.yaml", PETS)

    said = check("api", "api/openapi.yaml")

    assert said.code == 2
    assert "api: the path is a directory" in said.err


def test_a_circular_symbolic_link_is_an_error(check: Checks) -> None:
    (check.root / "a.yaml").symlink_to("a.yaml")

    said = check("a.yaml", "a.yaml")

    assert said.code == 2
    assert "infra: error: a.yaml: " in said.err
    assert "This is a bug" not in said.err


def test_an_unreadable_file_is_an_error(check: Checks) -> None:
    check.write("good.yaml", PETS)
    check.write("closed.yaml", PETS).chmod(0)
    try:
        (check.root / "closed.yaml").read_text()
    except PermissionError:
        pass
    else:
        pytest.skip("root can read every file")

    said = check("good.yaml", "closed.yaml")

    assert said.code == 2
    assert "Permission denied" in said.err


def test_a_closed_standard_input_is_an_error(check: Checks, monkeypatch: pytest.MonkeyPatch) -> None:
    check.write("good.yaml", PETS)
    monkeypatch.setattr("sys.stdin", None)

    said = check("good.yaml", "-")

    assert said.code == 2
    assert "stdin: standard input is closed" in said.err


def test_an_endless_device_is_an_error(check: Checks) -> None:
    check.write("good.yaml", PETS)

    assert check("good.yaml", "/dev/zero").code == 2


@pytest.mark.process
@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("nosuch:openapi.yaml", "the revision 'nosuch' does not exist in the git repository"),
        ("main:gone.yaml", "is not in the revision main"),
        ("main:./api", "is a directory"),
        ("main:", "is not a git revision"),
        (":", "is not a git revision"),
        (":gone.yaml", "is not in git's index"),
        ("--upload-pack=x:openapi.yaml", "no such option"),
        ("main:./../../x.yaml", "is outside of the git repository"),
    ],
)
def test_a_missing_git_revision_or_path_is_an_error(check: Checks, source: str, reason: str) -> None:
    check.write("openapi.yaml", PETS)
    check.write("api/x.yaml", PETS)
    check.commit()

    said = check(source, "openapi.yaml")

    assert (said.code, said.out) == (2, "")
    assert reason in said.err


@pytest.mark.process
def test_a_git_revision_outside_a_repository_is_an_error(
    check: Checks, monkeypatch: pytest.MonkeyPatch
) -> None:
    check.write("openapi.yaml", PETS)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(check.root.parent))

    said = check("main:openapi.yaml", "openapi.yaml")

    assert said.code == 2
    assert "not in a git repository" in said.err


@pytest.mark.process
def test_a_missing_git_executable_is_an_error(check: Checks, monkeypatch: pytest.MonkeyPatch) -> None:
    check.write("openapi.yaml", PETS)
    monkeypatch.setenv("PATH", str(check.root))

    said = check("main:openapi.yaml", "openapi.yaml")

    assert said.code == 2
    assert "`git` is not on PATH" in said.err


APPS = {
    "an import that fails": ("import nothere", "shop.py:1: shop:app: ModuleNotFoundError"),
    "an error at import": ("x = 1\nx / 0", "shop.py:2: shop:app: ZeroDivisionError: division by zero"),
    "a syntax error": ("x = 1\ndef f(:\n", "shop.py:2: shop:app: SyntaxError"),
    "an exit": (
        "print('bye')\nimport sys\nsys.exit(0)",
        "shop.py:3: shop:app: the app terminated the interpreter",
    ),
    "a hard exit": (
        "import os\nos.write(2, b'gone')\nos._exit(0)",
        "shop:app: the app terminated its interpreter (exit code 0): gone",
    ),
    "a crash": ("import os\nos.abort()", "shop:app: the app terminated its interpreter (exit code -6)"),
    "no such attribute": ("other = 1", "shop:app: AttributeError: module 'shop' has no attribute 'app'"),
    "a factory": ("def app(): ...", "shop:app: TypeError: app is not an app; if it is a factory"),
    "no app": ("app = 3", "shop:app: TypeError: builtins.int is not an app"),
    "a document that is none": ("app = {'a': 1}", "shop:app:1: the document is not OpenAPI"),
    "a document that cannot be JSON": ("app = {'openapi': float('nan')}", "shop:app: ValueError"),
}


@pytest.mark.process
@pytest.mark.parametrize("kind", APPS)
def test_an_app_without_a_document_is_an_error(check: Checks, kind: str) -> None:
    code, reason = APPS[kind]
    check.write("openapi.yaml", PETS)
    check.write("shop.py", code)

    said = check("openapi.yaml", "shop:app")

    assert (said.code, said.out) == (2, "")
    assert f"infra: error: {reason}" in said.err
    assert "Traceback" not in said.err


@pytest.mark.process
def test_the_hint_for_a_missing_module_names_the_git_branch(check: Checks) -> None:
    check.write("openapi.yaml", PETS)

    said = check("main:spec", "openapi.yaml")

    assert said.code == 2
    assert "main:spec: ModuleNotFoundError: No module named 'main'" in said.err
    assert "refs/heads/main:spec" in said.err


@pytest.mark.process
def test_an_app_that_exceeds_the_timeout_is_killed(check: Checks) -> None:
    check.write("openapi.yaml", PETS)
    check.write("shop.py", "import time\ntime.sleep(600)")

    said = check("openapi.yaml", "shop:app", "--timeout", "0.5")

    assert said.code == 2
    assert "shop:app: the app returned no document within 0.5 s" in said.err


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:1/openapi.json", "cannot be fetched"),
        ("http://", "cannot be fetched"),
        ("http://[", "is not a URL"),
    ],
)
def test_an_unreachable_url_is_an_error(check: Checks, url: str, reason: str) -> None:
    check.write("openapi.yaml", PETS)

    said = check("openapi.yaml", url)

    assert said.code == 2
    assert reason in said.err


def test_a_service_of_a_stack_that_is_not_running_is_an_error(check: Checks) -> None:
    check.write("openapi.yaml", PETS)

    said = check("openapi.yaml", "service:api/openapi.json")

    assert said.code == 2
    assert "no stack is running" in said.err
