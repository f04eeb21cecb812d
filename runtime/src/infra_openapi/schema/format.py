"""The formats of strings and numbers, and which formats include other formats."""

from __future__ import annotations

#: Format → the formats that include this format.
WIDER: dict[str, frozenset[str]] = {
    "int8": frozenset({"int16", "int32", "int64", "float", "double"}),
    "int16": frozenset({"int32", "int64", "float", "double"}),
    "int32": frozenset({"int64", "float", "double"}),
    "int64": frozenset({"double"}),
    "uint8": frozenset({"int16", "int32", "int64", "uint16", "uint32", "uint64", "float", "double"}),
    "uint16": frozenset({"int32", "int64", "uint32", "uint64", "float", "double"}),
    "uint32": frozenset({"int64", "uint64", "double"}),
    "uint64": frozenset({"double"}),
    "float": frozenset({"double"}),
    "double": frozenset(),
    "email": frozenset({"idn-email"}),
    "hostname": frozenset({"idn-hostname"}),
    "uri": frozenset({"uri-reference", "iri", "iri-reference"}),
    "iri": frozenset({"iri-reference"}),
    "uri-reference": frozenset({"iri-reference"}),
    "uuid": frozenset(),
    "date": frozenset(),
    "date-time": frozenset(),
    "time": frozenset(),
    "duration": frozenset(),
    "ipv4": frozenset(),
    "ipv6": frozenset(),
    "byte": frozenset({"base64"}),
    "binary": frozenset(),
    "regex": frozenset(),
    "json-pointer": frozenset(),
    "idn-email": frozenset(),
    "idn-hostname": frozenset(),
    "iri-reference": frozenset(),
}
#: The formats of numbers.
NUMERIC = frozenset(name for name in WIDER if "int" in name and name != "json-pointer") | {
    "float",
    "double",
    "decimal",
}
#: Formats that are display hints and do not restrict values.
HINTS = frozenset({"password", "textarea", "markdown", "html", "multiline"})
