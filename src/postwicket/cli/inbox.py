"""`postwicket inbox`: mail that was captured instead of sent."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from email.message import Message
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from postwicket.core.clock import rfc3339
from postwicket.core.queue_id import QueueId, read, spell

from . import show
from .call import WRONG, Call, ConfigOption, JsonOption, Refused, group, now, tell_journal

if TYPE_CHECKING:
    from postwicket.storage.interfaces import Store
    from postwicket.storage.values import CapturedMessage

app = group("The local inbox: mail that the capture route kept.")

IdArgument = Annotated[str, typer.Argument(metavar="ID", show_default=False)]


def describe(captured: CapturedMessage) -> dict[str, object]:
    """Return a captured message as JSON shows it."""
    message = captured.message
    return {
        "id": spell(message.id),
        "message": spell(message.id),
        "sender": message.envelope.return_path,
        "recipients": list(captured.recipients),
        "subject": message.subject,
        "size": message.size,
        "received": rfc3339(message.received),
    }


@app.command("list")
def list_inbox(
    context: typer.Context,
    *,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 50,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List captured mail, newest first."""
    call = Call.of(context, config, as_json)
    with call.store() as store:
        found = store.captured(limit=limit + 1)
    if call.json:
        show.document([describe(one) for one in found[:limit]])
        return
    if not found:
        show.hint("the inbox is empty; mail arrives here by the route capture")
        return
    at = now()
    rows = [
        (
            spell(one.message.id),
            show.when(one.message.received, at),
            one.message.envelope.return_path or "<>",
            ", ".join(one.recipients),
            one.message.subject,
            show.size(one.message.size),
        )
        for one in found[:limit]
    ]
    show.table(("id", "received", "sender", "recipients", "subject", "size"), rows)
    if len(found) > limit:
        show.hint(f"the newest {limit} are shown; --limit N shows more")


@app.command("show")
def show_message(
    context: typer.Context,
    id: IdArgument,
    *,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one message: its header, its text, the names of its attachments."""
    call = Call.of(context, config, as_json)
    key = _key(id)
    with call.store() as store:
        captured = _captured(store, key)
        content = store.source(key)
        headers = _headers(content.header)
        pieces = _take_apart(b"".join(content.pieces()))
    html, text, attachments = pieces or _Pieces(None, None, [])
    if call.json:
        facts = {"headers": headers, "text": text, "html": html, "attachments": attachments}
        show.document({**describe(captured), **facts})
        return
    for name, value in headers:
        show.say(f"{name}: {value}")
    show.say("")
    if text is not None:
        # Lines of mail end in CR LF; a terminal wants LF.
        show.say(text.replace("\r\n", "\n").rstrip("\n"))
    elif html is not None:
        show.say("(HTML only; see inbox source, or the web inbox)")
    elif pieces is None:
        show.hint("this message cannot be taken apart; see inbox source")
    for one in attachments:
        show.say(f"\n[{one['filename'] or 'without a name'}: {one['type']}, {one['size']} octets]")


@app.command()
def source(
    context: typer.Context,
    id: IdArgument,
    *,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write one message to standard output, exactly as it would have gone out."""
    call = Call.of(context, config, as_json)
    key = _key(id)
    with call.store() as store:
        _captured(store, key)
        pieces = store.source(key).pieces()
        if call.json:
            text = b"".join(pieces).decode("utf-8", "backslashreplace")
            show.document({"id": spell(key), "source": text})
            return
        for piece in pieces:
            sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


@app.command()
def clear(
    context: typer.Context, *, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Delete all captured mail."""
    call = Call.of(context, config, as_json)
    with call.store() as store:
        count = store.clear()
        tell_journal(store, "inbox clear", f"{count} messages")
    show.document({"removed": count}) if call.json else show.say(f"{count} messages are gone")


def _key(id: str) -> QueueId:
    try:
        return read(id)
    except ValueError as error:
        raise Refused(f"{error}; see postwicket inbox list", WRONG) from None


def _captured(store: Store, key: QueueId) -> CapturedMessage:
    captured = store.captured_message(key)
    if captured is None:
        raise Refused(f"there is no {spell(key)} in the inbox; see postwicket inbox list")
    return captured


class _Pieces(NamedTuple):
    html: str | None
    text: str | None
    attachments: list[dict[str, object]]


def _headers(header: bytes) -> list[tuple[str, str]]:
    """Return names and values for people, read by our own parser: it fears nothing."""
    from postwicket.message.header import Header, MalformedHeader

    try:
        fields = Header.parse(header).fields
    except MalformedHeader:  # not through our door
        return []
    return [(field.name.decode("ascii"), " ".join(field.text.split())) for field in fields]


def _take_apart(source: bytes) -> _Pieces | None:
    """Return text, HTML and attachments; None for mail that Python's parser fails on."""
    from email import message_from_bytes

    try:
        # Its newer policies read all addresses, and some headers take them seconds.
        parsed = message_from_bytes(source)
        attachments = [_attachment(part) for part in _parts(parsed) if _is_attachment(part)]
        return _Pieces(_text(parsed, "html"), _text(parsed, "plain"), attachments)
    except Exception:  # noqa: BLE001 - it fails in many ways, too deep nesting among them
        return None


def _text(parsed: Message, kind: str) -> str | None:
    """Return the first text of this kind that is no attachment; None where there is none."""
    for part in _parts(parsed):
        if part.get_content_type() == f"text/{kind}" and not _is_attachment(part):
            payload = part.get_payload(decode=True)
            data = payload if isinstance(payload, bytes) else b""
            try:
                return data.decode(part.get_content_charset() or "utf-8", "replace")
            except (LookupError, ValueError):  # a character set that is none for text
                return data.decode("utf-8", "replace")
    return None


def _parts(parsed: Message) -> Iterator[Message]:
    for part in parsed.walk():
        if not part.is_multipart():
            yield part


def _is_attachment(part: Message) -> bool:
    named = part.get_filename() is not None
    told = part.get_content_disposition() == "attachment"
    return told or named or part.get_content_maintype() != "text"


def _attachment(part: Message) -> dict[str, object]:
    from postwicket.message.encoded_words import decode_words

    payload, name = part.get_payload(decode=True), part.get_filename()
    return {
        "filename": None if name is None else decode_words(name),
        "type": part.get_content_type(),
        "size": len(payload) if isinstance(payload, bytes) else 0,
    }
