"""Address lists, as they stand in To, Cc and Bcc and on command lines (RFC 5322, section 3.4).

>>> read('"Lee, Ann" <ann@example.org>, root (Cron Daemon), friends: bob@example.com;')
[('Lee, Ann', 'ann@example.org'), ('Cron Daemon', 'root'), ('', 'bob@example.com')]

A list that two readers could take apart differently (a quote, comment or bracket that does not
end, words beside an address) is a ValueError: mail must not go to a guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_TOKEN: Final = re.compile(
    r"""(?P<space>\s+)
      | (?P<quoted>"(?:[^"\\]|\\.)*")
      | (?P<literal>\[[^\[\]<>"]*\])
      | (?P<mark>[,;:<>()])
      | (?P<word>[^\s"\[\],;:<>()\\]+)""",
    re.VERBOSE | re.DOTALL,
)


def read(text: str) -> list[tuple[str, str]]:
    """Return (words, address) for each mailbox; group names are dropped."""
    found = []
    for tokens in _mailboxes(_tokens(text)):
        mailbox = _mailbox(tokens)
        if mailbox is not None:
            found.append(mailbox)
    return found


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    """Yield (kind, text); a comment is one token, whatever is in it."""
    at = 0
    while at < len(text):
        if text[at] == "(":
            end = _end_of_comment(text, at)
            yield "comment", text[at + 1 : end]
            at = end + 1
            continue
        found = _TOKEN.match(text, at)
        if found is None or found[0] == ")":
            raise ValueError(f"{text[at : at + 40]!r} is no part of an address list; correct it")
        kind = found.lastgroup or ""
        yield kind if kind != "mark" else found[0], found[0]
        at = found.end()


def _end_of_comment(text: str, start: int) -> int:
    depth, at = 0, start
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == "(":
            depth += 1
        elif text[at] == ")":
            depth -= 1
            if depth == 0:
                return at
        at += 1
    raise ValueError(f"{text[start : start + 40]!r} does not end; close the bracket")


def _mailboxes(tokens: Iterator[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    current: list[tuple[str, str]] = []
    inside = False
    for kind, text in tokens:
        if kind in {"<", ">"}:
            if inside == (kind == "<"):
                raise ValueError("angle brackets do not match; write Name <address>")
            inside = not inside
        if kind in {",", ";"} and not inside:
            yield current
            current = []
        elif kind == ":" and not inside:
            current = []  # what stood before it was a group's name
        else:
            current.append((kind, text))
    if inside:
        raise ValueError("an angle bracket does not end; write Name <address>")
    yield current


def _mailbox(tokens: list[tuple[str, str]]) -> tuple[str, str] | None:
    comments = " ".join(text.strip() for kind, text in tokens if kind == "comment")
    rest = [(kind, text) for kind, text in tokens if kind != "comment"]
    kinds = [kind for kind, _ in rest]
    if "<" in kinds:
        start, end = kinds.index("<"), kinds.index(">")
        if any(kind != "space" for kind in kinds[end + 1 :]):
            raise ValueError("something stands behind the address; put a comma between addresses")
        words = "".join(_plain(kind, text) for kind, text in rest[:start]).strip()
        address = "".join(text for _, text in rest[start + 1 : end]).strip()
    else:
        words, address = comments, "".join(text for _, text in rest).strip()
    outside_quotes = re.sub(r'"(?:[^"\\]|\\.)*"', "", address)
    if re.search(r"[\s,;:<>]", re.sub(r"\[[^\]]*\]", "", outside_quotes)):
        raise ValueError(f"{address[:60]!r} is not an address; put a comma between addresses")
    return (" ".join(words.split()), address) if address else None


def _plain(kind: str, text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if kind == "quoted" else text
