"""Who goes next: accounts in turn, transactional before bulk, and nobody starves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from postwicket.core.address import Address
from postwicket.core.envelope import Envelope, Recipient, Sender
from postwicket.core.queue_id import QueueIds
from postwicket.delivery.line import BULK_SHARE, Line
from postwicket.delivery.shipment import Shipment
from postwicket.storage.values import Message

IDS = QueueIds(1)


def shipment(account: str = "ann", lane: str = "transactional") -> Shipment:
    message = Message(
        id=IDS.next(0.0),
        account=account,
        envelope=Envelope(Sender(address=None), (Recipient(Address.parse("bob@example.com")),)),
        size=1,
        received=0.0,
        expires=1.0,
        lane=lane,
    )
    return Shipment(message=message, deliveries=(), via="direct")


def all_of(line: Line) -> list[Shipment]:
    out = []
    while line.first() is not None:
        out.append(line.take())
    return out


def test_accounts_take_turns_however_much_one_has() -> None:
    line = Line()
    for _ in range(1000):
        line.add(shipment("big"))
    for _ in range(10):
        line.add(shipment("small"))
    first = [line.take().message.account for _ in range(20)]
    assert first.count("small") == 10


def test_transactional_goes_first_and_bulk_does_not_starve() -> None:
    line = Line()
    for _ in range(100):
        line.add(shipment(lane="bulk"))
    for _ in range(100):
        line.add(shipment())
    lanes = [one.message.lane for one in all_of(line)]
    assert lanes[: BULK_SHARE - 1] == ["transactional"] * (BULK_SHARE - 1)
    assert lanes[BULK_SHARE - 1] == "bulk"
    assert lanes[:80].count("bulk") == 80 // BULK_SHARE


def test_without_bulk_only_transactional_goes() -> None:
    line = Line()
    slow, quick = shipment(lane="bulk"), shipment()
    line.add(slow)
    assert line.first(bulk=False) is None
    line.put_back(quick)
    line.put_back(shipment(lane="bulk"))
    assert line.first(bulk=False) is quick
    assert line.take(bulk=False) is quick
    assert len(line) == 2


def test_who_had_a_turn_comes_first() -> None:
    line = Line()
    line.add(shipment())
    again = shipment()
    line.put_back(again)
    assert line.take() is again


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"), st.sampled_from(["bulk", "transactional"]), st.booleans()
        )
    )
)
def test_everybody_comes_out_once(comers: list[tuple[str, str, bool]]) -> None:
    line = Line()
    sent = []
    for account, lane, back in comers:
        one = shipment(account, lane)
        sent.append(one.message.id)
        (line.put_back if back else line.add)(one)
    assert len(line) == len(sent)
    half = [line.take() for _ in range(len(sent) // 2)]
    rest = line.clear()
    assert len(line) == 0
    assert line.first() is None
    assert sorted(one.message.id for one in [*half, *rest]) == sorted(sent)


@given(st.lists(st.sampled_from("aab"), min_size=1))
def test_within_an_account_what_came_first_goes_first(accounts: list[str]) -> None:
    line = Line()
    for account in accounts:
        line.add(shipment(account))
    ids: dict[str, list[int]] = {}
    for one in all_of(line):
        ids.setdefault(one.message.account, []).append(one.message.id)
    assert all(kept == sorted(kept) for kept in ids.values())


def test_first_and_take_agree() -> None:
    line = Line()
    for n in range(50):
        line.add(shipment(f"a{n % 3}", "bulk" if n % 2 else "transactional"))
    while len(line):
        assert line.first() is line.take()
