"""Mask secrets in output: recognise the names of secrets, and replace secret values in texts.

When references are replaced, these values count as secrets: `${secret.…}`, the value of a variable, an export
or a header with the name of a secret, a value whose name the service declares as `sensitive`, and passwords
in URLs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

#: the text that replaces a secret
MASK = "***"
#: the length of the shortest secret that is masked in other texts, which may contain a shorter one by chance
SHORTEST = 6

# The regular expressions of this module are compiled at their first use, and the names are compared without
# one: a supervisor would need 3 ms at its start to compile all of them.

#: parts of the names of secrets
_PARTS = ("passw", "passphrase", "pgpass", "secret", "token", "credential", "masterauth", "requirepass")
#: words in the names of secrets; a word contains ASCII letters only
_WORDS = frozenset(
    ["pass", "key", "keys", "authorization", "cookie", "dsnauth", "salt", "pin", "otp", "jwt", "bearer"]
)
#: parts of the names of keys
_KEYS = tuple(
    f"{name}{gap}key"
    for name in ("api", "access", "private", "signing", "encryption", "license", "account")
    for gap in ("", "_", "-", "_-")
)
_CAMEL = r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])"
#: the ends of the names of paths, such as API_KEY_FILE, and of settings that are not secrets themselves
_HARMLESS = frozenset(
    (
        *("file", "files", "path", "folder", "dir", "directory", "length", "size", "count", "type"),
        *("algorithm", "encryption", "method", "ttl", "name", "url", "uri", "endpoint", "domain", "issuer"),
        *("prefix", "iterations", "expire", "expires", "expiry", "minutes", "seconds", "days", "max", "min"),
    )
)
#: words in the names of numbers and programs, such as `max_tokens`, `sort_keys` and `tokenizer`
_HARMLESS_WORDS = frozenset(("max", "min", "sort", "tokenizer", "tokenizers"))
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz")
REFERENCE = re.compile(r"\$\{[^}]*\}")
#: a text between spaces and quotes, which can contain URLs
_RUN = r"[^\s\"']+"
#: the user in a URL; the password is between it and the last `@` of the run. A number before a slash is a
#: port.
_USER = r"(?<=://)[^/?#@\s:\"']*:(?!\d+(?:[/?#]|$))"
#: a token in the place of a user in a URL; `postgresql://me@host` has a user without a password
_USER_TOKEN = r"(?<=(?:nats|http)://)([^/?#@\s:\"']{8,})@|(?<=https://)([^/?#@\s:\"']{8,})@"  # noqa: S105 - a pattern

#: the name of a parameter of a URL, of libpq or of a command line, and its value
_NAME = r"(?<![\w.-])(?P<name>[\w.-]+)="
_VALUE = r"""(?P<value>"[^"]*"|'[^']*'|[^\s;&,"']+)"""


def is_secret_name(name: str) -> bool:
    """Return whether a variable, an export, a header or a setting with this name holds a secret."""
    is_mixed = not name.islower() and not name.isupper()
    text = (re.sub(_CAMEL, "_", name) if is_mixed else name).casefold()
    words = "".join(letter if letter in _LETTERS else " " for letter in text)
    if words.endswith(tuple(_LETTERS)) and words.rsplit(None, 1)[-1] in _HARMLESS:
        return False
    if not _HARMLESS_WORDS.isdisjoint(words.split()):
        return False
    return (
        any(part in text for part in _PARTS)
        or ("key" in text and any(key in text for key in _KEYS))
        or not _WORDS.isdisjoint(words.split())
        or " pwd" in f" {words}"
        or " dsn auth " in f" {words} "
    )


def masked_text(text: str) -> str:
    """Return a text in which the passwords in URLs are replaced by the mask `***`."""
    if "://" not in text or "@" not in text:
        return text
    parts, end = [], 0
    for first, last in _passwords(text):
        parts += [text[end:first], unless_symbolic(text[first:last])]
        end = last
    text = "".join((*parts, text[end:]))
    return re.sub(_USER_TOKEN, lambda match: f"{unless_symbolic(match[1] or match[2])}@", text)


def _passwords(text: str) -> Iterator[tuple[int, int]]:
    """Yield the offsets of the begin and the end of each password in a URL."""
    user = re.compile(_USER)
    for run in re.finditer(_RUN, text):
        end = text.rfind("@", *run.span())
        if end >= 0 and (match := user.search(text, *run.span())) and match.end() <= end:
            yield match.end(), end


def masked_assignments(
    text: str, name: str = _NAME, value: str = _VALUE, is_secret: Callable[[str], bool] = is_secret_name
) -> str:
    """Return a text in which values that are assigned to a secret's name are masked: `host=db password=…`.

    The expression `name` has the group `name` and ends before the value; a value may contain further
    assignments. The expression `value` has the group `value`.
    """
    if "=" not in text and name == _NAME:
        return text
    parts, start, names, values = [], 0, re.compile(name), re.compile(value)
    while match := names.search(text, start):
        end = match.end()
        if is_secret(match["name"]) and (secret := values.match(text, end)):
            written = secret["value"]
            quote = written[0] if written[0] in "\"'" else ""
            parts += [text[start:end], quote, unless_symbolic(written.strip(quote)), quote]
            end = secret.end()
        else:
            parts.append(text[start:end])
        start = end
    return "".join((*parts, text[start:]))


def unless_symbolic(value: str) -> str:
    """Return the mask `***` for a secret value, or the value itself if it consists of references only."""
    return MASK if REFERENCE.sub("", value) or not value else value


# --- secrets by their values -----------------------------------------------------------------------


def passwords_in(text: str) -> Iterator[str]:
    """Yield the passwords in the URLs of a text: each as it is written in the URL, and decoded."""
    if "://" not in text or "@" not in text:
        return
    for first, last in _passwords(text):
        yield text[first:last]
        if "%" in text[first:last]:
            from urllib.parse import unquote  # the supervisor rarely needs it, and it takes milliseconds

            yield unquote(text[first:last])
    for match in re.finditer(_USER_TOKEN, text):
        yield match[1] or match[2]


def redacted(text: str, secrets: Iterable[str]) -> str:
    """Return a text in which each of these secrets is replaced by `***`; the longest is replaced first."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= SHORTEST:
            text = text.replace(secret, MASK)
    return text
