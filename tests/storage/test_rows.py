"""Rows: whatever an envelope holds comes back from the database."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from postwicket.core.address import Address
from postwicket.core.envelope import Body, Demands, Notify, Recipient, Sender
from postwicket.storage.rows import delivery_rows, message_row, messages_from

from .making import new

TEXT = st.text(max_size=20)
ADDRESSES = st.builds(
    Address, st.text(min_size=1, max_size=9), st.sampled_from(["a.example", "[IPv6:::1]"])
)
RECIPIENTS = st.builds(Recipient, ADDRESSES, st.frozensets(st.sampled_from(Notify)), TEXT)
SENDERS = st.builds(
    Sender,
    address=st.none() | ADDRESSES,
    size=st.none() | st.integers(0, 10**9),
    body=st.sampled_from(Body),
    smtputf8=st.booleans(),
    ret=st.sampled_from(["", "FULL", "HDRS"]),
    envid=TEXT,
)


DEMANDS = st.builds(
    Demands,
    require_tls=st.booleans(),
    tls_optional=st.booleans(),
    deliver_by=st.none() | st.floats(0, 1e12),
    by_mode=st.sampled_from(["", "N", "R"]),
    by_trace=st.booleans(),
    priority=st.integers(-9, 9),
)


@given(SENDERS, st.lists(RECIPIENTS, min_size=1, max_size=4), TEXT, DEMANDS)
def test_any_envelope_comes_back(
    sender: Sender, recipients: list[Recipient], subject: str, demands: Demands
) -> None:
    made = new(*recipients, sender=sender, message_id=subject, subject=subject, demands=demands)
    [back] = messages_from([message_row(made)[:15]], delivery_rows(made))
    assert back == made.message
    spelled = [str(each.address) for each in back.envelope.recipients]
    assert spelled == [str(each.address) for each in recipients]
