"""The client machine against scripted peers: conversations read like the wire."""

from __future__ import annotations

import base64
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postwicket.core.address import Address
from postwicket.core.envelope import Body, Demands, Notify, Recipient, Sender
from postwicket.core.secret import Secret
from postwicket.smtp.client.answer import Answer, Stage, Trouble
from postwicket.smtp.client.commands import SHRUNK, Mail
from postwicket.smtp.client.events import ContentWanted, Ended, Finished, Ready, UpgradeTls
from postwicket.smtp.client.machine import Client
from postwicket.smtp.client.opening import Credentials, Opening

HEADER = b"Subject: x\r\n"
WHOLE = HEADER + b"\r\nHello\r\n.dot\r\n"
PLAIN = b"220 mx\r\n250 mx\r\n"
PIPELINING = b"220 mx\r\n250-mx\r\n250-8BITMIME\r\n250 PIPELINING\r\n"
CHUNKING = b"220 mx\r\n250-mx\r\n250-PIPELINING\r\n250-BINARYMIME\r\n250 CHUNKING\r\n"
CREDENTIALS = Credentials(username="ann", password=Secret("hunter2"))
SIGNED_IN = Opening(hostname="us.example", implicit_tls=True, credentials=CREDENTIALS)


def still() -> float:
    return 0.0


def mail(
    *to: str,
    whole: bytes | None = WHOLE,
    header: bytes = HEADER,
    size: int | None = None,
    sender: Sender | None = None,
) -> Mail:
    return Mail(
        sender=sender or Sender(address=Address.parse("ann@example.org")),
        recipients=tuple(Recipient(Address.parse(a)) for a in to or ("bob@example.com",)),
        size=size if size is not None else len(whole or b""),
        header=header,
        whole=whole,
    )


class Talk:
    """A machine and everything it said and reported."""

    def __init__(self, how: Opening | None = None) -> None:
        how = how or Opening(hostname="us.example")
        self.machine = Client(how, still)
        self.said = b""
        self.events: list[object] = []
        if how.implicit_tls:
            self.machine.secured("TLSv1.3 TEST")

    def hear(self, data: bytes) -> Talk:
        """Give the machine bytes of the peer."""
        self.machine.receive_data(data)
        return self.turn()

    def turn(self) -> Talk:
        """Collect what it said and reported."""
        self.said += self.machine.data_to_send()
        while (event := self.machine.next_event()) is not None:
            self.events.append(event)
        return self

    def send(self, what: Mail) -> Talk:
        """Begin a message."""
        self.said = b""
        self.machine.send(what)
        return self.turn()

    @property
    def answers(self) -> tuple[Answer, ...]:
        """Return the answers of the one message."""
        (finished,) = [e for e in self.events if isinstance(e, Finished)]
        return finished.answers

    @property
    def ended(self) -> Answer:
        """Return why the session ended."""
        (ended,) = [e for e in self.events if isinstance(e, Ended)]
        return ended.answer


def opened(hello: bytes = PIPELINING) -> Talk:
    talk = Talk().hear(hello[:8]).hear(hello[8:])
    assert talk.events == [Ready()]
    talk.events.clear()
    return talk


# --- opening ------------------------------------------------------------------------------


def test_ehlo_comes_after_the_greeting() -> None:
    talk = Talk()
    assert talk.said == b""
    assert talk.hear(b"220 mx\r\n").said == b"EHLO us.example\r\n"
    assert talk.hear(b"250 mx\r\n").events == [Ready()]


def test_helo_is_the_fallback() -> None:
    talk = Talk().hear(b"220 mx\r\n").hear(b"502 what?\r\n")
    assert talk.said == b"EHLO us.example\r\nHELO us.example\r\n"
    assert talk.hear(b"250 mx\r\n").events == [Ready()]


def test_a_host_that_refuses_ends_the_session_with_its_words() -> None:
    talk = Talk().hear(b"554 5.7.1 go away\r\n")
    assert talk.ended.stage is Stage.GREETING
    assert str(talk.ended) == "554 5.7.1 go away"


def test_starttls_forgets_and_asks_again() -> None:
    talk = Talk(Opening(hostname="us.example", starttls=True))
    talk.hear(b"220 mx\r\n").hear(b"250-mx\r\n250-STARTTLS\r\n250 PIPELINING\r\n")
    assert talk.hear(b"220 go\r\n").events == [UpgradeTls()]
    talk.machine.secured("TLSv1.3 X")
    talk.turn()
    assert talk.said == b"EHLO us.example\r\nSTARTTLS\r\nEHLO us.example\r\n"
    assert talk.hear(b"250 mx\r\n").events == [UpgradeTls(), Ready()]
    assert talk.send(mail()).said == b"MAIL FROM:<ann@example.org>\r\n"  # PIPELINING forgotten


def test_bytes_behind_the_answer_to_starttls_are_an_attack() -> None:
    talk = Talk(Opening(hostname="us.example", starttls=True))
    talk.hear(b"220 mx\r\n").hear(b"250-mx\r\n250 STARTTLS\r\n")
    talk.hear(b"220 go\r\n250-evil\r\n250 AUTH PLAIN\r\n")
    assert (talk.ended.stage, talk.ended.trouble) == (Stage.STARTTLS, Trouble.PROTOCOL)


def test_without_starttls_nothing_goes_on() -> None:
    talk = Talk(Opening(hostname="us.example", starttls=True)).hear(PLAIN)
    assert talk.ended.trouble is Trouble.NO_STARTTLS


def test_a_password_never_travels_in_the_clear() -> None:
    talk = Talk(Opening(hostname="us.example", credentials=CREDENTIALS))
    talk.hear(b"220 mx\r\n250-mx\r\n250 AUTH PLAIN LOGIN\r\n")
    assert talk.ended.trouble is Trouble.NO_STARTTLS
    assert b"AUTH" not in talk.said


def test_auth_plain_and_its_redaction() -> None:
    talk = Talk(SIGNED_IN)
    talk.hear(b"220 mx\r\n").hear(b"250-mx\r\n250 AUTH PLAIN LOGIN\r\n")
    token = base64.b64encode(b"\0ann\0hunter2")
    assert talk.said.endswith(b"AUTH PLAIN " + token + b"\r\n")
    talk.hear(b"535 5.7.8 no: " + token + b" hunter2\r\n")
    assert talk.ended.stage is Stage.AUTH
    shown = talk.machine.transcript.render() + str(talk.ended)
    assert "hunter2" not in shown
    assert token.decode() not in shown
    assert "> AUTH PLAIN ********" in shown


def test_auth_login_where_nothing_else_is_offered() -> None:
    talk = Talk(SIGNED_IN)
    talk.hear(b"220 mx\r\n").hear(b"250-mx\r\n250 AUTH=LOGIN\r\n")
    talk.hear(b"334 VXNlcm5hbWU6\r\n").hear(b"334 UGFzc3dvcmQ6\r\n").hear(b"235 ok\r\n")
    assert talk.said.endswith(b"AUTH LOGIN\r\nYW5u\r\naHVudGVyMg==\r\n")
    assert talk.events == [Ready()]
    assert "aHVudGVyMg" not in talk.machine.transcript.render()


def test_only_mechanisms_that_are_offered_are_used() -> None:
    talk = Talk(SIGNED_IN)
    talk.hear(b"220 mx\r\n").hear(b"250-mx\r\n250 AUTH XOAUTH2\r\n")
    assert talk.ended.trouble is Trouble.NO_AUTH


# --- mail ---------------------------------------------------------------------------------


def test_a_pipelined_message_is_one_write_and_the_content() -> None:
    talk = opened().send(mail())
    assert talk.said == b"MAIL FROM:<ann@example.org>\r\nRCPT TO:<bob@example.com>\r\nDATA\r\n"
    talk.said = b""
    talk.hear(b"250 ok\r\n250 ok\r\n354 go\r\n")
    assert talk.said == b"Subject: x\r\n\r\nHello\r\n..dot\r\n.\r\n"
    assert talk.hear(b"250 2.0.0 queued\r\n").answers[0].accepted


def test_without_pipelining_each_step_waits() -> None:
    talk = opened(PLAIN).send(mail("a@x.example", "b@x.example"))
    assert talk.said == b"MAIL FROM:<ann@example.org>\r\n"
    assert talk.hear(b"250 ok\r\n").said.endswith(b"\r\nRCPT TO:<a@x.example>\r\n")
    assert talk.hear(b"250 ok\r\n").said.endswith(b"\r\nRCPT TO:<b@x.example>\r\n")
    assert talk.hear(b"550 no\r\n").said.endswith(b"\r\nDATA\r\n")
    assert talk.hear(b"354 ok\r\n").said.endswith(b"..dot\r\n.\r\n")
    first, second = talk.hear(b"250 ok\r\n").answers
    assert first.accepted
    assert (second.stage, str(second)) == (Stage.RCPT, "550 no")


def test_several_messages_need_no_rset() -> None:
    talk = opened()
    for _ in range(3):
        talk.send(mail()).hear(b"250 a\r\n250 b\r\n354 c\r\n250 d\r\n")
        assert talk.said.startswith(b"MAIL")
        assert talk.answers[0].accepted
        talk.events.clear()


def test_after_a_failed_transaction_rset_goes_first() -> None:
    talk = opened().send(mail()).hear(b"250 a\r\n550 b\r\n503 c\r\n")
    assert [a.stage for a in talk.answers] == [Stage.RCPT]
    talk.events.clear()
    assert talk.send(mail()).said.startswith(b"RSET\r\nMAIL FROM")
    assert talk.hear(b"250 z\r\n250 a\r\n250 b\r\n354 c\r\n250 d\r\n").answers[0].accepted


def test_when_nobody_is_left_the_content_is_a_lone_dot() -> None:
    talk = opened().send(mail())
    talk.said = b""
    talk.hear(b"250 a\r\n550 b\r\n354 c\r\n")
    assert talk.said == b".\r\n"
    assert str(talk.hear(b"554 no recipients\r\n").answers[0]) == "550 b"


def test_a_refused_sender_answers_for_all() -> None:
    talk = opened().send(mail("a@x.example", "b@x.example"))
    talk.hear(b"553 no\r\n503 x\r\n503 x\r\n503 x\r\n")
    assert [(a.stage, str(a)) for a in talk.answers] == [(Stage.MAIL, "553 no")] * 2


def test_refused_data_answers_for_the_accepted_only() -> None:
    talk = opened().send(mail("a@x.example", "b@x.example"))
    talk.hear(b"250 a\r\n250 a\r\n450 later\r\n451 busy\r\n")
    assert [(a.stage, str(a)) for a in talk.answers] == [
        (Stage.DATA, "451 busy"),
        (Stage.RCPT, "450 later"),
    ]


def test_bdat_needs_no_dots_and_waits_for_a_recipient() -> None:
    talk = opened(CHUNKING).send(mail())
    assert talk.said.endswith(b"RCPT TO:<bob@example.com>\r\n")
    talk.said = b""
    talk.hear(b"250 a\r\n250 b\r\n")
    assert talk.said == b"BDAT %d LAST\r\n" % len(WHOLE) + WHOLE
    assert talk.hear(b"250 c\r\n").answers[0].accepted
    talk.events.clear()
    talk.send(mail()).hear(b"250 a\r\n550 b\r\n")
    assert b"BDAT" not in talk.said


def test_421_answers_whatever_waits() -> None:
    talk = opened().send(mail("a@x.example", "b@x.example"))
    talk.hear(b"250 a\r\n550 no\r\n421 4.3.2 bye\r\n")
    assert [str(a) for a in talk.answers] == ["550 no", "421 4.3.2 bye"]
    assert talk.ended.reply is not None


def test_a_reused_connection_that_closes_leaves_the_mail_untried() -> None:
    for end in (b"421 4.4.2 idle\r\n", b""):
        talk = opened().send(mail()).hear(b"250 a\r\n250 b\r\n354 c\r\n250 d\r\n")
        talk.events.clear()
        talk.send(mail())
        if end:
            talk.hear(end)
        else:
            talk.machine.lost()
            talk.turn()
        assert [a.trouble for a in talk.answers] == [Trouble.UNTRIED]


def test_a_fresh_connection_that_closes_is_an_answer() -> None:
    talk = opened().send(mail()).hear(b"421 4.7.0 not you\r\n")
    assert [str(a) for a in talk.answers] == ["421 4.7.0 not you"]


def test_a_loss_after_the_final_dot_says_where_it_was() -> None:
    talk = opened().send(mail()).hear(b"250 a\r\n250 b\r\n354 c\r\n")
    talk.machine.lost(Trouble.TIMEOUT)
    answer = talk.turn().answers[0]
    assert (answer.stage, answer.trouble) == (Stage.FINAL, Trouble.TIMEOUT)


def test_limits_of_rfc_9422_split_the_recipients() -> None:
    talk = opened(b"220 mx\r\n250-mx\r\n250-PIPELINING\r\n250 LIMITS RCPTMAX=2 MAILMAX=2\r\n")
    talk.send(mail(*(f"r{n}@x.example" for n in range(5))))
    talk.hear(b"250 a\r\n" * 3 + b"354 c\r\n" + b"250 d\r\n")
    talk.hear(b"250 a\r\n" * 3 + b"354 c\r\n" + b"250 d\r\n")
    assert [a.accepted for a in talk.answers] == [True, True, True, True, False]
    assert talk.answers[4].trouble is Trouble.UNTRIED
    assert talk.machine.worn


def test_too_many_recipients_go_in_another_transaction() -> None:
    talk = opened().send(mail("a@x.example", "b@x.example"))
    talk.said = b""
    talk.hear(b"250 a\r\n250 b\r\n452 4.5.3 too many\r\n354 c\r\n250 d\r\n")
    assert b"MAIL FROM:<ann@example.org>\r\nRCPT TO:<b@x.example>\r\nDATA\r\n" in talk.said
    talk.hear(b"250 a\r\n250 b\r\n354 c\r\n250 d\r\n")
    assert all(a.accepted for a in talk.answers)


def test_parameters_go_to_those_who_know_them() -> None:
    sender = Sender(
        address=Address.parse("ann@example.org"), body=Body.EIGHT_BIT, ret="HDRS", envid="QQ1"
    )
    to = Recipient(Address.parse("b@x.example"), frozenset({Notify.SUCCESS}), "rfc822;b@x.example")
    message = Mail(sender=sender, recipients=(to,), size=2000, header=b"", whole=b"\xc3\xa9\r\n")
    hello = b"220 mx\r\n250-mx\r\n250-SIZE 0\r\n250-8BITMIME\r\n250-DSN\r\n250 PIPELINING\r\n"
    said = opened(hello).send(message).said
    assert said.split(b"\r\n")[:2] == [
        b"MAIL FROM:<ann@example.org> SIZE=2000 BODY=8BITMIME RET=HDRS ENVID=QQ1",
        b"RCPT TO:<b@x.example> NOTIFY=SUCCESS ORCPT=rfc822;b@x.example",
    ]


def refused(talk: Talk, what: Mail) -> str:
    talk.send(what)
    assert talk.said == b""
    assert all(answer.ours for answer in talk.answers)
    text = str(talk.answers[0])
    talk.events.clear()
    return text


def test_what_may_not_go_out_never_does() -> None:
    for bad in (b"a\nb\r\n", b"a\rb\r\n", b"a\0b\r\n", b"a\r\n.\r\r\n", b"a\r"):
        assert refused(opened(), mail(whole=bad)).startswith("550 5.6.0")
        assert refused(opened(CHUNKING), mail(whole=bad)).startswith("550 5.6.0")


def test_binary_travels_by_count_only() -> None:
    binary = Sender(address=None, body=Body.BINARY)
    assert refused(opened(), mail(sender=binary)).startswith("554 5.6.1")
    talk = opened(CHUNKING).send(mail(sender=binary, whole=b"\r\n\0\n.\r"))
    assert b"MAIL FROM:<> BODY=BINARYMIME\r\n" not in talk.said  # 8BITMIME was not offered
    talk.hear(b"250 a\r\n250 b\r\n")
    assert talk.said.endswith(b"BDAT 6 LAST\r\n\r\n\0\n.\r")


def test_what_the_peer_lacks() -> None:
    declared = Sender(address=Address.parse("ann@example.org"), body=Body.EIGHT_BIT)
    assert refused(opened(PLAIN), mail(whole=b"\xff\r\n")).startswith("554 5.6.3")
    assert b"BODY" not in opened(PLAIN).send(mail(sender=declared)).said  # 7-bit in fact
    utf8 = Sender(address=Address.parse("änn@example.org"), smtputf8=True)
    assert refused(opened(), mail(sender=utf8)).startswith("553 5.6.7")
    small = opened(b"220 mx\r\n250-mx\r\n250 SIZE 10\r\n")
    assert refused(small, mail()).startswith("552 5.3.4")


def test_a_domain_in_unicode_is_spelled_for_old_servers() -> None:
    talk = opened().send(mail("bob@bücher.example", "bøb@x.example"))
    assert b"RCPT TO:<bob@xn--bcher-kva.example>\r\nDATA" in talk.said
    talk.hear(b"250 a\r\n250 b\r\n354 c\r\n250 d\r\n")
    assert [a.accepted for a in talk.answers] == [True, False]


def test_and_for_new_ones_too_unless_the_name_before_it_needs_unicode() -> None:
    new = b"220 mx\r\n250-mx\r\n250-PIPELINING\r\n250 SMTPUTF8\r\n"
    plain = opened(new).send(mail("bob@bücher.example"))
    assert b"RCPT TO:<bob@xn--bcher-kva.example>" in plain.said
    assert b"SMTPUTF8" not in plain.said
    said = opened(new).send(mail("bøb@bücher.example", "bob@bücher.example")).said.decode()
    assert "SMTPUTF8\r\nRCPT TO:<bøb@bücher.example>" in said
    assert "RCPT TO:<bob@xn--bcher-kva.example>" in said


# --- content in pieces --------------------------------------------------------------------


def test_pieces_as_data() -> None:
    talk = opened().send(mail(whole=None, size=12)).hear(b"250 a\r\n250 b\r\n354 c\r\n")
    assert talk.events == [ContentWanted()]
    talk.said = b""
    for piece in (b"ab\r", b"\n", b".c\r\n", b".de\r"):
        talk.machine.content(piece)
        talk.turn()
    assert talk.machine.streaming is False  # 12 octets were announced and given
    assert talk.ended.ours  # ... but they end in a CR
    assert talk.said == b"ab\r\n..c\r\n"


def test_pieces_as_bdat() -> None:
    talk = opened(CHUNKING).send(mail(whole=None, size=6)).hear(b"250 a\r\n250 b\r\n")
    talk.said = b""
    talk.machine.content(b".a")
    talk.machine.content(b"b\r\n.")
    assert talk.turn().said == b"BDAT 2\r\n.aBDAT 4 LAST\r\nb\r\n."
    talk.hear(b"250 x\r\n")
    assert talk.hear(b"250 y\r\n").answers[0].accepted


def test_content_that_cannot_be_read_is_never_ended() -> None:
    talk = opened().send(mail(whole=None, size=600)).hear(b"250 a\r\n250 b\r\n354 c\r\n")
    talk.machine.content(b"x\r\n")
    talk.machine.spoil(SHRUNK)
    assert talk.turn().answers[0].ours
    assert not talk.said.endswith(b".\r\n")


def test_clear_text_instead_of_a_handshake_is_noticed() -> None:
    machine = Client(SIGNED_IN, still)
    machine.receive_data(b"220 mx\r\n")
    assert machine.next_event() == Ended(
        Answer(Stage.TLS, trouble=Trouble.PROTOCOL, detail="clear text instead of TLS")
    )


def test_a_refused_chunk_stops_the_stream() -> None:
    talk = opened(CHUNKING).send(mail(whole=None, size=600)).hear(b"250 a\r\n250 b\r\n")
    talk.machine.content(b"x" * 300)
    talk.turn().hear(b"552 5.3.4 too big\r\n")
    assert not talk.machine.streaming
    assert str(talk.answers[0]) == "552 5.3.4 too big"
    assert not talk.machine.ended


def test_an_answer_before_the_end_of_data_ends_the_session() -> None:
    talk = opened().send(mail(whole=None, size=600)).hear(b"250 a\r\n250 b\r\n354 c\r\n")
    talk.machine.content(b"x" * 300)
    talk.turn().hear(b"552 5.3.4 too big\r\n")
    assert str(talk.answers[0]) == "552 5.3.4 too big"
    assert talk.machine.ended


# --- hostile peers ------------------------------------------------------------------------


def test_nonsense_is_a_temporary_trouble() -> None:
    for bad in (
        b"850 NONSENSE\r\n",
        b"hello\r\n",
        b"2x0 a\r\n",
        b"250-a\r\n251 b\r\n",
        b"250" + b"x" * 5000,
        b"250-x\r\n" * 500,
        b"\x00\xff\r\n",
        b"150 a\r\n",
        b"354 go\r\n",
    ):
        talk = opened().send(mail()).hear(bad)
        assert talk.answers[0].trouble is Trouble.PROTOCOL, bad
        assert talk.machine.ended


def test_control_characters_of_the_peer_reach_nobody() -> None:
    talk = opened().send(mail()).hear(b"550 \x1b[2J\rbad\r\n503 b\r\n503 c\r\n")
    assert str(talk.answers[0]) == "550 ?[2J?bad"
    assert talk.machine.transcript.render().isprintable() is False  # only its own line ends
    assert "\x1b" not in talk.machine.transcript.render()


def test_an_unasked_reply_ends_an_idle_session() -> None:
    assert opened().hear(b"250 surprise\r\n").ended.trouble is Trouble.PROTOCOL


def test_quit() -> None:
    talk = opened()
    talk.machine.quit()
    assert talk.turn().said.endswith(b"QUIT\r\n")
    assert talk.hear(b"221 bye\r\n").ended.stage is Stage.QUIT


def test_the_transcript_of_one_recipient() -> None:
    talk = opened().send(mail("a@x.example", "b@x.example"))
    talk.hear(b"250 a\r\n250 b\r\n550-no\r\n550 way\r\n354 c\r\n250 d\r\n")
    shown = talk.machine.transcript.render(1)
    assert shown.split("\n") == [
        "0.000 < 220 mx",
        "0.000 > EHLO us.example",
        "0.000 < 250-mx",
        "0.000 < 250-8BITMIME",
        "0.000 < 250 PIPELINING",
        "0.000 > MAIL FROM:<ann@example.org>",
        "0.000 > RCPT TO:<b@x.example>",
        "0.000 > DATA",
        "0.000 < 250 a",
        "0.000 < 550-no",
        "0.000 < 550 way",
        "0.000 < 354 c",
        f"0.000 > ({len(WHOLE)} octets of content)",
        "0.000 < 250 d",
    ]


REPLIES = b"250 a\r\n250-b\r\n250 b\r\n550 5.1.1 no\r\n354 c\r\n250 2.0.0 d\r\n"


@given(st.sets(st.integers(0, len(REPLIES))))
def test_the_network_may_cut_anywhere(cuts: set[int]) -> None:
    edges = [0, *sorted(cuts), len(REPLIES)]
    talk = opened().send(mail("a@x.example", "b@x.example"))
    for start, end in pairwise(edges):
        talk.hear(REPLIES[start:end])
    assert [str(a) for a in talk.answers] == ["250 2.0.0 d", "550 5.1.1 no"]


LINES = st.sampled_from(
    [
        b"220 a\r\n",
        b"250 b\r\n",
        b"250-b\r\n",
        b"354 c\r\n",
        b"550 d\r\n",
        b"421 e\r\n",
        b"334 f\r\n",
    ]
)


@settings(max_examples=300)
@given(
    st.lists(LINES | st.binary(max_size=12), max_size=30),
    st.sampled_from([PIPELINING, CHUNKING, PLAIN]),
    st.booleans(),
)
def test_any_peer_whatever_leads_to_an_answer(
    said: list[bytes], hello: bytes, large: bool
) -> None:
    talk = opened(hello).send(
        mail("a@x.example", "b@x.example", whole=None if large else WHOLE, size=99)
    )
    for data in said:
        talk.hear(data)
        if talk.machine.streaming:
            talk.machine.content(b"x" * 33)
            talk.turn()
    talk.machine.lost()
    talk.turn()
    assert len(talk.answers) == 2
    assert isinstance(talk.events[-1], Ended)


@given(st.lists(LINES | st.binary(max_size=12), max_size=12))
def test_any_peer_ends_or_opens(said: list[bytes]) -> None:
    talk = Talk(SIGNED_IN)
    for data in said:
        talk.hear(data)
    talk.machine.lost()
    talk.turn()
    assert isinstance(talk.events[-1], Ended)


def test_a_peer_that_repeats_the_password_never_gets_it_into_a_transcript() -> None:
    plain = base64.b64encode(b"\0ann\0hunter2")
    hello = b"250-mx\r\n250 AUTH PLAIN\r\n"
    signed_in = Talk(SIGNED_IN).hear(b"220 mx\r\n" + hello).hear(b"235 hi hunter2\r\n")
    talk = signed_in.send(mail()).hear(b"250 ok\r\n550 5.1.1 no hunter2 " + plain + b"\r\n")
    talk.hear(b"850 hunter2\r\n")
    shown = "\n".join(map(str, (talk.machine.transcript.render(0), *talk.events)))
    assert "no ********" in shown
    assert "hunter2" not in shown
    assert plain.decode() not in shown


def test_a_peer_that_does_not_offer_requiretls_is_no_way() -> None:
    how = Opening(hostname="us.example", implicit_tls=True, requiretls=True, vouched=True)
    ended = Talk(how).hear(PLAIN).events[-1]
    assert isinstance(ended, Ended)
    assert ended.answer.stage is Stage.ROUTE
    assert ended.answer.ours
    assert str(ended.answer.reply).startswith("550 5.7.30 REQUIRETLS support required")


def test_a_peer_that_offers_requiretls_is_ready() -> None:
    how = Opening(hostname="us.example", implicit_tls=True, requiretls=True, vouched=True)
    talk = Talk(how).hear(b"220 mx\r\n250-mx\r\n250 REQUIRETLS\r\n")
    assert any(isinstance(event, Ready) for event in talk.events)


def test_requiretls_of_a_peer_that_nobody_vouches_for_does_not_count() -> None:
    how = Opening(hostname="us.example", implicit_tls=True, requiretls=True)
    ended = Talk(how).hear(b"220 mx\r\n250-mx\r\n250 REQUIRETLS\r\n").events[-1]
    assert isinstance(ended, Ended)
    assert str(ended.answer.reply).startswith("550 5.7.30")


@pytest.mark.parametrize("vouched", [False, True])
def test_mail_that_requires_tls_is_refused_or_marked(*, vouched: bool) -> None:
    how = Opening(hostname="us.example", implicit_tls=True, vouched=vouched)
    talk = Talk(how).hear(b"220 mx\r\n250-mx\r\n250 REQUIRETLS\r\n")
    talk.machine.send(replace(mail(), require_tls=True))
    talk.hear(b"")
    if vouched:
        assert talk.said.endswith(b"MAIL FROM:<ann@example.org> REQUIRETLS\r\n")
        return
    assert b"MAIL" not in talk.said
    finished = talk.events[-1]
    assert isinstance(finished, Finished)
    (answer,) = finished.answers
    assert answer.ours
    assert str(answer.reply).startswith("550 5.7.30")


def demanded(peer: bytes, demands: Demands) -> str:
    """Return MAIL FROM as it is said to this peer at second 0."""
    talk = Talk().hear(b"220 mx\r\n250-mx\r\n" + peer + b"250 HELP\r\n")
    talk.machine.send(replace(mail(), demands=demands))
    talk.turn()
    lines = [line for line in talk.said.decode().split("\r\n") if line.startswith("MAIL")]
    return lines[0].removeprefix("MAIL FROM:<ann@example.org>") if lines else "(nothing)"


def test_what_is_left_of_a_deadline_and_the_priority_are_passed_on() -> None:
    urgent = Demands(deliver_by=60.9, by_mode="R", by_trace=True, priority=3)
    assert (
        demanded(b"250-DELIVERBY\r\n250-MT-PRIORITY MIXER\r\n", urgent)
        == " BY=60;RT MT-PRIORITY=3"
    )
    assert demanded(b"250-DELIVERBY 30\r\n", urgent) == " BY=60;RT"
    assert demanded(b"", urgent) == ""
    late = Demands(deliver_by=-5.0, by_mode="N")
    assert demanded(b"250-DELIVERBY\r\n", late) == " BY=-5;N"


def test_what_the_sender_wants_back_by_now_is_not_sent() -> None:
    over = Demands(deliver_by=0.5, by_mode="R")
    assert demanded(b"", over) == "(nothing)"
    # This peer takes no deadline as near as this one.
    assert demanded(b"250-DELIVERBY 120\r\n", Demands(deliver_by=60.0, by_mode="R")) == "(nothing)"
