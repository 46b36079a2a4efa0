"""What an answer to EHLO says, and what it does not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from postwicket.core.reply import Reply, parse_reply
from postwicket.smtp.client.capabilities import read_capabilities

GMAIL = """250-smtp.gmail.com at your service
250-SIZE 35882577
250-8BITMIME
250-AUTH LOGIN PLAIN XOAUTH2 PLAIN-CLIENTTOKEN OAUTHBEARER XOAUTH
250-ENHANCEDSTATUSCODES
250-PIPELINING
250-CHUNKING
250 SMTPUTF8"""


def test_what_gmail_says() -> None:
    found = read_capabilities(parse_reply(GMAIL.split("\n")))
    assert found.size == 35_882_577
    assert found.pipelining
    assert found.chunking
    assert found.smtputf8
    assert {"PLAIN", "LOGIN"} <= found.auth
    assert not (found.starttls)
    assert not (found.dsn)
    assert not (found.binary)


def test_the_first_line_is_a_name_and_nothing_else() -> None:
    assert not read_capabilities(Reply(250, None, "PIPELINING")).pipelining


def test_limits_and_nonsense() -> None:
    text = "mx\nLIMITS RCPTMAX=5 MAILMAX=0 X=\nSIZE many\nBINARYMIME\nauth=plain"
    found = read_capabilities(Reply(250, None, text))
    assert (found.rcptmax, found.mailmax, found.size) == (5, None, None)
    assert not found.binary  # of no use without CHUNKING
    assert found.auth == {"PLAIN"}
    assert read_capabilities(Reply(250, None, "mx\nSIZE 0")).size is None


@given(st.text(alphabet=st.characters(categories=("L", "N", "P", "Zs"))))
def test_any_text_is_read(text: str) -> None:
    lines = [f"250-{line}" for line in ("mx", *text.split("\n"))]
    read_capabilities(parse_reply(lines))
