"""Values that processes exchange: which data are accepted, and the errors for all other data."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest

from fakes.samples import every
from infra_runtime import messages
from infra_runtime.message import MessageError, decode
from infra_runtime.messages import (
    Crash,
    Event,
    Failure,
    Message,
    Method,
    Phase,
    Services,
    ServiceStatus,
    Snapshot,
    Stay,
    Up,
    Wait,
)
from infra_runtime.spec import ServiceSpec

METHODS = [value for value in vars(messages).values() if isinstance(value, Method)]
SERVICE: dict[str, Any] = {
    "name": "web", "kind": "", "summary": "", "phase": "ready", "ready": True, "task": False, "copy_of": "",
    "reason": "",
    "pid": 7, "seconds": 1.5, "restarts": 0, "needs": ["db"], "ports": {"http": 80}, "exports": {"url": "u"},
    "log": "/web.log", "log_dropped": 0,
}  # fmt: skip


def test_a_message_equals_its_decoded_json() -> None:
    service = decode(ServiceStatus, SERVICE)

    assert service.phase is Phase.READY
    assert (service.needs, service.ports) == (("db",), {"http": 80})
    assert service.to_json() == SERVICE
    assert list(service.to_json()) == list(SERVICE)


def test_a_spec_travels_inside_a_request() -> None:
    request = Up(services=(ServiceSpec(name="web", command=("web",)),), root="/", binaries={}, variables={})

    assert decode(Up, json.loads(json.dumps(request.to_json()))) == request


def test_optional_fields_may_be_missing_and_null() -> None:
    assert decode(Crash, {"services": []}) == Crash(services=(), signal=9, wait=False)
    assert decode(Stay, {"on": True, "seconds": None}).seconds is None
    assert decode(Failure, {"service": "a", "kind": "b", "reason": "c", "port": [80, "x"]}).port == (80, "x")


def test_unknown_fields_are_ignored() -> None:
    assert decode(Crash, {"services": [], "mood": "good"}) == Crash(services=())


@every(
    [
        ({"pid": "7"}, "pid: must be a whole number, not '7'"),
        ({"pid": True}, "pid: must be a whole number, not True"),
        ({"seconds": "1"}, "seconds: must be a number, not '1'"),
        ({"ready": 1}, "ready: must be true or false, not 1"),
        ({"name": None}, "name: must be a string, not None"),
        ({"needs": "db"}, "needs: must be a list, not 'db'"),
        ({"needs": ["db", 7]}, "needs[1]: must be a string, not 7"),
        ({"ports": []}, "ports: must be an object, not []"),
        ({"ports": {"http": None}}, "ports.http: must be a whole number, not None"),
        ({"phase": "asleep"}, "phase: 'asleep' is not a valid Phase"),
        ({"phase": []}, "phase: [] is not a valid Phase"),
    ]
)
def test_a_wrong_field_is_named_with_what_it_must_be(change: dict[str, object], message: str) -> None:
    with pytest.raises(MessageError) as caught:
        decode(ServiceStatus, {**SERVICE, **change})

    assert str(caught.value) == message


def test_a_number_that_is_too_large_is_an_error() -> None:
    with pytest.raises(MessageError, match="timeout: the number is too large"):
        decode(Wait, {"timeout": 10**400})


def test_the_path_of_a_field_leads_through_lists() -> None:
    broken = {key: value for key, value in SERVICE.items() if key != "pid"}

    with pytest.raises(MessageError, match=r"^services\[1\]\.pid: is missing$"):
        decode(messages.Outcome, {"services": [SERVICE, broken]})


@pytest.mark.parametrize("data", [None, 7, "text", [], [["a", 1]]])
def test_a_json_value_that_is_not_an_object_is_not_a_message(data: object) -> None:
    with pytest.raises(MessageError, match=r"^must be an object"):
        decode(Crash, data)


def test_a_list_of_fixed_length_has_that_length() -> None:
    data = {"format": 1, "name": "a", "time": 1, "services": {}, "executables": {"web": ["/web", 5]}}

    with pytest.raises(MessageError, match=r"^executables\.web: must be a list of 3"):
        decode(Snapshot, data)


def test_services_are_found_by_name_and_by_position() -> None:
    services = Services([decode(ServiceStatus, SERVICE), decode(ServiceStatus, {**SERVICE, "name": "db"})])

    assert services["db"] is services[1]
    assert services.names == ("web", "db")
    assert services[:1] == (services["web"],)
    with pytest.raises(KeyError, match="ghost"):
        services["ghost"]


def test_an_event_keeps_the_fields_that_this_version_does_not_know() -> None:
    record = {"time": 1.5, "event": "ready", "service": "web", "mood": "good"}
    event = Event.parse(record)

    assert (event.event, event.service, event.reason) == ("ready", "web", "")
    assert event.to_json() == record


def test_a_message_is_frozen() -> None:
    message = Crash(services=())

    with pytest.raises(AttributeError, match="signal"):
        message.signal = 15  # type: ignore[misc]
    assert repr(message) == "Crash(services=(), signal=9, wait=False)"
    assert message != Stay(on=True)


def test_a_message_can_be_pickled() -> None:
    message = Crash(services=("web",), wait=True)

    assert pickle.loads(pickle.dumps(message)) == message


@every(METHODS)
def test_every_method_has_a_unique_name_and_messages_on_both_sides(method: Method[Any, Any]) -> None:
    assert [other.name for other in METHODS].count(method.name) == 1
    assert issubclass(method.params, Message)
    assert issubclass(method.answer, Message)
