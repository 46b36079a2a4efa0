"""A session with the server: what is said, and what becomes of each recipient."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from postwicket.net.authority import ensure_authority
from postwicket.sendmail import status
from postwicket.sendmail.settings import Server
from postwicket.sendmail.submit import Answer, Envelope, Result, Session, Unreachable

from .scripted import Scripted, scripted, tls_context

CONTENT = b"Subject: a\r\n\r\n.leading dot\r\n"
ANN = Envelope(sender="ann@example.org", recipients=("bob@example.com",))


def hand_in(
    server: Scripted,
    envelope: Envelope = ANN,
    content: bytes = CONTENT,
    **options: str | Path,
) -> Result:
    with scripted(server):
        given: dict[str, object] = {"host": "127.0.0.1", "port": server.port, "tls": "none"}
        with Session(Server(**{**given, **options})) as session:  # type: ignore[arg-type]  # a test's shorthand
            return session.send(envelope, content)


def test_a_message_arrives_as_it_was() -> None:
    server = Scripted()
    result = hand_in(server)
    assert result.accepted == ["bob@example.com"]
    assert result.reply == Answer(250, "2.0.0 Ok: queued as 0ABC")
    assert server.messages == [CONTENT]
    assert server.commands[1:] == [
        "MAIL FROM:<ann@example.org> SIZE=28",
        "RCPT TO:<bob@example.com>",
        "data",
        "QUIT",
    ]


def test_a_refusal_counts_although_the_server_hangs_up_behind_it() -> None:
    # As ours does for a NUL; taken for "away", the mail would stand at the head of the spool.
    result = hand_in(Scripted({".": "550 5.6.0 It has a NUL", "RSET": ""}))
    assert result.refused == {"bob@example.com": Answer(550, "5.6.0 It has a NUL")}
    assert not result.deferred


def test_delivery_notices_are_asked_for() -> None:
    server = Scripted()
    envelope = Envelope(
        sender="",
        recipients=("bob@example.com",),
        notify="SUCCESS,DELAY",
        ret="HDRS",
        envid="QQ 3+1=4",
        body="8BITMIME",
    )
    hand_in(server, envelope)
    assert "MAIL FROM:<> SIZE=28 BODY=8BITMIME RET=HDRS ENVID=QQ+203+2B1+3D4" in server.commands
    assert "RCPT TO:<bob@example.com> NOTIFY=SUCCESS,DELAY" in server.commands


def test_nothing_is_asked_for_that_is_not_offered() -> None:
    server = Scripted(extensions=())
    envelope = Envelope(sender="a@b", recipients=("c@d",), notify="NEVER", ret="FULL", envid="x")
    hand_in(server, envelope, b"\r\n\xff\r\n")
    assert "MAIL FROM:<a@b>" in server.commands
    assert "RCPT TO:<c@d>" in server.commands


def test_addresses_beyond_ascii() -> None:
    envelope = Envelope(sender="jürgen@example.org", recipients=("bob@example.com",))
    server = Scripted()
    assert hand_in(server, envelope).accepted
    assert "MAIL FROM:<jürgen@example.org> SIZE=28 SMTPUTF8" in server.commands
    refused = hand_in(Scripted(extensions=()), envelope).refused
    assert refused["bob@example.com"].enhanced == "5.6.7"


def test_each_recipient_has_its_own_answer() -> None:
    server = Scripted(
        {"RCPT TO:<no": "550 5.1.1 No such person", "RCPT TO:<later": "450 4.2.1 Full"}
    )
    names = ("yes@example.com", "no@example.com", "later@example.com")
    result = hand_in(server, Envelope(sender="a@b", recipients=names))
    assert result.accepted == ["yes@example.com"]
    assert result.refused == {"no@example.com": Answer(550, "5.1.1 No such person")}
    assert result.deferred == {"later@example.com": Answer(450, "4.2.1 Full")}
    assert server.messages == [CONTENT]


def test_more_recipients_than_one_transaction_takes() -> None:
    class TwoAtATime(Scripted):
        count = 0

        def answer(self, command: str) -> str:
            self.count = 0 if command.startswith("MAIL") else self.count
            self.count += command.startswith("RCPT")
            if command.startswith("RCPT") and self.count > 2:
                return "452 4.5.3 Too many recipients"
            return super().answer(command)

    server = TwoAtATime()
    names = tuple(f"r{n}@example.com" for n in range(5))
    result = hand_in(server, Envelope(sender="a@b", recipients=names))
    assert tuple(result.accepted) == names
    assert not result.deferred
    assert len(server.messages) == 3


@pytest.mark.parametrize(
    ("replies", "accepted", "refused", "deferred"),
    [
        ({"MAIL": "553 5.7.1 Not yours"}, 0, 1, 0),
        ({"MAIL": "451 4.3.0 Later"}, 0, 0, 1),
        ({"DATA": "554 5.5.1 No"}, 0, 1, 0),
        ({".": "550 5.6.0 Bare LF"}, 0, 1, 0),
        ({".": "452 4.3.1 Disk full"}, 0, 0, 1),
        ({".": "550 5.4.5 Daily limit"}, 0, 0, 1),
        ({".": ""}, 0, 0, 1),
        ({"RCPT": ""}, 0, 0, 1),
        ({"RCPT": "421 4.3.2 Closing"}, 0, 0, 1),
        ({"RSET": "", "RCPT": "550 5.1.1 No"}, 0, 0, 1),
    ],
)
def test_answers_decide(
    replies: dict[str, str], accepted: int, refused: int, deferred: int
) -> None:
    result = hand_in(Scripted(replies))
    counts = (len(result.accepted), len(result.refused), len(result.deferred))
    assert counts == (accepted, refused, deferred)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer(550, "5.1.1 No such person"), 67),
        (Answer(553, "5.7.1 Not yours"), 77),
        (Answer(535, "5.7.8 Wrong"), 77),
        (Answer(550, "5.6.0 Bare LF"), 65),
        (Answer(501, "5.1.3 Bad address"), 65),
        (Answer(552, "5.3.4 Too big"), 69),
        (Answer(550, "5.4.5 Daily limit"), 75),
        (Answer(451, "4.3.0 Later"), 75),
    ],
)
def test_the_exit_status_tells_the_most(answer: Answer, expected: int) -> None:
    assert answer.status == expected


@pytest.mark.parametrize("offer", ["AUTH PLAIN LOGIN", "AUTH LOGIN"])
def test_signing_in(offer: str) -> None:
    secret = base64.b64encode(b"geheim").decode()
    server = Scripted(
        {"AUTH LOGIN": "334 UGFzc3dvcmQ6", secret: "235 2.7.0 Welcome"}, extensions=(offer,)
    )
    assert hand_in(server, username="ann@example.org", password="geheim").accepted
    plain = base64.b64encode(b"\0ann@example.org\0geheim").decode()
    assert (f"AUTH PLAIN {plain}" in server.commands) == ("PLAIN" in offer)
    assert (secret in server.commands) == ("PLAIN" not in offer)


def test_a_refused_sign_in_is_not_the_messages_fault() -> None:
    with pytest.raises(status.Failed, match=r"535 5\.7\.8 Wrong password") as error:
        hand_in(Scripted({"AUTH": "535 5.7.8 Wrong password"}), username="ann", password="x")
    assert error.value.status == 77


@pytest.mark.parametrize(
    "replies", [{"greeting": "421 4.3.2 Busy"}, {"greeting": ""}, {"AUTH": "454 4.7.0 Later"}]
)
def test_not_now(replies: dict[str, str]) -> None:
    with pytest.raises(Unreachable):
        hand_in(Scripted(replies), username="ann", password="x")


def test_nobody_there() -> None:
    server = Scripted()
    with scripted(server):
        pass
    with (
        pytest.raises(Unreachable, match="does not answer"),
        Session(Server(host="127.0.0.1", port=server.port, tls="none")),
    ):
        pass


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_tls_is_verified(tls: str, tmp_path: Path) -> None:
    authority = ensure_authority(tmp_path, "mail.example.org")
    context = tls_context(authority.certificate, authority.key)

    def server() -> Scripted:
        return Scripted(context=context, implicit=tls == "implicit")

    for name in ("127.0.0.1", "mail.example.org"):
        assert hand_in(server(), tls=tls, ca=authority.ca, name=name).accepted
    for wrong in ({"ca": authority.ca, "name": "other.example.org"}, {"name": "127.0.0.1"}):
        with pytest.raises(status.Failed, match="is not trusted") as error:
            hand_in(server(), tls=tls, **wrong)
        assert error.value.status == 78


def test_a_server_without_starttls_gets_no_password() -> None:
    server = Scripted()
    with pytest.raises(status.Failed, match="offers no STARTTLS"):
        hand_in(server, tls="starttls", username="ann", password="geheim")
    assert not any(command.startswith("AUTH") for command in server.commands)


def test_a_broken_authority_file(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(status.Failed, match="no file of certificates"):
        hand_in(Scripted(implicit=True), tls="implicit", ca=tmp_path / "ca.pem")
