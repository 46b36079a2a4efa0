"""What must hold for any bytes at all."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from postwicket.smtp.server.events import Content, Event
from postwicket.smtp.server.framing import BareLineEnd, DotReader
from tests.smtp.server.dialogue import OPEN, STRICT, listen, start

TALK = (
    b"EHLO c\r\nAUTH LOGIN\r\nYW5u\r\nc2VjcmV0\r\nMAIL FROM:<a@b.example> SIZE=10\r\n"
    b"RCPT TO:<c@d.example>\r\nDATA\r\nSubject: tea\r\n\r\n..four?\r\n.\r\n"
    b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nBDAT 4\r\na\r\nbBDAT 2 LAST\r\n\r\n"
    b"NONSENSE\r\nRSET\r\nQUIT\r\n"
)
VERBS = st.sampled_from(
    [
        b"EHLO c\r\n", b"HELO c\r\n", b"MAIL FROM:<a@b.example>\r\n", b"RCPT TO:<c@d.example>\r\n",
        b"DATA\r\n", b"BDAT 3\r\n", b"BDAT 2 LAST\r\n", b"abc", b"\r\n", b".\r\n", b"\r\n.\r\n",
        b"\r", b"\n", b"RSET\r\n", b"AUTH LOGIN\r\n", b"AUTH PLAIN AGEAYg==\r\n", b"*\r\n",
        b"YW5u\r\n", b"STARTTLS\r\n", b"QUIT\r\n", b"VRFY\r\n", b"x" * 3000, b"\xff\xfe", b"\0",
    ]
)  # fmt: skip


def hear(*pieces: bytes) -> tuple[list[Event], bytes, bytes]:
    """Feed the pieces to a server that agrees: questions, content, and what was said."""
    server = start()
    events: list[Event] = []
    for piece in pieces:
        server.receive_data(piece)
        events += listen(server)
    content = b"".join(event.data for event in events if isinstance(event, Content))
    questions: list[Event] = [event for event in events if not isinstance(event, Content)]
    return questions, content, server.data_to_send()


def cut(data: bytes, at: set[int]) -> list[bytes]:
    edges = [0, *sorted(at), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@given(st.sets(st.integers(0, len(TALK))))
def test_the_network_may_cut_anywhere(cuts: set[int]) -> None:
    assert hear(*cut(TALK, cuts)) == hear(TALK)


@given(st.binary(max_size=4096))
def test_no_bytes_can_break_the_server(data: bytes) -> None:
    hear(data)


@given(st.lists(VERBS, max_size=30), st.booleans())
def test_no_order_of_commands_can_break_or_stick_the_server(
    lines: list[bytes], strict: bool
) -> None:
    server = start(STRICT if strict else OPEN)
    for line in lines:
        server.receive_data(line)
        listen(server)
    # Whatever it was doing, the server either hung up or obeys again once the client is clear.
    server.receive_data(b"\r\n.\r\n" + b"\r\n" * 10 + b"*\r\nRSET\r\n")
    listen(server)
    assert server.finished or server.data_to_send().endswith(b"\r\n")


@given(st.binary(max_size=300), st.sets(st.integers(0, 300)))
def test_dots_are_read_the_same_however_they_are_cut(data: bytes, cuts: set[int]) -> None:
    data = data.replace(b"\n", b"\r\n").replace(b"a", b"\r\n.").replace(b"b", b"\r\n.\r\n")

    def read(pieces: list[bytes]) -> tuple[bytes, bytes] | None:
        reader, content = DotReader(), b""
        for number, piece in enumerate(pieces):
            try:
                more, rest = reader.read(piece)
            except BareLineEnd:
                return None
            content += more
            if rest is not None:
                return content, rest + b"".join(pieces[number + 1 :])
        return content, b""

    whole, parts = read([data]), read(cut(data, {at for at in cuts if at <= len(data)}))
    assert parts == whole


@given(st.lists(st.binary(max_size=20).map(lambda b: b.translate(None, b"\r\n\0")), max_size=20))
def test_what_a_client_stuffs_the_reader_unstuffs(lines: list[bytes]) -> None:
    content = b"".join(line + b"\r\n" for line in lines)
    wire = b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n" for line in lines)
    assert DotReader().read(wire + b".\r\nNEXT") == (content, b"NEXT")
