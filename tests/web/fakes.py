"""An inbox in memory, a browser without a network, and mail to look at."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage

from starlette.types import ASGIApp, Message, Scope

from postwicket.config import Listener, Settings
from postwicket.core.address import Address
from postwicket.core.envelope import Envelope, Recipient, Sender
from postwicket.core.queue_id import QueueId
from postwicket.storage.interfaces import Conflict, StorageUnavailable
from postwicket.storage.values import CapturedMessage
from postwicket.storage.values import Message as Submitted

NOW = 1_893_499_200.0


@dataclass(frozen=True, slots=True)
class FakeContent:
    """A message in memory."""

    data: bytes

    @property
    def size(self) -> int:
        """Octets."""
        return len(self.data)

    @property
    def header(self) -> bytes:
        """The fields."""
        return self.data.partition(b"\r\n\r\n")[0] + b"\r\n"

    def pieces(self) -> Iterator[bytes]:
        """Yield it in two pieces."""
        yield self.data[:20]
        yield self.data[20:]


@dataclass(slots=True)
class FakeInbox:
    """Captured mail in memory; `broken` makes it fail."""

    mail: list[tuple[CapturedMessage, bytes]] = field(default_factory=list)
    broken: bool = False

    def put(
        self, source: bytes, *, subject: str = "", to: Sequence[str] = ("bob@example.net",)
    ) -> int:
        """Add a message; return its id as a number."""
        number = len(self.mail) + 1
        recipients = tuple(Recipient(Address.parse(address)) for address in to)
        message = Submitted(
            id=QueueId(number),
            account="ann@example.org",
            envelope=Envelope(Sender(address=Address.parse("ann@example.org")), recipients),
            size=len(source),
            received=NOW - 3600 * number,
            expires=NOW,
            subject=subject,
        )
        self.mail.insert(0, (CapturedMessage(message=message, recipients=tuple(to)), source))
        return number

    def captured(self, *, limit: int) -> list[CapturedMessage]:
        """Return the newest."""
        if self.broken:
            raise StorageUnavailable("the disk is on fire")
        return [captured for captured, _ in self.mail[:limit]]

    def captured_message(self, id: QueueId) -> CapturedMessage | None:
        """Return one."""
        return next((one for one, _ in self.mail if one.message.id == id), None)

    def source(self, id: QueueId) -> FakeContent:
        """Return its bytes."""
        for one, source in self.mail:
            if one.message.id == id:
                return FakeContent(source)
        raise Conflict("gone")

    def clear(self) -> int:
        """Forget everything."""
        count = len(self.mail)
        self.mail.clear()
        return count


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


async def get(
    app: ASGIApp,
    path: str,
    *,
    host: str | None = "localhost:8025",
    client: str | None = "127.0.0.1",
    method: str = "GET",
    body: bytes = b"",
    headers: Sequence[tuple[bytes, bytes]] = (),
) -> Answer:
    """Ask the application, as uvicorn would."""
    path, _, query = path.partition("?")
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [*([] if host is None else [(b"host", host.encode())]), *headers],
        "client": None if client is None else (client, 50000),
        "server": ("127.0.0.1", 8025),
    }
    answer: list[Message] = []
    asked: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if not asked:
            await asyncio.Event().wait()  # the browser stays for the answer
        return asked.pop()

    async def send(message: Message) -> None:
        answer.append(message)

    await app(scope, receive, send)
    start = next(message for message in answer if message["type"] == "http.response.start")
    told = {name.decode().lower(): value.decode() for name, value in start["headers"]}
    whole = b"".join(message.get("body", b"") for message in answer)
    return Answer(start["status"], told, whole)


def settings(data: object, **more: object) -> Settings:
    """Return settings with a loopback submission and a web listener."""
    return Settings.model_validate(
        {
            "hostname": "mail.example.org",
            "data": str(data),
            "listener": [
                Listener(address="127.0.0.1:2587"),
                Listener(address="127.0.0.1:2465", tls="implicit"),
                Listener(address="127.0.0.1:0", kind="http", tls="none"),
            ],
            **more,
        }
    )


PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c63606060f80f0001040100a5d1b3b00000000049454e44ae426082"
)


def newsletter() -> bytes:
    """Return a message with everything: text, HTML with a picture, attachment, scripts."""
    mail = EmailMessage()
    mail["From"] = "Ann Grün <ann@example.org>"
    mail["To"] = "Bob <bob@example.net>, Carol <carol@example.net>"
    mail["Subject"] = "Grüße: your invoice for November is here"
    mail["Date"] = "Mon, 23 Nov 2026 09:27:17 +0000"
    mail["Message-ID"] = "<1@example.org>"
    mail.set_content("Hello Bob,\n\nplease pay here: https://pay.example.org/i/1?a=1&b=2.\n")
    mail.add_alternative(
        '<h1 style="color:#17614c">Your invoice</h1><p>Hello <b>Bob</b>,</p>'
        '<p>please <a href="https://pay.example.org/i/1">pay here</a> or '
        '<a href="javascript:alert(1)">not here</a>.</p>'
        '<img src="cid:logo" width="40" height="40" alt="logo">'
        '<img src="https://tracker.example/pixel.gif" alt="tracker">'
        "<script>document.body.innerHTML = 'owned'</script>",
        subtype="html",
    )
    html = mail.get_payload()[1]  # type: ignore[index] # a list, as there are two parts
    html.add_related(PICTURE, "image", "png", cid="<logo>")  # type: ignore[union-attr] # a part
    mail.add_attachment(
        b"%PDF-1.4 nothing", "application", "pdf", filename="../../Rechnung März.pdf"
    )
    return mail.as_bytes(policy=mail.policy.clone(linesep="\r\n"))
