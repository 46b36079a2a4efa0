"""The server's half of the protocol, as conversations."""

from __future__ import annotations

import base64

import pytest

from postwicket.core.address import Address
from postwicket.core.envelope import Body, Notify
from postwicket.core.reply import Reply
from postwicket.smtp.server import replies
from postwicket.smtp.server.events import (
    Authenticate,
    Content,
    ContentRefused,
    EndOfContent,
    Mail,
    Question,
    Quit,
    Rcpt,
    Reset,
    StartTls,
)
from postwicket.smtp.server.machine import LONGEST_LINE, MOST_ERRORS, ServerProtocol
from postwicket.smtp.server.moves import MOVES, State, objection
from postwicket.smtp.server.terms import Terms
from tests.smtp.server.dialogue import OPEN, STRICT, listen, play, start

GREETED = """
    S: 220 *
    C: EHLO laptop.example.net
    S: 250-mail.example.org at your service
    S: 250-SIZE 10000
    S: 250-8BITMIME
    S: 250-STARTTLS
    S: 250-AUTH PLAIN LOGIN
    S: 250-ENHANCEDSTATUSCODES
    S: 250-PIPELINING
    S: 250-CHUNKING
    S: 250-BINARYMIME
    S: 250-SMTPUTF8
    S: 250-DSN
    S: 250 LIMITS RCPTMAX=100
"""
ADDRESSED = (
    GREETED
    + """
    C: MAIL FROM:<ann@example.org>
    S: 250 2.1.0 OK
    C: RCPT TO:<bob@example.com>
    S: 250 2.1.5 OK
"""
)


def content_of(events: list[object]) -> bytes:
    return b"".join(event.data for event in events if isinstance(event, Content))


def test_a_whole_transaction() -> None:
    events = play(
        ADDRESSED
        + """
        C: DATA
        S: 354 *
        C: Subject: tea
        C:
        C: ..at four?
        C: .
        S: 250 2.0.0 OK
        C: QUIT
        S: 221 2.0.0 Goodbye
    """
    )
    assert content_of(list(events)) == b"Subject: tea\r\n\r\n.at four?\r\n"
    assert EndOfContent(27) in events


def test_helo_lists_nothing() -> None:
    play("""
        S: 220 *
        C: HELO printer
        S: 250 mail.example.org at your service
    """)


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("RCPT TO:<bob@example.com>", "503 5.5.1 MAIL first*"),
        ("DATA", "503 5.5.1 MAIL first*"),
        ("DATA now", "501 5.5.4 *"),
        ("EXPN list", "502 5.5.1 *"),
        ("VRFY ann", "252 2.1.5 *"),
        ("NOOP whatever", "250 2.0.0 OK"),
        ("HELP", "214 2.0.0 *"),
        ("RSET", "250 2.1.5 Flushed"),
        ("RSET now", "501 5.5.4 *"),
        ("FROBNICATE", "502 5.5.1 Unrecognized command*"),
        ("", "502 5.5.1 *"),
        ("EHLO", "501 5.5.4 *"),
        ("EHLO two words", "501 5.5.4 *"),
        ("MAIL FROM:ann@example.org", "555 5.5.2 *write MAIL FROM:<you@example.org>*"),
        ("MAIL FROM:Ann <ann@example.org>", "555 5.5.2 *"),
        ("MAIL TO:<ann@example.org>", "555 5.5.2 *"),
        ("MAIL FROM:<ann>", "553 5.1.7 *"),
        ("MAIL FROM:<a@b.example>SIZE=1", "555 5.5.2 *"),
        ("MAIL FROM:<@relay.example:ann@example.org>", "553 5.1.7 *"),
        ("MAIL FROM:<a@b.example> SIZE=10001", "552 5.3.4 *10000*size.message]"),
        ("MAIL FROM:<a@b.example> SIZE=-1", "501 5.5.4 *"),
        ("MAIL FROM:<a@b.example> SIZE=1 SIZE=2", "501 5.5.4 *twice*"),
        ("MAIL FROM:<a@b.example> BODY=9BIT", "501 5.5.4 *"),
        ("MAIL FROM:<a@b.example> RET=ALL", "501 5.5.4 *"),
        ("MAIL FROM:<a@b.example> ENVID=a+0Ab", "501 5.5.4 *control*"),
        ("MAIL FROM:<a@b.example> ENVID=", "501 5.5.4 *"),
        ("MAIL FROM:<a@b.example> HOLDUNTIL=1", "555 5.5.4 *HOLDUNTIL*"),
        ("MAIL FROM:<a@b.example> SMTPUTF8=1", "501 5.5.4 *"),
        ("STARTTLS now", "501 5.7.11 *"),
        ("AUTH", "501 5.5.4 *"),
        ("AUTH CRAM-MD5", "504 5.7.4 *"),
        ("AUTH PLAIN not-base64!", "501 5.5.2 *"),
        ("AUTH PLAIN YWJj", "501 5.5.2 *"),
        ("BDAT 3 LAST\\r\\nabc", "503 5.5.1 MAIL first*"),
        ("EHLO a\\nMAIL FROM:<a@b.example>", "500 5.5.2 *CR LF*"),
        ("N\\x00OP", "500 5.5.2 *"),
        ("N\\xffOP", "500 5.5.2 *"),
    ],
)
def test_a_command_and_its_reply(line: str, reply: str) -> None:
    script = GREETED + f"    C: {line}\n    S: {reply}\n"
    if "\\n" in line and "BDAT" not in line:
        script += "    S: 250 2.1.0 OK\n" if "MAIL" in line else ""
    if "BDAT" in line:
        script += "    S: 502 5.5.1 *\n"
    play(script)


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("RCPT TO:bob@example.com", "555 5.5.2 *write RCPT TO:<somebody@example.net>*"),
        ("RCPT TO:<y>", "553 5.1.3 *"),
        ("RCPT TO:<bob@example.com> NOTIFY=NEVER,DELAY", "501 5.5.4 *"),
        ("RCPT TO:<bob@example.com> NOTIFY=SOMETIMES", "501 5.5.4 *"),
        ("RCPT TO:<bob@example.com> ORCPT=bob", "501 5.5.4 *"),
        ("RCPT TO:<bob@example.com> ORCPT=rfc822;b+0Db", "501 5.5.4 *"),
        ("RCPT TO:<b\\xc3\\xb6b@example.com>", "553 5.6.7 *SMTPUTF8*"),
        ("MAIL FROM:<a@b.example>", "503 5.5.1 Bad sequence*"),
        ("AUTH PLAIN", "503 5.5.1 *"),
        ("STARTTLS", "503 5.5.1 *"),
        ("rcpt to:   <bob@example.com>", "250 2.1.5 OK"),
        ("RCPT TO:<postmaster>", "250 2.1.5 OK"),
    ],
)
def test_within_a_transaction(line: str, reply: str) -> None:
    play(ADDRESSED + f"    C: {line}\n    S: {reply}\n")


def test_a_refused_recipient_leaves_the_session_where_it_was() -> None:
    events = play(
        GREETED
        + """
        C: MAIL FROM:<ann@example.org>
        S: 250 *
        C: RCPT TO:<nobody@example.com>
        A: 550 5.1.1 No such person here
        S: 550 5.1.1 No such person here
        C: DATA
        S: 503 5.5.1 RCPT first*
        C: RCPT TO:<bob@example.com>
        S: 250 *
        C: DATA
        S: 354 *
        C: .
        S: 250 *
    """
    )
    assert Rcpt in {type(event) for event in events}


def test_all_parameters_are_kept() -> None:
    events = play(
        GREETED
        + """
        C: mail from: <Ann@Example.org> size=12 body=8bitmime smtputf8 ret=hdrs ENVID=a+2Bb
        S: 250 *
        C: RCPT TO:<b\\xc3\\xb6b@example.com> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;B+2BO@x.example
        S: 250 *
    """
    )
    sender = next(event.sender for event in events if isinstance(event, Mail))
    recipient = next(event.recipient for event in events if isinstance(event, Rcpt))
    assert (sender.size, sender.body, sender.smtputf8) == (12, Body.EIGHT_BIT, True)
    assert (sender.ret, sender.envid) == ("HDRS", "a+2Bb")
    assert recipient.address == Address.parse("böb@example.com")
    assert recipient.notify == {Notify.SUCCESS, Notify.DELAY}
    assert recipient.orcpt == "rfc822;B+2BO@x.example"


def test_nothing_before_tls_and_nothing_remembered_after() -> None:
    events = play(
        """
        S: 220 *
        C: MAIL FROM:<ann@example.org>
        S: 530 5.7.0 Must issue a STARTTLS command first*tls.required]
        C: EHLO laptop.example.net
        S: 250-mail*
        S: 250-SIZE 10000
        S: 250-8BITMIME
        S: 250-STARTTLS
        S: 250-ENHANCEDSTATUSCODES
        S: 250-PIPELINING
        S: 250-CHUNKING
        S: 250-BINARYMIME
        S: 250-SMTPUTF8
        S: 250-DSN
        S: 250 LIMITS RCPTMAX=100
        C: AUTH PLAIN AGFubgBzZWNyZXQ=
        S: 530 5.7.0 *
        C: STARTTLS
        S: 220 2.0.0 *
        T: now
        C: MAIL FROM:<ann@example.org>
        S: 503 5.5.1 EHLO*
        C: HELO laptop
        S: 250 *
        C: STARTTLS
        S: 503 5.5.1 *
        C: MAIL FROM:<ann@example.org>
        S: 530 5.7.0 Authentication required*auth.required]
        C: AUTH PLAIN AGFubgBzZWNyZXQ=
        S: 235 2.7.0 Accepted
        C: AUTH PLAIN AGFubgBzZWNyZXQ=
        S: 503 5.7.0 No identity changes*
        C: MAIL FROM:<ann@example.org>
        S: 250 *
    """,
        STRICT,
    )
    claim = next(event.claim for event in events if isinstance(event, Authenticate))
    assert (claim.name, claim.password.reveal()) == ("ann", "secret")


def test_input_behind_starttls_is_refused_and_thrown_away() -> None:
    server = start(STRICT)
    server.receive_data(b"EHLO c\r\n")
    listen(server)
    server.data_to_send()
    server.receive_data(b"STARTTLS\r\nEHLO injected\r\n")
    assert StartTls() not in listen(server)
    assert server.data_to_send().startswith(b"523 5.7.10 ")
    server.receive_data(b"NOOP\r\n")
    listen(server)
    assert server.data_to_send() == b"250 2.0.0 OK\r\n"


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "lines",
    [
        ["AUTH PLAIN " + b64("\0ann\0secret")],
        ["AUTH PLAIN", b64("\0ann\0secret")],
        ["auth login", b64("ann"), b64("secret")],
        ["AUTH LOGIN " + b64("ann"), b64("secret")],
    ],
)
def test_every_way_to_sign_in(lines: list[str]) -> None:
    server = start()
    events = []
    for line in ["EHLO c", *lines]:
        server.receive_data(line.encode() + b"\r\n")
        events += listen(server)
    claim = next(event.claim for event in events if isinstance(event, Authenticate))
    assert (claim.name, claim.password.reveal()) == ("ann", "secret")
    assert server.data_to_send().endswith(b"235 2.7.0 Accepted\r\n")


def test_login_asks_as_gmail_does() -> None:
    play(
        GREETED
        + """
        C: AUTH LOGIN
        S: 334 VXNlcm5hbWU6
        C: YW5u
        S: 334 UGFzc3dvcmQ6
        C: *
        S: 501 5.7.0 Authentication cancelled*
        C: AUTH LOGIN
        S: 334 VXNlcm5hbWU6
        C: ?
        S: 501 5.5.2 *
        C: AUTH PLAIN
        S: 334 *
        C: c2VjcmV0
        S: 501 5.5.2 *
        C: NOOP
        S: 250 *
    """
    )


def test_a_sign_in_that_is_refused_may_be_tried_again() -> None:
    play(
        GREETED
        + """
        C: AUTH PLAIN AGFubgBzZWNyZXQ=
        A: 535 5.7.8 Wrong
        S: 535 5.7.8 Wrong
        C: AUTH PLAIN AGFubgBzZWNyZXQ=
        S: 235 2.7.0 Accepted
    """
    )


def test_a_response_that_is_too_long() -> None:
    server = start()
    server.receive_data(b"EHLO c\r\nAUTH PLAIN\r\n" + b"A" * 20_000 + b"\r\nNOOP\r\n")
    listen(server)
    assert server.data_to_send().endswith(replies.TOO_LONG.wire + replies.OK.wire)


@pytest.mark.parametrize(
    "end",
    [
        b"\n.\n", b"\n.\r\n", b"\n.\r", b"\r.\r", b"\r.\n", b"\r.\r\n", b"\r\n.\n", b"\r\n.\r",
        b"\r\n.\r\r\n", b"\r\r\n.\r\r\n", b"\r\r\n.\r\n", b"\r\n\x00.\r\n", b"\x00",
    ],
)  # fmt: skip
def test_only_one_spelling_ends_a_message(end: bytes) -> None:
    server = start()
    server.receive_data(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<b@c.example>\r\nDATA\r\n")
    listen(server)
    server.data_to_send()
    server.receive_data(b"Subject: a\r\n\r\nhello" + end + b"MAIL FROM:<evil@c.example>\r\n.\r\n")
    events = listen(server)
    assert not any(isinstance(event, Mail | EndOfContent) for event in events)
    assert ContentRefused(replies.BARE_IN_CONTENT) in events
    assert server.data_to_send().startswith(b"550 5.6.0 ")
    assert server.finished


def test_chunks() -> None:
    events = play(
        ADDRESSED
        + """
        C: BDAT 6\\r\\nabcd
        S: 250 2.0.0 6 octets received
        C: DATA
        S: 503 5.5.1 No DATA after BDAT*
        C: BDAT 2 LAST
        C:
        S: 250 2.0.0 OK
    """
    )
    assert content_of(list(events)) == b"abcd\r\n\r\n"


def test_a_refused_chunk_never_becomes_commands() -> None:
    server = start()
    server.receive_data(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<b@c.example>\r\n")
    listen(server)
    server.data_to_send()
    server.receive_data(b"BDAT 6 LAST\r\nQUIT")
    listen(server, Reply(550, (4, 5), "no"))
    assert server.data_to_send() == b""
    server.receive_data(b"\r\nNOOP\r\n")
    assert Quit() not in listen(server)
    assert server.data_to_send() == b"550 5.4.5 no\r\n250 2.0.0 OK\r\n"


def test_the_rest_of_a_message_whose_first_chunk_was_refused_is_refused_too() -> None:
    # RFC 3030, section 2: otherwise its second half would be taken for a whole message.
    server = start()
    server.receive_data(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<b@c.example>\r\n")
    listen(server)
    server.data_to_send()
    server.receive_data(b"BDAT 7\r\nfirst\r\nBDAT 8 LAST\r\nsecond\r\n")
    events = listen(server, Reply(452, (3, 1), "no room"))
    assert not any(isinstance(event, Content | EndOfContent) for event in events)
    first, second = server.data_to_send().splitlines()
    assert (first, second[:4]) == (b"452 4.3.1 no room", b"503 ")


@pytest.mark.parametrize("argument", [b"", b"-1", b"x", b"9" * 20 + b" LAST", b"1 FIRST"])
def test_a_chunk_of_unknown_size_closes(argument: bytes) -> None:
    server = start()
    server.receive_data(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<b@c.example>\r\n")
    listen(server)
    server.receive_data(b"BDAT " + argument + b"\r\nQUIT\r\n")
    assert Quit() not in listen(server)
    assert server.finished


def test_binary_content_travels_in_chunks_only() -> None:
    server = start()
    server.receive_data(b"EHLO c\r\nMAIL FROM:<> BODY=BINARYMIME\r\nRCPT TO:<b@c.example>\r\n")
    listen(server)
    server.data_to_send()
    server.receive_data(b"DATA\r\nBDAT 5 LAST\r\n\n\r\0a\n")
    events = listen(server)
    assert content_of(list(events)) == b"\n\r\0a\n"
    assert server.data_to_send().endswith(b"250 2.0.0 OK\r\n")


def test_a_bare_line_feed_in_a_chunk_closes() -> None:
    server = start()
    server.receive_data(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<b@c.example>\r\nBDAT 3 LAST\r\na\nb")
    assert ContentRefused(replies.BARE_IN_CONTENT) in listen(server)
    assert server.finished


def test_a_cr_and_its_lf_may_be_in_two_chunks() -> None:
    server = start()
    server.receive_data(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<b@c.example>\r\n")
    server.receive_data(b"BDAT 2\r\na\rBDAT 1 LAST\r\n\n")
    assert content_of(list(listen(server))) == b"a\r\n"


@pytest.mark.parametrize("verb", ["DATA", "BDAT"])
def test_a_message_above_the_limit_is_read_to_its_end(verb: str) -> None:
    server = start()
    body = b"x" * 78 + b"\r\n"
    content = body * 200
    server.receive_data(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<b@c.example>\r\n")
    if verb == "DATA":
        server.receive_data(b"DATA\r\n" + content + b".\r\nNOOP\r\n")
    else:
        server.receive_data(b"BDAT %d LAST\r\n" % len(content) + content + b"NOOP\r\n")
    events = listen(server)
    assert sum(isinstance(event, ContentRefused) for event in events) == 1
    assert not any(isinstance(event, EndOfContent) for event in events)
    lines = server.data_to_send().splitlines()
    assert lines[-2].startswith(b"552 5.3.4 ")
    assert lines[-1] == b"250 2.0.0 OK"


def test_a_line_without_end_takes_no_memory() -> None:
    server = start()
    for _ in range(100):
        server.receive_data(b"x" * LONGEST_LINE)
        listen(server)
    server.receive_data(b"\r\nNOOP\r\n")
    listen(server)
    assert server.data_to_send().endswith(replies.TOO_LONG.wire + replies.OK.wire)


def test_too_many_mistakes_end_the_session() -> None:
    server = start()
    server.receive_data(b"WHAT\r\n" * (MOST_ERRORS + 1))
    listen(server)
    assert server.data_to_send().endswith(replies.TOO_MANY_ERRORS.wire)
    assert server.finished


def test_a_browser_is_told_what_this_is() -> None:
    server = start()
    server.receive_data(b"POST / HTTP/1.1\r\nHost: mail\r\n\r\nMAIL FROM:<a@b.example>\r\n")
    assert listen(server) == []
    assert server.data_to_send().endswith(b"ESMTP\r\n" + replies.HTTP.wire)
    assert server.finished


def test_the_application_may_end_the_session() -> None:
    server = start()
    server.receive_data(b"EHLO c\r\n")
    listen(server, Reply(421, (3, 2), "Shutting down"))
    assert server.finished
    server.receive_data(b"QUIT\r\n")
    assert server.next_event() is None


def test_reset_forgets_the_transaction() -> None:
    events = play(ADDRESSED + "    C: RSET\n    S: 250 *\n    C: DATA\n    S: 503 5.5.1 MAIL*\n")
    assert Reset() in events


def test_answering_without_a_question_is_a_bug() -> None:
    with pytest.raises(RuntimeError):
        start().send(replies.OK)


def test_the_table_of_moves_is_total() -> None:
    assert set(MOVES) == set(State)
    kinds: set[type[Question]] = {kind for moves in MOVES.values() for kind in moves}
    for state in State:
        for kind in kinds:
            said = objection(kind, state, OPEN, secure=True, signed_in=True)
            assert (said is None) == (kind in MOVES[state])


def test_no_auth_where_none_is_offered() -> None:
    terms = Terms(hostname="h.example", mechanisms=(), tls_first=False, sign_in_first=False)
    server = ServerProtocol(terms)
    server.receive_data(b"EHLO c\r\nAUTH PLAIN AGEAYg==\r\n")
    listen(server)
    assert b"AUTH" not in server.data_to_send().split(b"502 ")[0]


def test_a_long_pipeline_is_answered_in_portions() -> None:
    server = start()
    server.data_to_send()
    server.receive_data(b"NOOP\r\n" * 1000)
    portions = []
    while data := (listen(server), server.data_to_send())[1]:
        portions.append(data.count(b"250 2.0.0 OK\r\n"))
    assert sum(portions) == 1000
    assert max(portions) < 500


@pytest.mark.parametrize(
    "line",
    [
        "R\u017fET", "MA\u0131L FROM:<>", "MAIL FROM:<> \u017fIZE=1",
        "MAIL FROM:<> BODY=8B\u0131TMIME",
        "AUTH PLA\u0131N",
    ],
)  # fmt: skip
def test_a_letter_that_only_python_takes_for_ascii_makes_no_keyword(line: str) -> None:
    server = start()
    server.receive_data(b"EHLO c\r\n")
    listen(server)
    server.data_to_send()
    server.receive_data(line.encode() + b"\r\n")
    assert listen(server) == []
    assert server.data_to_send()[:3] in {b"500", b"501", b"502", b"504", b"555"}


@pytest.mark.parametrize("verb", [b"PATCH / HTTP/1.1", b"TRACE / HTTP/1.1", b"PRI * HTTP/2.0"])
def test_every_verb_of_the_web_is_recognised(verb: bytes) -> None:
    server = start()
    server.receive_data(verb + b"\r\n")
    assert listen(server) == []
    assert server.finished
