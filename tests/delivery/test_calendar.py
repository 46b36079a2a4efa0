"""Nobody fills the window, and who is sent away knows when to come back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from postwicket.delivery.calendar import FIRST, LONGEST, UNKNOWN_RATE, Calendar
from postwicket.delivery.pacing import Pacing
from postwicket.policy.pace import Rule

START = 1_000_000.0


class Clock:
    """A clock that stands until somebody moves it."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def calendar(window: int = 1000) -> tuple[Calendar, Clock]:
    clock = Clock()
    return Calendar(window, clock, lambda: 0.5), clock


def fill(window: Calendar, account: str, place: str, *, bulk: bool = False) -> int:
    """Let one account send to one place until it is turned away; return how many came in."""
    count = 0
    while window.turned_away(account, place, bulk=bulk) is None:
        window.enter(account, place, 1, bulk=bulk)
        count += 1
        assert count <= window.window
    return count


@given(
    st.lists(
        st.tuples(st.sampled_from("abcde"), st.integers(0, 30), st.booleans(), st.booleans()),
        max_size=300,
    ),
    st.integers(128, 2000),  # less is less than one delivery for each of so many
)
def test_there_is_always_room_for_who_comes_next(
    comers: list[tuple[str, int, bool, bool]], size: int
) -> None:
    window, _ = calendar(size)
    for account, place, bulk, proven in comers:
        name = f"site {place}"
        window.prove(window.place(name), proven=proven)
        fill(window, account, name, bulk=bulk)
        assert window.held < window.window
    if window._unproven < window.window / 2 - 1:
        assert window.turned_away("new", "site new", bulk=False) is None
    window.prove(window.place("site new"), proven=True)
    assert window.turned_away("new", "site new", bulk=False) is None


@given(st.lists(st.tuples(st.sampled_from(["prove", "doubt", "in", "out"]), st.integers(0, 3))))
def test_the_books_balance(moves: list[tuple[str, int]]) -> None:
    window, _ = calendar()
    held = [0, 0, 0, 0]
    for move, place in moves:
        name = f"site {place}"
        if move in {"prove", "doubt"}:
            window.prove(window.place(name), proven=move == "prove")
        elif move == "in":
            window.enter("a", name, 2, bulk=False)
            held[place] += 2
        elif held[place]:
            window.leave("a", name, 1, bulk=False, done=True)
            held[place] -= 1
    assert window.held == sum(held)
    unproven = sum(h for n, h in enumerate(held) if not window.place(f"site {n}").proven)
    assert window._unproven == unproven


def test_those_whom_nobody_knows_share_half() -> None:
    window, _ = calendar()
    for n in range(300):
        fill(window, f"account {n % 7}", f"site {n}")
    assert window.held <= 500
    window.prove(window.place("site good"), proven=True)
    assert fill(window, "good", "site good") == FIRST
    # One that is found to take mail makes room for others whom nobody knows.
    window.prove(window.place("site 0"), proven=True)
    assert window.turned_away("x", "site 301", bulk=False) is None


def test_who_takes_much_may_hold_much() -> None:
    window, clock = calendar()
    site = window.place("site quick")
    window.prove(site, proven=True)
    assert fill(window, "a", "site quick") == FIRST
    for _ in range(100):
        clock.now += 0.5
        window.leave("a", "site quick", FIRST, bulk=False, done=True)
        window.enter("a", "site quick", FIRST, bulk=False)
    more = fill(window, "a", "site quick")
    assert 450 <= FIRST + more <= 500  # half of the window, were it alone


def test_one_account_leaves_a_third_and_bulk_a_half() -> None:
    window, _ = calendar()
    window.trust("upstream relay")
    assert 660 <= fill(window, "big", "upstream relay") <= 670
    assert fill(window, "small", "upstream relay") > 50
    other, _ = calendar()
    other.trust("upstream relay")
    assert fill(other, "a", "upstream relay", bulk=True) == 500


def test_turns_are_spread_at_the_rate_of_the_site() -> None:
    window, clock = calendar()
    site = window.place("site paced")
    site.pacing = Pacing(Rule(per_minute=60))
    window.prove(site, proven=True)
    fill(window, "a", "site paced")
    turned = window.turned_away("a", "site paced", bulk=False)
    assert turned is not None
    assert "60 messages a minute" in turned.why
    assert "about 16 deliveries are before this one" in turned.why
    times = [window.book(turned.share, 1) for _ in range(100)]
    assert times == sorted(times)
    assert FIRST <= times[0] - START <= FIRST + 2
    assert len(set(times)) < 90  # in batches
    assert 90 <= times[-1] - times[0] <= 110
    clock.now += 10
    assert window.book(turned.share, 1) >= times[-1]


def test_nobody_is_away_for_long() -> None:
    window, _ = calendar()
    site = window.place("site dead")
    times = [window.book(site, 1, not_before=START + 300) for _ in range(100_000)]
    assert min(times) >= START + 300
    assert max(times) <= START + 300 + LONGEST + 16
    assert times[1000] - times[0] > 0.9 * 1000 / UNKNOWN_RATE


def test_an_upstream_that_is_back_gets_its_mail_soon() -> None:
    window, clock = calendar()
    window.trust("upstream relay")
    relay = window.place("upstream relay")
    for _ in range(20):
        clock.now += 1
        window.enter("a", relay.name, 10, bulk=False)
        window.leave("a", relay.name, 10, bulk=False, done=True)
    clock.now += 20  # it is down, and nothing passes
    back = clock.now + 60
    times = [window.book(relay, 1, not_before=back) for _ in range(5000)]
    assert max(times) - back < 15


def test_a_site_that_nobody_wrote_to_is_hoped_to_be_quick() -> None:
    window, clock = calendar()
    site = window.place("site quick")
    window.prove(site, proven=True)
    window.enter("a", site.name, 1, bulk=False)
    window.leave("a", site.name, 1, bulk=False, done=True)
    clock.now += 3600
    times = [window.book(site, 1) for _ in range(1000)]
    assert max(times) - clock.now < 10


def test_fresh_mail_leaves_room_for_what_was_sent_away() -> None:
    window, _ = calendar()
    window.trust("upstream relay")
    window.book(window.place("upstream relay"), 500)
    while window.turned_away("a", "upstream relay", bulk=False, fresh=True) is None:
        window.enter("a", "upstream relay", 1, bulk=False)
    assert window.turned_away("b", "upstream relay", bulk=False) is None


def test_what_nobody_uses_is_forgotten() -> None:
    window, _ = calendar()
    for n in range(1000):
        window.enter(f"a{n}", f"domain d{n}.example", 1, bulk=False)
        window.move(f"domain d{n}.example", "site x", 1)
        window.leave(f"a{n}", "site x", 1, bulk=False, done=True)
    window.tidy()
    assert (len(window._places), len(window._accounts)) == (0, 0)
