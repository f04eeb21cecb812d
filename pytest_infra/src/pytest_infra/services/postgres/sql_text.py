"""Split SQL into statements, and determine whether only psql can execute a text.

Sources: PostgreSQL documentation, "Lexical Structure" and "psql"; `src/fe_utils/psqlscan.l`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from infra_runtime.value import frozen

_TOKEN = re.compile(
    r"""
    (?P<blank> \s+ | --[^\r\n]* )
  | (?P<comment> /\* )
  | (?P<quoted> [eE]'(?:[^'\\]|\\.|'')*(?:'|\Z) | '(?:[^']|'')*(?:'|\Z) | "(?:[^"]|"")*(?:"|\Z) )
  | (?P<dollar> \$(?:[^\W\d]\w*)?\$ )
  | (?P<word> [^\W\d][\w$]* )
  | (?P<number> \d[\w.]* | \$\d+ )
  | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT = re.compile(r"/\*|\*/")
#: the objects of `create` whose body can contain statements
_ROUTINES = frozenset({"function", "procedure"})
#: the comment at the beginning of a file that pg_dump or pg_dumpall has written
_DUMP = re.compile(r"^-- PostgreSQL database (?:cluster )?dump\s*$", re.MULTILINE)
#: the number of characters in which the comment is searched
_HEAD = 1000


@frozen
class Statement:
    """A statement without the semicolon, and its position in the file."""

    text: str
    #: the number of characters before the statement
    offset: int
    #: the line, beginning with 1, in which the statement begins
    line: int


@frozen
class _Token:
    kind: str
    text: str
    offset: int


def statements(text: str) -> Iterator[Statement]:
    """Yield the statements of a file, without empty statements and without comments before a statement."""
    begin, words, parentheses, blocks, line, counted = -1, list[str](), 0, 0, 1, 0
    end = 0
    for token in _tokens(text):
        if token.kind == "word":
            words.append(token.text.lower())
        if token.kind == "word" and _is_routine(words):
            # As in psql: the body of a function in standard SQL is between BEGIN ATOMIC and END.
            blocks += words[-1] == "begin" or (words[-1] == "case" and blocks > 0)
            blocks -= words[-1] == "end" and blocks > 0
        parentheses += (token.text == "(") - (token.text == ")" and parentheses > 0)
        if token.text == ";" and not parentheses and not blocks:
            if begin >= 0:
                yield Statement(text=text[begin:end], offset=begin, line=line)
            begin, words, blocks = -1, [], 0
            continue
        if begin < 0:
            begin = token.offset
            line, counted = line + text.count("\n", counted, begin), begin
        end = token.offset + len(token.text)
    if begin >= 0:
        yield Statement(text=text[begin:end], offset=begin, line=line)


def is_for_psql(text: str) -> bool:
    r"""Return whether a file is from pg_dump, or contains commands of psql, or a `COPY` from or to psql.

    Outside of quotes and comments, a backslash begins a command of psql. psql also runs a file that sets
    `client_encoding`, if the file contains a backslash or the word `copy`.
    """
    if _DUMP.search(text, 0, _HEAD):
        return True
    if "\\" not in text and not re.search(r"\bcopy\b", text, re.IGNORECASE):
        return False
    words: list[str] = []
    for token in _tokens(text):
        if token.text == "\\":
            return True
        if token.text == ";":
            words = []
        elif token.kind == "word":
            words.append(token.text.lower())
            if words[0] == "copy" and words[-2:] in (["from", "stdin"], ["to", "stdout"]):
                return True
            if words[:2] == ["set", "client_encoding"]:  # the text is not in UTF-8
                return True
    return False


def _is_routine(words: list[str]) -> bool:
    if words[0] != "create":
        return False
    return bool(_ROUTINES & {*words[1:2], *(words[3:4] if words[1:3] == ["or", "replace"] else [])})


def _tokens(text: str) -> Iterator[_Token]:
    """Yield the tokens of a text, without blanks and comments. A text in dollar quotes is one token."""
    position = 0
    while (match := _TOKEN.match(text, position)) is not None:
        kind, begin, position = str(match.lastgroup), position, match.end()
        if kind == "comment":
            position = _end_of_comment(text, position)
        elif kind == "dollar":
            end = text.find(match[0], position)
            position = len(text) if end < 0 else end + len(match[0])
        if kind not in {"blank", "comment"}:
            yield _Token(kind=kind, text=text[begin:position], offset=begin)


def _end_of_comment(text: str, position: int) -> int:
    """Return the end of a comment, in which other comments can be nested."""
    depth = 1
    while depth and (match := _COMMENT.search(text, position)):
        depth += 1 if match[0] == "/*" else -1
        position = match.end()
    return len(text) if depth else position
