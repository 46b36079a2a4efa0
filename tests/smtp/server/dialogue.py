r"""Play a written SMTP conversation against the server machine.

- `C:` is what the client sends; CR LF is added.  `\n` and the like are read as escapes.
- `A:` is what the application answers to the question that the line above raised;
  without one it agrees.
- `S:` is what the server must say, line by line; `*` matches any characters.
- `T:` means that TLS is active from here on.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from postwicket.core.reply import Reply
from postwicket.smtp.server import replies
from postwicket.smtp.server.events import (
    Authenticate,
    Data,
    Event,
    Hello,
    Mail,
    Quit,
    Rcpt,
    Reset,
    StartTls,
)
from postwicket.smtp.server.machine import ServerProtocol
from postwicket.smtp.server.terms import Terms

AGREE = {
    Hello: Reply(250, None, "mail.example.org at your service"),
    StartTls: replies.READY_FOR_TLS,
    Authenticate: replies.SIGNED_IN,
    Mail: replies.SENDER_OK,
    Rcpt: replies.RECIPIENT_OK,
    Data: replies.GO_AHEAD,
    Quit: replies.GOODBYE,
    Reset: replies.FLUSHED,
}
OPEN = Terms(hostname="mail.example.org", size=10_000, tls_first=False, sign_in_first=False)
STRICT = Terms(hostname="mail.example.org", size=10_000)
OFFERING = Terms(
    hostname="mail.example.org",
    size=10_000,
    hold_at_most=2_592_000,
    hold_until="2030-01-31T00:00:00Z",
    deadlines=True,
    requiretls=True,
)


def start(terms: Terms = OPEN, *, secure: bool = False) -> ServerProtocol:
    """Return a machine that has greeted."""
    server = ServerProtocol(terms, secure=secure)
    server.greet(Reply(220, None, "mail.example.org ESMTP"))
    return server


def listen(server: ServerProtocol, planned: Reply | None = None) -> list[Event]:
    """Answer every question; return all events."""
    events: list[Event] = []
    while (event := server.next_event()) is not None:
        events.append(event)
        if type(event).__name__ not in {"Content", "ContentRefused"}:
            server.send(planned or AGREE.get(type(event), replies.OK))
            planned = None
    return events


def play(script: str, terms: Terms = OPEN, *, secure: bool = False) -> list[Event]:
    """Run the conversation; return the events the application was shown."""
    server = start(terms, secure=secure)
    events: list[Event] = []
    spoken: list[str] = []
    lines = [line.lstrip() for line in script.splitlines() if line.strip()]
    for number, line in enumerate(lines):
        who, words = line[0], line[3:]
        if who == "C":
            server.receive_data(words.encode().decode("unicode_escape").encode("latin-1"))
            server.receive_data(b"\r\n")
            following = lines[number + 1] if number + 1 < len(lines) else ""
            planned = parse_reply(following[3:]) if following.startswith("A: ") else None
            events += listen(server, planned)
        elif who == "T":
            server.tls_started()
        elif who == "S":
            spoken += server.data_to_send().decode().splitlines()
            heard = spoken.pop(0) if spoken else "(silence)"
            assert fnmatchcase(heard, words), f"line {number + 1}: {heard!r}, not {words!r}"
        else:
            assert who == "A", f"line {number + 1} is not of a dialogue: {line!r}"
    spoken += server.data_to_send().decode().splitlines()
    assert not spoken, f"the server also said {spoken}"
    return events


def parse_reply(text: str) -> Reply:
    """Read `550 5.1.1 No such person` back into a Reply."""
    code, status, words = text.split(" ", 2)
    _, subject, detail = map(int, status.split("."))
    return Reply(int(code), (subject, detail), words)
