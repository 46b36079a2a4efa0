"""What an inbound listener offers."""

from __future__ import annotations

from postwicket.config import Listener
from postwicket.returns.reception import LARGEST_MAIL, inbound_terms


def test_tls_is_offered_and_nobody_signs_in() -> None:
    terms = inbound_terms(Listener(address="0.0.0.0:25", kind="inbound"), hostname="a.example")
    assert (terms.starttls, terms.tls_first, terms.sign_in_first) == (True, False, False)
    assert (terms.mechanisms, terms.size) == ((), LARGEST_MAIL)
    bare = Listener(address="127.0.0.1:25", kind="inbound", tls="none")
    assert not inbound_terms(bare, hostname="a.example").starttls
