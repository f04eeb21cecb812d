"""The key `ready` of a user's own service in the stack file; the key defines the probe of the service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from infra_runtime import catalogue
from infra_runtime.catalogue import Seconds
from infra_runtime.errors import nearest
from infra_runtime.manifest import KINDS
from infra_runtime.spec import (
    Exchange,
    ExecProbe,
    Expect,
    HttpProbe,
    LengthPrefix,
    Probe,
    Send,
    TcpProbe,
)
from infra_runtime.spec.probes import LONGEST_ANSWER, PATIENCE

#: the name of a protocol, as in `ready = { NAME = true }` → the kind whose entry contains the probe for this
#: protocol
PROTOCOLS = {protocol: kind.name for kind in KINDS.values() for protocol in kind.protocols}


def _argv(value: Any) -> Any:
    if isinstance(value, str):
        raise ValueError(  # noqa: TRY004 - pydantic does not convert a TypeError
            "a command must be a list of arguments, because pytest-infra runs it without a shell; write "
            + f"{value.split()!r}".replace("'", '"')
        )
    if value in ([], ()):
        raise ValueError("the command must contain at least the name of a program")
    return value


def _list(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


#: the greatest `limit` of a message, in bytes
LONGEST_LIMIT = 2**24
HttpStatus = Annotated[int, Field(ge=100, le=999)]
Argv = Annotated[tuple[str, ...], BeforeValidator(_argv)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_list)]


class Length(BaseModel):
    """The key `length` of a probe that sends and expects bytes.

    It describes which bytes at the beginning of a message contain the length of the message.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int = Field(4, ge=1, le=8)
    order: Literal["big", "little"] = "big"
    at: int = Field(0, ge=0, le=LONGEST_LIMIT)
    extra: int = Field(0, ge=-LONGEST_LIMIT, le=LONGEST_LIMIT)


class ExchangeStep(BaseModel):
    """A step of an exchange: `send` (bytes for the service), or `expect` (the answer of the service)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    send: str | None = None
    expect: Texts | None = None
    at: int = Field(0, ge=0, le=LONGEST_LIMIT)
    until: str | None = None
    length: Length | None = None
    not_yet: Mapping[str, str] = {}
    skip: Texts = ()
    contains: str = ""
    limit: int = Field(LONGEST_ANSWER, ge=1, le=LONGEST_LIMIT)

    @model_validator(mode="after")
    def _one_action(self) -> ExchangeStep:
        if (self.send is None) == (self.expect is None):
            raise ValueError("a step must have either `send` or `expect`")
        if self.send is not None and self.model_fields_set != {"send"}:
            unused = ", ".join(sorted(self.model_fields_set - {"send"}))
            raise ValueError(f"a step with `send` cannot have {unused}")
        if self.until is not None and self.length:
            raise ValueError("a step can have `until` or `length`, but not both")
        self.step()
        return self

    def step(self) -> Send | Expect:
        """Return this step as a value of the spec. Raises `ValueError` for an unknown escape in a string."""
        if self.send is not None:
            return Send(text=self.send)
        end = LengthPrefix(**self.length.model_dump()) if self.length else self.until
        return Expect(
            prefixes=self.expect or (),
            at=self.at,
            until="\\n" if end is None else end,
            not_yet=self.not_yet,
            skip=self.skip,
            contains=self.contains,
            limit=self.limit,
        )


class Ready(BaseModel):
    """The table `ready` of a service in the stack file; the table defines the probe of the service.

    Exactly one probe is set: one of the keys `http`, `https`, `tcp`, `exec` and `exchange`, or a key that is
    the name of a protocol, with the value `true`. The names of the protocols are in `Entry.protocols` of all
    kinds.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    http: str | None = None
    https: str | None = None
    tcp: Literal[True] | None = None
    exec: Argv | None = None
    exchange: tuple[ExchangeStep, ...] | None = None
    #: the name of the port; optional if the service has one port
    port: str | None = None
    #: for `http` and `https`: a string that the body contains
    contains: str = ""
    #: for `https`: the path of a file with the certificate of the authority; if empty, every certificate is
    #: accepted
    ca: str = ""
    #: for `https`: the host name in the certificate; `localhost` by default
    server_name: str = ""
    #: for `http` and `https`: the lowest and the highest status that the probe accepts
    status: tuple[HttpStatus, HttpStatus] = (200, 399)
    #: for `exchange`: the time limit for all steps of one attempt in seconds; 2 by default
    timeout: Seconds | None = None

    @model_validator(mode="after")
    def _one_probe(self) -> Ready:
        protocols = self.model_extra or {}
        probes = ("http", "https", "tcp", "exec", "exchange")
        for name, value in protocols.items():
            if name not in PROTOCOLS:
                keys = sorted({*type(self).model_fields, *PROTOCOLS})
                raise ValueError(f"unknown key {name!r}{nearest(name, keys)} (allowed: {', '.join(keys)})")
            if value is not True:
                raise ValueError(f"the value of `{name}` can only be true")
        keys_of_probes = [*(probe for probe in probes if getattr(self, probe) is not None), *protocols]
        if len(keys_of_probes) != 1:
            allowed_keys = ", ".join((*probes, *PROTOCOLS))
            raise ValueError(
                f"has {' and '.join(keys_of_probes) or 'no probe'}; set exactly one probe: {allowed_keys}"
            )
        if self.exchange is not None:
            self.probe("")
        return self

    def probe(self, port: str) -> Probe:
        """Return the probe that this table defines. Raises `ValueError` for an exchange without `expect`."""
        if self.exec:
            return ExecProbe(command=self.exec)
        if (path := self.https if self.http is None else self.http) is not None:
            return HttpProbe(
                port=port,
                path=path if path.startswith("/") else f"/{path}",
                status=self.status,
                contains=self.contains,
                tls=self.https is not None,
                ca=self.ca if self.ca.startswith(("/", "${")) or not self.ca else f"${{root}}/{self.ca}",
                server_name=self.server_name or "localhost",
            )
        if self.exchange is not None:
            return Exchange(
                port=port,
                steps=tuple(step.step() for step in self.exchange),
                timeout=self.timeout or PATIENCE,
            )
        for name in self.model_extra or {}:
            return replace(catalogue.entry(PROTOCOLS[name]).protocols[name], port=port)
        return TcpProbe(port=port)
