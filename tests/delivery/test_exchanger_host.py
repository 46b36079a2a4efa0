"""Clear text is tried only where TLS was what failed and nothing forbids it, and remembered."""

from __future__ import annotations

from dataclasses import replace

from postwicket.delivery.destination import Exchanger
from postwicket.delivery.exchanger_host import (
    IN_CLEAR_FOR,
    ClearText,
    ExchangerHost,
    Opportunistic,
)
from postwicket.net.reach import Reach
from postwicket.smtp.client.answer import Answer, Stage, Trouble

MX = Exchanger(name="mx.example.com", preference=10, addresses=(), port=25)
FAILED = Answer(Stage.TLS, None, Trouble.TLS, "no shared cipher")


class Clock:
    """A clock that stands until somebody moves it."""

    now = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def host(clock: Clock, security: Opportunistic) -> ExchangerHost:
    return ExchangerHost(
        MX,
        security,
        hostname="us.example",
        tls=lambda _: None,
        clear=ClearText(clock),
        reach=Reach(),
    )


def test_once_and_then_remembered_for_a_while() -> None:
    clock = Clock()
    mx = host(clock, Opportunistic())
    assert mx.once_more(Answer(Stage.CONNECT, None, Trouble.TIMEOUT)) == ""
    assert "clear text" in mx.once_more(FAILED)
    assert mx.once_more(FAILED) == ""
    clock.now += IN_CLEAR_FOR
    assert "clear text" in mx.once_more(FAILED)


def test_never_where_clear_text_is_forbidden() -> None:
    mx = host(Clock(), replace(Opportunistic(), clear_allowed=False))
    assert mx.once_more(FAILED) == ""
    assert not mx.terms()[0].tls_optional


def test_a_connection_to_a_forbidden_network_is_objected_to_right_before_it_is_made() -> None:
    mx = host(Clock(), Opportunistic())
    assert "loopback" in mx.objection("127.0.0.1", 25)
    assert mx.objection("8.8.8.8", 25) == ""


def test_the_memory_is_bounded() -> None:
    clear = ClearText(Clock())
    for n in range(10_050):
        clear.remember(f"mx{n}")
    assert not clear.has("mx0")
    assert clear.has("mx10049")
    assert len(clear._until) == 10_000
