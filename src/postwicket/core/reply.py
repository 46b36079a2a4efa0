"""SMTP replies: a code, an enhanced status, a sentence and the name of the rule behind it.

A reply is the only way this server says no, so it carries four readings of one fact: the code
for old clients (RFC 5321), the enhanced status for machines (RFC 3463), the sentence for the
person who reads the bounce, and the rule name, which is also the handbook's anchor.

The first digit is written once.  `550` with status `(1, 1)` is `5.1.1`; a reply whose two codes
disagree about being permanent cannot be constructed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

LONGEST_REPLY_LINE: Final = 512  # octets with CR LF; RFC 5321, section 4.5.3.1.5
_ROOM: Final = LONGEST_REPLY_LINE - len("550-5.7.999 \r\n") - 8


@dataclass(frozen=True, slots=True)
class Reply:
    """One SMTP reply, of one or more lines.

    >>> str(Reply(530, (7, 0), "Log in first", "auth.required"))
    '530 5.7.0 Log in first [auth.required]'
    """

    code: int
    status: tuple[int, int] | None
    text: str
    rule: str = ""
    wire: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 200 <= self.code <= 599:
            raise ValueError(f"{self.code} is not an SMTP reply code")
        if not self.text.replace("\n", "").isprintable():
            raise ValueError(f"reply text would break the line: {self.text!r}")
        object.__setattr__(self, "wire", self._encode())

    @property
    def positive(self) -> bool:
        """True for 2yz and 3yz: the client may go on."""
        return self.code < 400

    @property
    def temporary(self) -> bool:
        """True for 4yz: the same mail may be welcome later."""
        return 400 <= self.code < 500

    @property
    def enhanced(self) -> str:
        """The enhanced status code, or an empty string.

        >>> Reply(451, (7, 1), "later").enhanced
        '4.7.1'
        """
        if self.status is None:
            return ""
        return f"{self.code // 100}.{self.status[0]}.{self.status[1]}"

    def __str__(self) -> str:
        label = f"{self.enhanced} " if self.status else ""
        rule = f" [{self.rule}]" if self.rule else ""
        return f"{self.code} {label}{self.text}{rule}"

    def _encode(self) -> bytes:
        label = f"{self.enhanced} " if self.status else ""
        rule = f" [{self.rule}]" if self.rule else ""
        text = self.text + rule
        if len(text) < _ROOM and "\n" not in text and text.isascii():
            return f"{self.code} {label}{text}\r\n".encode("ascii")
        plain = text.encode("ascii", "backslashreplace").decode()
        *others, last = [piece for line in plain.split("\n") for piece in _fold(line)]
        lines = [f"{self.code}-{label}{line}\r\n" for line in others]
        lines.append(f"{self.code} {label}{last}\r\n")
        return "".join(lines).encode("ascii")


def _fold(line: str) -> list[str]:
    """Cut a line that would exceed the limit, at spaces where there are some."""
    if len(line) <= _ROOM:
        return [line]
    return re.findall(rf".{{1,{_ROOM}}}(?:\s|$)|.{{1,{_ROOM}}}", line) or [""]


_ENHANCED: Final = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})(?:\s+|$)")


def parse_reply(lines: list[str]) -> Reply:
    r"""Read the lines of a peer's reply back into a `Reply`; control characters become `?`.

    The caller has checked that every line begins with the same three digits.  Raises ValueError
    where the code is no reply code (RFC 5321, section 4.2).

    >>> parse_reply(["550-5.1.1 No such", "550 5.1.1 person"])
    Reply(code=550, status=(1, 1), text='No such\nperson', rule='')
    """
    code = int(lines[0][:3])
    texts = [line[4:] for line in lines]
    status = None
    first = _ENHANCED.match(texts[0])
    if first and first[1] == str(code // 100):
        status = (int(first[2]), int(first[3]))
        prefix = first[0].rstrip()
        texts = [text.removeprefix(prefix).strip() for text in texts]
    clean = ["".join(char if char.isprintable() else "?" for char in text) for text in texts]
    return Reply(code, status, "\n".join(clean))
