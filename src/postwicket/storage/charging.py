"""Charge a message by looking first: where the statement that adds it found its day used up.

The usual way is the trigger `charge` (sql/writing.sql); here is the other one, which can say
when there will be room again, and knows what to do when another process was in a later minute.
"""

from __future__ import annotations

import sqlite3

from .named import SQLITE
from .usage import ended, minute_of, over_limit, too_much
from .values import Charge, NewMessage, OverLimit


def charge(connection: sqlite3.Connection, new: NewMessage, cost: Charge) -> OverLimit | None:
    """Charge the account if there is room; move its window first if a minute has passed."""
    now = new.message.received
    row = connection.execute(SQLITE["usage total"], (cost.account,)).fetchone()
    minute, messages, recipients = row or (minute_of(now), 0, 0)
    # An account's time never runs backwards: what has left the window stays out of it.
    if minute_of(now) > minute:
        minute = minute_of(now)
        gone = connection.execute(SQLITE["end usage"], (cost.account, ended(minute))).fetchall()
        messages -= sum(row[0] for row in gone)
        recipients -= sum(row[1] for row in gone)
    fits = too_much(cost, messages, recipients) is None
    if fits:
        messages, recipients = messages + cost.messages, recipients + cost.recipients
        values = (cost.account, minute, cost.messages, cost.recipients)
        connection.execute(SQLITE["add usage"], values)
    connection.execute(SQLITE["set usage total"], (cost.account, minute, messages, recipients))
    if fits:
        return None
    minutes = connection.execute(SQLITE["usage minutes"], (cost.account, ended(minute))).fetchall()
    return over_limit(cost, minutes, now=max(now, minute * 60.0))
