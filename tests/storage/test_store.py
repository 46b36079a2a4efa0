"""The contract of `Store`, kept by every implementation: for people and for sign-in."""

from __future__ import annotations

import os
import time

import pytest

from postwicket.core.entry import Administered
from postwicket.core.queue_id import QueueId, QueueIds, spell
from postwicket.core.state import State
from postwicket.identity.account import Grant, Limits
from postwicket.storage import sqlite_directory
from postwicket.storage.interfaces import Conflict, Queue
from postwicket.storage.values import Selection, StoredBody

from .conftest import Kept
from .making import BOB, EVE, NOW, born, new, settled

ANN = "ann@example.org"


def test_accounts_are_made_changed_and_removed(kept: Kept) -> None:
    store = kept.store
    seen = {store.generation()}
    made = store.add_account(ANN, name="Ann", password_hash="h", now=NOW)
    assert store.account(ANN) == made
    assert (made.address, made.name, made.created, made.limits) == (ANN, "Ann", NOW, Limits())
    with pytest.raises(Conflict):
        store.add_account(ANN, name="", password_hash="", now=NOW)
    seen.add(store.generation())
    limits = Limits(messages_per_day=5, message_size=1000)
    changed = store.change_account(ANN, suspended=True, password_over_smtp=True, limits=limits)
    assert (changed.suspended, changed.password_over_smtp, changed.limits) == (True, True, limits)
    assert (changed.password_hash, changed.name) == ("h", "Ann")
    assert store.account(ANN) == changed
    seen.add(store.generation())
    same = store.change_account(ANN, suspended=False)
    assert (same.suspended, same.limits) == (False, limits)
    other = store.add_account("aaa@example.org", name="", password_hash="", now=NOW)
    assert store.accounts() == [other, same]
    store.remove_account(ANN)
    seen.add(store.generation())
    assert store.account(ANN) is None
    assert len(seen) == 4
    assert store.add_account(ANN, name="", password_hash="", now=NOW).id > other.id


def test_changing_nobody_is_a_conflict(kept: Kept) -> None:
    store = kept.store
    before = store.generation()
    for change in (
        lambda: store.change_account(ANN, suspended=True),
        lambda: store.remove_account(ANN),
        lambda: store.grant(ANN, Grant("@example.org")),
        lambda: store.withdraw(ANN, Grant("@example.org")),
        lambda: store.add_app_password(ANN, label="", fingerprint=b"", now=NOW),
        lambda: store.revoke_app_password(ANN, 1, now=NOW),
    ):
        with pytest.raises(Conflict):
            change()
    assert store.app_passwords(ANN) == []
    assert store.generation() == before
    assert store.journal(kind=None, since=0, limit=9) == []


def test_rights_are_given_and_taken_away(kept: Kept) -> None:
    store = kept.store
    store.add_account(ANN, name="", password_hash="", now=NOW)
    news, domain = Grant("news@example.org"), Grant("@example.com")
    store.grant(ANN, news)
    store.grant(ANN, domain)
    assert store.grant(ANN, domain).grants == {news, domain}
    assert store.withdraw(ANN, news).grants == {domain}
    with pytest.raises(Conflict):
        store.withdraw(ANN, news)
    assert store.accounts()[0].grants == {domain}


def test_app_passwords_are_listed_used_and_revoked(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_directory, "_LATE", 0.01)
    store = kept.store
    account = store.add_account(ANN, name="", password_hash="", now=NOW)
    printer = store.add_app_password(ANN, label="printer", fingerprint=b"\0\xff", now=NOW)
    phone = store.add_app_password(ANN, label="phone", fingerprint=b"2", now=NOW + 1)
    assert store.app_passwords(ANN) == [printer, phone]
    assert (printer.account, printer.fingerprint) == (account.id, b"\0\xff")
    before = store.generation()
    revoked = store.revoke_app_password(ANN, printer.id, now=NOW + 2)
    assert revoked.revoked == NOW + 2
    assert store.revoke_app_password(ANN, printer.id, now=NOW + 3).revoked == NOW + 2
    assert store.generation() != before
    with pytest.raises(Conflict):
        store.revoke_app_password(ANN, 999, now=NOW)
    before = store.generation()
    store.used_app_password(phone.id, now=NOW + 5, peer="192.0.2.1")
    assert store.generation() == before
    deadline = time.monotonic() + 5
    while store.app_passwords(ANN)[1].last_used is None and time.monotonic() < deadline:
        time.sleep(0.02)
    used = store.app_passwords(ANN)[1]
    assert (used.last_used, used.last_peer) == (NOW + 5, "192.0.2.1")
    store.remove_account(ANN)
    assert store.app_passwords(ANN) == []


def test_the_desk_selects(kept: Kept) -> None:
    store = kept.store
    one, two = new(BOB, EVE, slot=1), new(BOB, at=NOW + 1)

    async def test(queue: Queue) -> None:
        await queue.accept(one)
        await queue.accept(two)
        await queue.settle(
            [settled(born(one), State.DEFERRED, due=NOW + 60, route="upstream:x", cause="dns")]
        )

    kept.run(test)
    first, second = spell(one.message.id), spell(two.message.id)

    def ids(**selection: str | State) -> list[str]:
        return [row.id for row in store.rows(Selection(**selection), limit=9)]  # type: ignore[arg-type]  # by name

    assert ids() == [f"{first}-1", f"{first}-2", f"{second}-1"]
    assert ids(id=first) == [f"{first}-1", f"{first}-2"]
    assert ids(id=f"{first.lower()}-2") == [f"{first}-2"]
    assert ids(id="nonsense") == ids(id=f"{first}-x") == []
    assert ids(sender="ANN@example.org", recipient="Bob@Example.com", id=second) == [f"{second}-1"]
    assert ids(domain="EXAMPLE.com") == [f"{first}-1", f"{second}-1"]
    assert ids(domain="ample.com") == ids(sender="nobody@example.org") == []
    assert ids(route="upstream:x") == ids(cause="dns") == [f"{first}-1"]
    assert ids(state=State.DEFERRED, id=first) == [f"{first}-1"]
    rows = store.rows(Selection(), limit=2)
    assert [(r.sending, r.next_attempt) for r in rows] == [(False, NOW + 60), (True, NOW + 300)]
    assert (rows[0].sender, rows[0].recipient) == ("Ann@example.org", "bob@example.com")
    assert (rows[0].message, rows[0].route, rows[0].attempts) == (first, "upstream:x", 1)


def test_the_desk_holds_releases_retries_and_cancels(kept: Kept) -> None:
    store = kept.store
    made, sending = new(), new(slot=1)

    async def test(queue: Queue) -> None:
        await queue.accept(made)
        await queue.accept(sending)
        everything = Selection()
        assert store.hold(everything, now=NOW) == 1
        assert await queue.claim(2, now=NOW, lease_until=NOW + 9, limit=9) == []
        assert store.hold(everything, now=NOW) == store.retry(everything, now=NOW) == 0
        assert store.release(everything, now=NOW + 7) == 1
        assert queue.next_due() == NOW + 7
        assert store.retry(everything, now=NOW + 8) == 1
        assert queue.next_due() == NOW + 8
        assert store.cancel(everything, now=NOW + 9) == 1
        with pytest.raises(Conflict):
            queue.content(made.message.id)
        assert store.cancel(Selection(id="?"), now=NOW) == 0
        assert store.cancel(everything, now=NOW + 300) == 1
        assert await queue.settle([settled(born(sending), State.DELIVERED)]) == 0

    kept.run(test)
    assert store.rows(Selection(), limit=9) == []
    assert dict(store.counts()) == {State.CANCELLED: 2}
    assert [row.state for row in store.rows(Selection(), limit=9, all=True)] == [
        State.CANCELLED
    ] * 2
    life = store.life(made.message.id)
    assert life is not None
    states = [happening.data.get("state") for happening in life.happenings]
    assert states == [None, "held", "queued", "queued", "cancelled"]


def test_captured_mail_is_shown_and_cleared(kept: Kept) -> None:
    store = kept.store
    one, two, sent = new(BOB, EVE, slot=1), new(BOB, EVE, slot=1), new(slot=1)

    async def test(queue: Queue) -> None:
        for made in (one, two, sent):
            await queue.accept(made)
        await queue.settle(
            [
                settled(born(one, 1), State.CAPTURED),
                settled(born(one, 2), State.CAPTURED),
                settled(born(two, 1), State.CAPTURED),
                settled(born(sent), State.DELIVERED),
            ]
        )

    kept.run(test)
    assert [(c.message, c.recipients) for c in store.captured(limit=9)] == [
        (two.message, ("bob@example.com",)),
        (one.message, ("bob@example.com", "eve@bücher.example")),
    ]
    assert len(store.captured(limit=1)) == 1
    assert store.captured_message(sent.message.id) is None
    assert b"".join(store.source(one.message.id).pieces()) == b"Subject: hi\r\n\r\nhello\r\n"
    with pytest.raises(Conflict):
        store.source(sent.message.id)
    assert store.clear() == 2
    assert store.captured(limit=9) == []
    assert store.life(one.message.id) is None
    assert store.find("eve@bücher.example", limit=9) == [two.message.id]
    assert [row.recipient for row in store.rows(Selection(), limit=9)] == ["eve@bücher.example"]


def test_a_message_id_is_found_with_and_without_its_brackets(kept: Kept) -> None:
    made = [new(slot=1, at=NOW + n, message_id=word) for n, word in enumerate(("<a@b>", "c@d"))]

    async def test(queue: Queue) -> None:
        for one in made:
            await queue.accept(one)

    kept.run(test)
    for word, one in zip(("a@b", "c@d"), made, strict=True):
        assert kept.store.find(word, limit=9) == [one.message.id]
        assert kept.store.find(f"<{word}>", limit=9) == [one.message.id]


def test_a_message_is_found_and_tells_its_life(kept: Kept) -> None:
    store = kept.store
    old, made = new(slot=1), new(BOB, EVE, at=NOW + 1, slot=1, message_id="<Ab@example.org>")

    async def test(queue: Queue) -> None:
        await queue.accept(old)
        await queue.accept(made)
        await queue.settle([settled(born(made), State.DELIVERED, reply="250 ok")])

    kept.run(test)
    wanted = made.message.id
    assert store.find(spell(wanted).lower(), limit=9) == [wanted]
    assert store.find(f"{spell(wanted)}-1", limit=9) == [wanted]
    assert (
        store.find("<ab@EXAMPLE.org>", limit=9)
        == store.find("Ab@example.org", limit=9)
        == [wanted]
    )
    assert store.find("ann@example.org", limit=9) == [wanted, old.message.id]
    assert store.find("Bob@example.com", limit=1) == [wanted]
    assert store.find("", limit=9) == store.find("nobody@example.org", limit=9) == []
    life = store.life(wanted)
    assert life is not None
    assert life.message == made.message
    assert [row.state for row in life.deliveries] == [State.DELIVERED, State.QUEUED]
    assert [happening.kind for happening in life.happenings] == ["accepted", "settled"]
    [(number, attempt)] = life.attempts
    assert (number, attempt) == (1, settled(born(made), State.DELIVERED).attempt)
    assert store.life(QueueId(1)) is None
    kinds = [h.kind for h in store.journal(kind=None, since=NOW + 1, limit=9)]
    assert kinds == ["settled", "accepted"]


def test_messages_are_found_however_far_apart(kept: Kept) -> None:
    made = [new(at=NOW + days * 86_400) for days in (0, 1, 1.0001, 30)]

    async def test(queue: Queue) -> None:
        for each in made:
            await queue.accept(each)

    kept.run(test)
    ids = [each.message.id for each in made]
    assert kept.store.find("bob@example.com", limit=9) == ids[::-1]
    assert kept.store.find("bob@example.com", limit=2) == ids[:1:-1]


def test_what_is_finished_is_forgotten(kept: Kept) -> None:
    store = kept.store
    done, waiting, young = new(slot=1), new(), new(at=NOW + 9, slot=1)

    async def test(queue: Queue) -> None:
        for made in (done, waiting, young):
            await queue.accept(made)
        await queue.settle([settled(born(done), State.DELIVERED)])
        await queue.settle([settled(born(young), State.DELIVERED)])

    kept.run(test)
    assert store.forget(before=NOW + 5) == 1
    assert store.forget(before=NOW + 5) == 0
    assert store.life(done.message.id) is None
    assert store.find(spell(done.message.id), limit=9) == []
    assert store.find("ann@example.org", limit=9) == [young.message.id, waiting.message.id]
    assert [h.at for h in store.journal(kind=None, since=0, limit=9)] == [NOW + 9]


def test_a_command_tells_what_it_changed(kept: Kept) -> None:
    entry = Administered(at=NOW, what="account add", subject=ANN)
    kept.store.record(entry)
    [told] = kept.store.journal(kind="administered", since=0, limit=9)
    assert told.data == {"what": "account add", "subject": ANN}


def test_a_dead_slot_lets_go_of_its_claims(kept: Kept) -> None:
    one, two = new(slot=1), new(slot=2)

    async def test(queue: Queue) -> None:
        await queue.accept(one)
        await queue.accept(two)
        kept.store.tidy(now=NOW, released_slots=[1, 5])
        claimed = await queue.claim(3, now=NOW, lease_until=NOW + 9, limit=9)
        assert [c.message for c in claimed] == [one.message]
        # It may have been sent whole just before: whatever comes of it now may be there twice.
        assert [d.state for d in claimed[0].deliveries] == [State.UNCERTAIN]
        told = kept.store.journal(kind="settled", since=0, limit=9)
        assert [(e.data["state"], e.data["cause"]) for e in told] == [("uncertain", "server")]
        assert "may have arrived" in str(told[0].data["why"])

    kept.run(test)


def test_files_that_nobody_owns_are_deleted_when_old(kept: Kept) -> None:
    def large(id: QueueId) -> StoredBody:
        spool = kept.bodies.spool()
        spool.append(b"x" * 70_000)
        body = spool.finish(id)
        assert isinstance(body, StoredBody)
        os.utime(kept.bodies.path(body.name), (NOW - 9000, NOW - 9000))
        return body

    ids = QueueIds(9)
    owned, orphan, young = (large(ids.next(NOW)) for _ in range(3))
    os.utime(kept.bodies.path(young.name), (NOW - 60, NOW - 60))
    abandoned = kept.bodies.spool()
    abandoned.append(b"x" * 70_000)
    abandoned.flush()
    made = new(body=owned, slot=1)

    async def test(queue: Queue) -> None:
        await queue.accept(made)
        kept.store.tidy(now=NOW, released_slots=())
        exists = [kept.bodies.path(body.name).exists() for body in (owned, orphan, young)]
        assert exists == [True, False, True]
        assert b"".join(queue.content(made.message.id).pieces()).endswith(b"x" * 70_000)
        await queue.settle([settled(born(made), State.DELIVERED)])

    kept.run(test)
    assert not kept.bodies.path(owned.name).exists()
    abandoned.discard()
