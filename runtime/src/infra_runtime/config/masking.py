"""Mask the secrets in plans and settings for output."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from infra_runtime.redaction import (
    MASK,
    REFERENCE,
    is_secret_name,
    masked_assignments,
    masked_text,
    unless_symbolic,
)

#: matches a reference to an environment variable with a default
_DEFAULT = re.compile(r"(\$\{\s*env\.([^}:]+?):-)([^}]+)(?=\})")
#: the name in NAME=VALUE, in "NAME": "VALUE", and before a quoted VALUE
_NAME = r"""(["']?)(?<![\w.-])[\d.-]*(?P<name>[^\W\d][\w.-]*)\1(?:\s*[:=]\s*|\s+(?=["'][^"']))"""
_VALUE = r"""(?P<value>"(?:[^"\\]|\\.)*"|'[^']*'|(?:\$\{[^}]*\}|[^\s,;&}"'\]])+)"""
_DIRECTIVE = re.compile(r"(?m)^([ \t]*(?:requirepass|masterauth|AUTH|PASS)\s+)(\S.*)$")
_COMMAND = re.compile(r"\b((?:AUTH|PASS|IDENTIFIED BY)\s+)([^\s\\]+)")
_SCHEME = re.compile(r"\b((?:Bearer|Basic|Token)\s+)([\w.~+/=-]{6,})")
#: matches the name of a field in the list `keys` of an index; a secret key that matches, too, is very
#: unlikely
_FIELD = re.compile(r"-?[A-Za-z_.]{1,40}")
_PRIVATE_KEY = re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(-----END|$)", re.DOTALL)


def masked_value(name: str, text: str, declared: Collection[str] = ()) -> str:
    """Return the value of a variable, an export or a setting with its secrets masked.

    A value that consists of references only is not masked, except for the default of a secret variable.
    `declared` contains names of secrets for which `is_secret_name` is false.
    """
    if name in declared or is_secret_name(name):
        return _masked_defaults(text, all_names=True) if not REFERENCE.sub("", text) else MASK
    return masked_code(text, declared)


def masked_code(text: str, declared: Collection[str] = ()) -> str:
    """Return a text of a plan or a setting with its secrets masked.

    Secrets are passwords and tokens in URLs and in requests, values after the name of a secret, private keys,
    and the defaults of secret variables.
    """

    text = _masked_defaults(text, declared)
    text = masked_text(text)
    for pattern in (_DIRECTIVE, _COMMAND, _SCHEME):
        text = pattern.sub(lambda match: f"{match[1]}{unless_symbolic(match[2])}", text)
    text = _PRIVATE_KEY.sub(rf"\1{MASK}\2", text)
    return masked_assignments(text, _NAME, _VALUE, lambda name: name in declared or is_secret_name(name))


def masked_copy(value: Any, declared: Collection[str] = ()) -> Any:
    """Return a copy of a plan, of a part of a plan, or of JSON data, with its secrets masked.

    Only the keys of dictionaries are compared with the names of secrets, because the fields of dataclasses
    have fixed names. In a list of command-line arguments, the argument after an option such as `--password`
    is a secret.
    """
    if isinstance(value, str):
        return masked_code(value, declared)
    if is_dataclass(value) and not isinstance(value, type):
        declared = {*declared, *getattr(value, "sensitive", ())}
        changes = {
            attribute.name: masked_copy(getattr(value, attribute.name), declared)
            for attribute in fields(value)
        }
        return replace(value, **changes)
    if isinstance(value, Mapping):
        return {key: _masked_entry(str(key), item, declared) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(_masked_words(value, declared))
    return value


def _masked_entry(name: str, value: Any, declared: Collection[str]) -> Any:
    if isinstance(value, str):
        return masked_value(name, value, declared)
    if isinstance(value, list | tuple) and is_secret_name(name):
        if name == "keys" and all(isinstance(item, str) and _FIELD.fullmatch(item) for item in value):
            return value  # the fields of an index
        return type(value)(MASK if isinstance(item, str) else item for item in value)
    if isinstance(value, int) and not isinstance(value, bool) and "passw" in name.lower():
        return MASK
    return masked_copy(value, declared)


def _masked_words(words: Iterable[Any], declared: Collection[str]) -> Iterator[Any]:
    flag = ""
    for word in words:
        secret = isinstance(word, str) and flag and not word.startswith("-")
        yield masked_value(flag, word, declared) if secret else masked_copy(word, declared)
        option = isinstance(word, str) and word.startswith("-") and "=" not in word
        name = word.lstrip("-") if option else ""
        flag = name if name in declared or is_secret_name(name) else ""


def _masked_defaults(text: str, declared: Collection[str] = (), *, all_names: bool = False) -> str:
    def default(match: re.Match[str]) -> str:
        secret = all_names or match[2] in declared or is_secret_name(match[2])
        return f"{match[1]}{MASK}" if secret else match[0]

    return _DEFAULT.sub(default, text)
