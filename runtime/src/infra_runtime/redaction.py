"""Mask secrets in output: recognise the names of secrets, and replace secret values in texts.

After the replacement of references, these values are secrets: the value of `${secret.…}`; the value of a
variable, an export or a header if `is_secret_name` is true for its name, or if the service lists its name in
`sensitive`; and passwords and tokens in URLs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

#: the text that replaces a secret
MASK = "***"
#: the length of the shortest secret that is masked in other texts; a text can contain a shorter secret by
#: chance
SHORTEST = 6

# The regular expressions of this module are compiled at their first use, and names are compared without
# regular expressions: a supervisor would need 3 ms at its start to compile all expressions.

#: a name that contains one of these texts is the name of a secret
_PARTS = ("passw", "passphrase", "pgpass", "secret", "token", "credential", "masterauth", "requirepass")
#: a name that contains one of these words is the name of a secret; a word consists of ASCII letters
_WORDS = frozenset(
    ["pass", "key", "keys", "authorization", "cookie", "dsnauth", "salt", "pin", "otp", "jwt", "bearer"]
)
#: a name that contains one of these texts is the name of a secret key
_KEYS = tuple(
    f"{name}{gap}key"
    for name in ("api", "access", "private", "signing", "encryption", "license", "account")
    for gap in ("", "_", "-", "_-")
)
_CAMEL = r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])"
#: a name that ends with one of these words, such as API_KEY_FILE, is not the name of a secret
_HARMLESS = frozenset(
    (
        *("file", "files", "path", "folder", "dir", "directory", "length", "size", "count", "type"),
        *("algorithm", "encryption", "method", "ttl", "name", "url", "uri", "endpoint", "domain", "issuer"),
        *("prefix", "iterations", "expire", "expires", "expiry", "minutes", "seconds", "days", "max", "min"),
    )
)
#: a name that contains one of these words, such as `max_tokens`, is not the name of a secret
_HARMLESS_WORDS = frozenset(("max", "min", "sort", "tokenizer", "tokenizers"))
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz")
REFERENCE = re.compile(r"\$\{[^}]*\}")
#: a text without spaces and quotes, which can contain URLs
_RUN = r"[^\s\"']+"
#: the user in a URL, with the colon after it. The password follows up to the last `@` of the run. A number
#: before a slash is a port, not a password.
_USER = r"(?<=://)[^/?#@\s:\"']*:(?!\d+(?:[/?#]|$))"
#: a token before the `@` of a URL that has no colon before the `@`. The scheme must be one of these, because
#: `postgresql://me@host` contains a user without a password, not a token
_USER_TOKEN = r"(?<=(?:nats|http)://)([^/?#@\s:\"']{8,})@|(?<=https://)([^/?#@\s:\"']{8,})@"  # noqa: S105 - a pattern

#: the name of a parameter of a URL, of libpq or of a command line, and its value
_NAME = r"(?<![\w.-])(?P<name>[\w.-]+)="
_VALUE = r"""(?P<value>"[^"]*"|'[^']*'|[^\s;&,"']+)"""


def is_secret_name(name: str) -> bool:
    """Return whether the name of a variable, an export, a header or a setting is the name of a secret."""
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
    """Return a text in which the passwords and tokens in URLs are replaced by the mask `***`."""
    if "://" not in text or "@" not in text:
        return text
    parts, end = [], 0
    for start, stop in _passwords(text):
        parts += [text[end:start], unless_symbolic(text[start:stop])]
        end = stop
    text = "".join((*parts, text[end:]))
    return re.sub(_USER_TOKEN, lambda match: f"{unless_symbolic(match[1] or match[2])}@", text)


def _passwords(text: str) -> Iterator[tuple[int, int]]:
    """Yield the offsets of the beginning and the end of each password in the URLs of a text."""
    user = re.compile(_USER)
    for run in re.finditer(_RUN, text):
        end = text.rfind("@", *run.span())
        if end >= 0 and (match := user.search(text, *run.span())) and match.end() <= end:
            yield match.end(), end


def masked_assignments(
    text: str, name: str = _NAME, value: str = _VALUE, is_secret: Callable[[str], bool] = is_secret_name
) -> str:
    """Return a text in which assignments to names of secrets are masked: `host=db password=***`.

    `name` is a regular expression with the group `name` that matches up to the value; `value` is a regular
    expression with the group `value`. A value that is not masked can contain further assignments.
    """
    if "=" not in text and name == _NAME:
        return text
    parts, start, names, values = [], 0, re.compile(name), re.compile(value)
    while match := names.search(text, start):
        end = match.end()
        if is_secret(match["name"]) and (secret := values.match(text, end)):
            assigned_value = secret["value"]
            quote = assigned_value[0] if assigned_value[0] in "\"'" else ""
            parts += [text[start:end], quote, unless_symbolic(assigned_value.strip(quote)), quote]
            end = secret.end()
        else:
            parts.append(text[start:end])
        start = end
    return "".join((*parts, text[start:]))


def unless_symbolic(value: str) -> str:
    """Return the mask `***` for a secret value, even if empty; the value itself if it has only references."""
    return MASK if REFERENCE.sub("", value) or not value else value


# --- secrets by their values -----------------------------------------------------------------------


def passwords_in(text: str) -> Iterator[str]:
    """Yield each password and token in the URLs of a text; a percent-encoded password also decoded."""
    if "://" not in text or "@" not in text:
        return
    for start, stop in _passwords(text):
        yield text[start:stop]
        if "%" in text[start:stop]:
            from urllib.parse import unquote  # imported here: the import takes milliseconds

            yield unquote(text[start:stop])
    for match in re.finditer(_USER_TOKEN, text):
        yield match[1] or match[2]


def redacted(text: str, secrets: Iterable[str]) -> str:
    """Return a text in which each secret of at least `SHORTEST` characters is replaced by `***`."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= SHORTEST:
            text = text.replace(secret, MASK)
    return text
