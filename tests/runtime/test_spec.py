"""Specs: conversion to JSON and back, digests, and references."""

from __future__ import annotations

import json
import signal
from dataclasses import FrozenInstanceError, fields, is_dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.samples import every
from infra_runtime import spec as spec_module
from infra_runtime.spec import (
    Container,
    Default,
    Exchange,
    ExecProbe,
    Expect,
    HttpProbe,
    LengthPrefix,
    Operator,
    PostgresProbe,
    Probe,
    Remove,
    RequireFile,
    Run,
    Secret,
    Seed,
    Send,
    ServiceSpec,
    Step,
    StopStep,
    TcpProbe,
    WriteFile,
    bound_copy,
    decode_service,
    encode,
    escape,
    merged,
    references,
    substitute,
    texts,
    unescape,
)
from infra_runtime.spec.order import stop_order

#: Hypothesis has no deadline, because the machine may be busy
calm = settings(max_examples=settings().max_examples // 2)
words = st.text(max_size=20)
maps = st.dictionaries(words, words, max_size=3)
commands = st.lists(words, max_size=3).map(tuple)
simple_steps = st.one_of(
    st.builds(WriteFile, path=words, text=words, mode=st.integers(0, 0o777), json=st.booleans()),
    st.builds(RequireFile, path=words, text=words, problem=words),
    st.builds(Remove, path=words),
    st.builds(Secret, path=words),
    st.builds(Run, command=commands, env=maps),
)
steps: st.SearchStrategy[Step] = simple_steps | st.builds(
    Seed, into=words, steps=st.lists(simple_steps, max_size=3).map(tuple)
)
escaped = st.binary(max_size=20).map(escape)
prefixes = st.lists(escaped, max_size=3).map(tuple)
lengths = st.builds(
    LengthPrefix,
    size=st.integers(1, 8),
    order=st.sampled_from(["big", "little"]),
    at=st.integers(0, 9),
    extra=st.integers(),
)
expects = st.builds(
    Expect,
    prefixes=prefixes,
    at=st.integers(0, 9),
    until=escaped.filter(bool) | lengths,
    not_yet=st.dictionaries(escaped, words, max_size=3),
    skip=prefixes,
    contains=escaped.filter(bool),
    limit=st.integers(1),
)
exchanges = st.builds(
    Exchange,
    port=words,
    steps=st.tuples(st.builds(Send, text=escaped), expects),
    timeout=st.floats(0.1, 60),
)
probes: st.SearchStrategy[Probe] = st.one_of(
    st.builds(TcpProbe, port=words),
    st.builds(PostgresProbe, port=words, user=words, database=words),
    exchanges,
    st.builds(ExecProbe, command=commands, timeout=st.floats(0.1, 60)),
    st.builds(
        HttpProbe,
        port=words,
        path=words,
        contains=words,
        headers=maps,
        status=st.tuples(st.integers(100, 599), st.integers(100, 599)),
    ),
)
ladders = st.lists(
    st.builds(StopStep, signal=st.sampled_from(signal.Signals), seconds=st.floats(0.1, 60)), max_size=3
).map(tuple)
FIELDS = {
    "name": words,
    "command": commands,
    "kind": words,
    "summary": words,
    "env": maps,
    "env_defaults": st.lists(
        st.builds(Default, name=words, value=words, separator=words, only_with=commands, unless=commands),
        max_size=3,
    ).map(tuple),
    "cwd": words,
    "prepare": st.lists(steps, max_size=3).map(tuple),
    "ports": st.dictionaries(words, st.integers(1, 65535), max_size=3),
    "ready": st.none() | probes,
    "exports": maps,
    "needs": commands,
    "start_timeout": st.floats(0.1, 600),
    "stop": ladders,
    "restart": st.sampled_from(["on-failure", "always", "never"]),
    "task": st.booleans(),
    "watch": commands,
    "quiesce": st.none() | exchanges,
    "refuses_root": st.booleans(),
    "copy_of": words,
    "image": words,
    "starts_on_connection": st.booleans(),
    "ports_may_vary": st.booleans(),
    "in_snapshots": st.booleans(),
    "sensitive": commands,
    "container": st.none()
    | st.builds(
        Container,
        image=words,
        command=commands,
        env=maps,
        files=maps,
        entrypoint=st.none() | commands,
        operator=st.none()
        | st.builds(
            Operator,
            name=words,
            version=words,
            kind=words,
            fields=words,
            members=words,
            label=words,
            exports=maps,
            secrets=commands,
        ),
    ),
}
services = st.builds(ServiceSpec, **FIELDS)


# --- variables -------------------------------------------------------------------------------------

DEFAULTS = (
    Default(name="URL", value="http://ours", unless=("PROTOCOL=grpc",)),
    Default(name="URL", value="grpc://ours", only_with=("PROTOCOL=grpc",)),
    Default(name="KEY", value="ours", unless=("URL", "OTHER_URL")),
    Default(name="OTHER_KEY", value="ours", only_with=("URL",)),
    Default(name="TAGS", value="team=ours,run=7", separator=","),
)
OFFERED = {"URL": "http://ours", "KEY": "ours", "TAGS": "team=ours,run=7", "PORT": "1"}


@pytest.mark.parametrize("is_own", [False, True], ids=["inherited", "own"])
@pytest.mark.parametrize(
    ("given_", "changed"),
    [
        ({}, {}),
        ({"KEY": "theirs"}, {"KEY": "theirs"}),
        ({"URL": "http://theirs"}, {"URL": "http://theirs", "KEY": None, "OTHER_KEY": "ours"}),
        ({"URL": "", "KEY": ""}, {"URL": "", "KEY": "", "OTHER_KEY": "ours"}),
        ({"PROTOCOL": "grpc"}, {"URL": "grpc://ours"}),
        ({"PROTOCOL": "http"}, {}),
        ({"OTHER_URL": "http://theirs"}, {"KEY": None}),
        ({"TAGS": "team=theirs, zone=a,"}, {"TAGS": "team=theirs, zone=a,run=7"}),
        ({"TAGS": ""}, {"TAGS": "team=ours,run=7"}),
    ],
    ids=[
        "none",
        "value",
        "unless",
        "empty",
        "only with a value",
        "other value",
        "other",
        "pairs",
        "no pairs",
    ],
)
def test_a_default_applies_unless_the_user_sets_it_or_a_related_variable(
    given_: dict[str, str], changed: dict[str, str | None], is_own: bool
) -> None:
    own, inherited = ({"PORT": "1", **given_}, {}) if is_own else ({"PORT": "1"}, {"PORT": "2", **given_})

    result = merged(own, DEFAULTS, inherited)

    expected = {**OFFERED, **(given_ if is_own else {}), **changed}
    assert result == {name: value for name, value in expected.items() if value is not None}


# --- JSON ------------------------------------------------------------------------------------------


@calm
@given(services)
def test_every_spec_can_be_converted_to_json_and_back(service) -> None:
    assert decode_service(json.loads(json.dumps(encode(service)))) == service


@pytest.mark.parametrize("name", ["blue", "ServiceSpec", "Table"])
def test_a_variable_may_have_the_name_of_the_type_tag(name: str) -> None:
    env = {"$type": name, "kind": name, "rows": "b"}
    service = ServiceSpec(name="web", command=("web",), kind="Table", env=env, ports={"$type": 8000})

    assert decode_service(json.loads(json.dumps(encode(service)))) == service


@calm
@given(services)
def test_the_digest_is_the_same_after_a_conversion_to_json_and_back(service) -> None:
    assert decode_service(json.loads(json.dumps(encode(service)))).digest() == service.digest()


@calm
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | words,
        lambda inner: st.lists(inner) | st.dictionaries(words, inner),
    )
)
def test_invalid_data_is_a_value_error(data) -> None:
    with pytest.raises(ValueError, match="not a service spec"):
        decode_service(data)


@pytest.mark.parametrize(
    "data",
    [
        {"$type": "ServiceSpec"},
        {"$type": "Table", "rows": ["abc"]},
        {"$type": "ServiceSpec", "name": "db", "command": ["db"], "from_the_future": 1},
        {"$type": "TcpProbe", "port": "main"},
        {"$type": ["ServiceSpec"]},
    ],
)
def test_a_spec_of_another_version_is_rejected(data) -> None:
    with pytest.raises(ValueError, match="not a service spec"):
        decode_service(data)


def test_every_field_changes_the_digest() -> None:
    service = ServiceSpec(name="db", command=("db",))
    changed = {
        "command": ("db", "-x"),
        "env": {"A": "b"},
        "ports": {"main": 1},
        "task": True,
        "watch": ("*",),
    }

    digests = {replace(service, **{name: value}).digest() for name, value in changed.items()}

    assert len({service.digest(), *digests}) == len(changed) + 1


def test_the_order_of_a_mapping_does_not_change_the_digest() -> None:
    one = ServiceSpec(name="db", command=("db",), env={"A": "1", "B": "2"})
    other = ServiceSpec(name="db", command=("db",), env={"B": "2", "A": "1"})

    assert one.digest() == other.digest()


def test_a_spec_is_immutable() -> None:
    with pytest.raises(FrozenInstanceError):
        ServiceSpec(name="db", command=("db",)).name = "other"


# --- references ------------------------------------------------------------------------------------


@every(
    [
        ("", []),
        ("plain", []),
        ("${host}:${port.main}", ["host", "port.main"]),
        ("$${host}", []),
        ("$$${host}", ["host"]),
        ("$host", []),
        ("${env.HOME:-/root}", ["env.HOME:-/root"]),
        ("${ host }", ["host"]),
        ("${unclosed", []),
        ("${}", [""]),
    ]
)
def test_references_are_the_names_in_braces(text, names) -> None:
    assert references(text) == names


@calm
@given(words, words)
def test_a_text_without_a_dollar_stays_unchanged(before, after) -> None:
    text = (before + after).replace("$", "")

    assert substitute(text, lambda _: "never") == text


@calm
@given(words)
def test_references_in_values_are_not_replaced(value) -> None:
    """A password may contain `${host}`."""
    assert substitute("<${secret.key}>", lambda _: value) == f"<{value}>"


@calm
@given(words)
def test_any_text_can_be_written_with_doubled_dollar_signs(text) -> None:
    assert substitute(text.replace("$", "$$"), lambda _: "never") == text


def test_a_reference_to_another_service_is_a_need() -> None:
    service = ServiceSpec(
        name="web",
        command=("web", "--db", "${db.url}", "${port.http}", "${bin.web}", "${web.url}"),
        env={"CACHE": "${cache.url}"},
        prepare=(WriteFile(path="${data}/web.conf", text="${queue.url} ${env.HOME} ${stack.environment}"),),
        needs=("mail", "db"),
    )

    assert service.all_needs() == ("cache", "db", "mail", "queue")


def test_nested_texts_of_a_spec_are_found() -> None:
    seed = Seed(into="a", steps=(Run(command=("b", "c"), env={"name": "d"}),))
    service = ServiceSpec(name="e", command=("f",), prepare=(seed,))

    assert {"a", "b", "c", "d", "e", "f"} <= set(texts(service))


@calm
@given(services)
def test_a_copy_with_every_reference_bound_has_none_left(service) -> None:
    bound = bound_copy(service, lambda _: "there")

    assert type(bound) is ServiceSpec
    assert set(bound.env) == set(service.env)
    if not any("$" in text for text in texts(service)):
        assert bound == service


@calm
@given(st.binary())
def test_bytes_can_be_converted_to_an_escaped_text_and_back(data) -> None:
    assert unescape(escape(data)) == data
    assert references(escape(data)) == []


@pytest.mark.parametrize(
    ("text", "data"),
    [
        (r"PING\r\n", b"PING\r\n"),
        ("PING\r\n", b"PING\r\n"),
        (r"\0\t\\n\xfF", b"\0\t\\n\xff"),
        ("größe", "größe".encode()),
    ],
)
def test_an_escaped_text_stands_for_bytes(text, data) -> None:
    assert unescape(text) == data


@pytest.mark.parametrize("text", [r"\q", "\\", r"\x1", r"\xgg", "\\\n"])
def test_an_unknown_escape_is_an_error(text) -> None:
    with pytest.raises(ValueError, match="unknown escape"):
        Send(text=text)


@calm
@given(words)
def test_a_value_in_an_escaped_text_is_sent_unchanged(value) -> None:
    """A password may contain a backslash."""
    exchange = Exchange(
        port="main",
        steps=(
            Send(text=r"AUTH ${secret.key}\r\n"),
            Expect(prefixes=("${secret.key}",), contains="${secret.key}", until="${secret.key}!"),
        ),
    )

    send, expect = bound_copy(exchange, lambda _: value).steps

    assert unescape(send.text) == f"AUTH {value}\r\n".encode()
    assert {unescape(expect.prefixes[0]), unescape(expect.contains)} == {value.encode()}
    assert unescape(expect.until) == f"{value}!".encode()


def test_the_digest_of_a_service_ignores_how_it_runs_in_a_container() -> None:
    """The local engine never sends that part, and compares digests."""
    service = ServiceSpec(name="web", command=("web",))

    assert replace(service, container=Container(image="web:1")).digest() == service.digest()


def test_every_class_of_the_module_can_be_decoded() -> None:
    kinds = {kind for kind in vars(spec_module).values() if isinstance(kind, type) and is_dataclass(kind)}

    assert set(spec_module.TYPES.values()) == kinds
    assert ServiceSpec in kinds


def test_the_generated_specs_have_every_field() -> None:
    """So that fields added later are tested too."""
    assert {field.name for field in fields(ServiceSpec)} == set(FIELDS)


def test_services_stop_after_their_dependents() -> None:
    needs = {"web": ["api", "cache"], "api": ["db"], "db": [], "cache": []}

    assert stop_order(["db", "api", "web", "cache"], needs) == [["web"], ["api", "cache"], ["db"]]
    assert stop_order(["a", "b"], {"a": ["b"], "b": ["a"]}) == [["a", "b"]]
