"""`postwicket trace`: the life of a message, from who handed it in to what became of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from postwicket.core.clock import rfc3339
from postwicket.core.queue_id import spell

from . import rows, show, waiting
from .call import Call, ConfigOption, JsonOption, Refused, now

if TYPE_CHECKING:
    from postwicket.core.envelope import Demands
    from postwicket.storage.values import Attempt, Happening, Life, Message


def trace(
    context: typer.Context,
    query: Annotated[
        str,
        typer.Argument(
            metavar="QUERY",
            help="A queue id, a Message-ID, a sender or a recipient.",
            show_default=False,
        ),
    ],
    *,
    transcript: Annotated[
        bool, typer.Option("--transcript", help="What was said in each attempt.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many messages.")] = 10,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what became of messages, newest first."""
    call = Call.of(context, config, as_json)
    with call.store() as store:
        found = [store.life(one) for one in store.find(query.strip(), limit=limit + 1)]
    lives = [life for life in found if life is not None]
    if call.json:
        show.document([describe(life) for life in lives[:limit]])
    if not lives:
        raise Refused(
            f"nothing is known of {query!r}; give an id, Message-ID, sender or recipient"
        )
    if call.json:
        return
    for life in lives[:limit]:
        show.say(f"message {spell(life.message.id)}")
        show_life(life, transcript=transcript)
        show.say("")
    if len(lives) > limit:
        show.hint(f"the newest {limit} are shown; --limit N shows more")


def describe(life: Life) -> dict[str, object]:
    """Return everything that is known of a message, as JSON shows it."""
    return {
        "message": _message(life.message),
        "deliveries": [{**rows.describe(row), "sending": row.sending} for row in life.deliveries],
        "happenings": [_happening(one) for one in life.happenings],
        "attempts": [
            {"delivery": f"{spell(life.message.id)}-{number}", **_attempt(attempt)}
            for number, attempt in life.attempts
        ],
    }


def _message(message: Message) -> dict[str, object]:
    envelope = message.envelope
    return {
        "id": spell(message.id),
        "account": message.account,
        "sender": envelope.return_path,
        "recipients": [str(one.address) for one in envelope.recipients],
        "message_id": message.message_id,
        "subject": message.subject,
        "size": message.size,
        "lane": message.lane,
        "demands": _demands(message.demands),
        "envid": envelope.sender.envid,
        "received": rfc3339(message.received),
        "expires": rfc3339(message.expires),
    }


def _demands(demands: Demands) -> dict[str, object]:
    """Return what is asked for, without what is not."""
    asked = {name: value for name, value in asdict(demands).items() if value}
    if demands.deliver_by is not None:
        asked["deliver_by"] = rfc3339(demands.deliver_by)
    if demands.not_before:
        asked["not_before"] = rfc3339(demands.not_before)
    return asked


def _demanded(demands: Demands) -> str:
    """Say what the sender demands of the way and the time."""
    words = []
    if demands.require_tls:
        words.append("TLS on the whole way (REQUIRETLS)")
    if demands.tls_optional:
        words.append("no TLS policy is to stop it (TLS-Required: No)")
    if demands.not_before:
        words.append(f"not before {show.exact(demands.not_before)}")
    if demands.deliver_by is not None:
        late = "it is returned" if demands.by_mode == "R" else "the sender is told"
        words.append(f"delivered by {show.exact(demands.deliver_by)}, else {late}")
    if demands.priority:
        words.append(f"priority {demands.priority}")
    return ", ".join(words)


def _happening(one: Happening) -> dict[str, object]:
    data = dict(one.data)
    due = data.get("next_attempt")
    if isinstance(due, int | float):
        data["next_attempt"] = rfc3339(due)
    return {"at": rfc3339(one.at), "kind": one.kind, **data}


def _attempt(attempt: Attempt) -> dict[str, object]:
    return {**asdict(attempt), "at": rfc3339(attempt.at)}


def show_life(life: Life, *, transcript: bool) -> None:
    """Print a message's timeline and where its deliveries stand."""
    message = life.message
    show.say(
        f"  from      {message.envelope.return_path or '<>'} ({message.account or 'the server'})"
    )
    if message.subject:
        show.say(f"  subject   {message.subject}")
    if message.message_id:
        show.say(f"  message-id {message.message_id}")
    show.say(f"  size      {show.size(message.size)}")
    show.say(f"  expires   {show.exact(message.expires)} ({show.when(message.expires, now())})")
    show.say(f"  lane      {message.lane}")
    if demanded := _demanded(message.demands):
        show.say(f"  demands   {demanded}")
    for one in life.happenings:
        show.say(f"  {show.exact(one.at)}  {_sentence(one)}")
    if transcript:
        for number, attempt in life.attempts:
            facts = (show.exact(attempt.at), attempt.remote, attempt.tls, attempt.trust)
            show.say(f"  attempt for delivery {number}: {', '.join(filter(None, facts))}")
            for line in attempt.transcript.splitlines():
                show.say(f"    {line}")
    rows.show_rows(life.deliveries)
    for line in waiting.explanations(life.deliveries, now()):
        show.say(f"  {line}")


def _sentence(one: Happening) -> str:
    """Say one entry of the journal in words; an unknown kind shows its data."""
    data = one.data
    if one.kind == "accepted":
        listener = f" on {data['listener']}" if data.get("listener") else ""
        secured = f" with {data['tls']}" if data.get("tls") else " without TLS"
        credential = f" ({data['credential']})" if data.get("credential") else ""
        return (
            f"accepted from {data.get('account', '')}{credential} at {data.get('peer', '?')}"
            f" [{data.get('helo', '')}]{listener}{secured}: "
            f"{data.get('recipients', '?')} recipients, {data.get('size', '?')} octets"
        )
    if one.kind == "settled":
        return _settled(dict(data))
    if one.kind == "notified":
        return f"notice {data.get('notice', '')} ({data.get('action', '')}) was queued"
    if one.kind == "came-back":
        return _came_back(dict(data))
    facts = ", ".join(f"{key} {value}" for key, value in data.items())
    return f"{one.kind}: {facts}"


def _came_back(data: dict[str, object]) -> str:
    """Say what came back: of whom, what it made of the delivery, and who said so."""
    parts = [f"came back: {data.get('what', '?')}"]
    if data.get("recipient"):
        parts.append(f"of {data['recipient']}")
    if data.get("state"):
        parts.append(f"which is {data['state']} now")
    told = [str(data[key]) for key in ("why", "reply") if data.get(key)]
    sentence = " ".join(parts)
    return f"{sentence}: {'; '.join(told)}" if told else sentence


def _settled(data: dict[str, object]) -> str:
    parts = [f"{data.get('recipient', '?')}: {data.get('state', '?')}"]
    for key, words in (
        ("route", "by"),
        ("remote", "at"),
        ("tls", "with"),
        ("cause", "because of"),
    ):
        if data.get(key):
            parts.append(f"{words} {data[key]}")
    sentence = " ".join(parts)
    why, reply = str(data.get("why", "")), str(data.get("reply", ""))
    # The reason often quotes the reply; once is enough.
    told = [text for text in (why, "" if reply in why else reply) if text]
    due = data.get("next_attempt")
    if isinstance(due, int | float):
        told.append(f"next attempt {show.exact(due)}")
    return f"{sentence}: {'; '.join(told)}" if told else sentence
