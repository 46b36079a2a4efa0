"""Messages on which signers and verifiers have disagreed, or could."""

from __future__ import annotations

PLAIN = (
    b"From: Ann <ann@example.org>\r\nTo: bob@example.com\r\nSubject: tea\r\n"
    b"Date: Tue, 24 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n"
)
TEXT = b"At four?\r\n"

HEADERS = {
    "plain": PLAIN,
    "only a From": b"From: ann@example.org\r\n",
    "folded": PLAIN + b"References: <a@example.org>\r\n <b@example.org>\r\n\t<c@example.org>\r\n",
    "folded to nothing": PLAIN + b"Cc: eve@example.com,\r\n \r\n\t\r\n fay@example.com\r\n",
    "value on the next line": PLAIN + b"In-Reply-To:\r\n <0@example.org>\r\n",
    "no space after the colon": b"From:ann@example.org\r\nSubject:tea\r\nTo:bob@example.com\r\n",
    "empty values": PLAIN + b"Cc:\r\nReply-To: \r\nReferences:\t \r\n",
    "tabs": b"From:\tann@example.org\t\r\nSubject:\t tea\t\t at  \tfour \t \r\n",
    "shouted": b"FROM: ann@example.org\r\nSUBJECT: TEA\r\nmessage-id: <1@example.org>\r\n",
    "twice": PLAIN + b"To: eve@example.com\r\nSubject: coffee\r\nTo: fay@example.com\r\n",
    "8-bit": PLAIN.replace(b"tea", b"Gr\xfc\xdfe \xff\x80"),
    "UTF-8": PLAIN.replace(b"Ann", "Ännchen".encode()).replace(b"tea", "お茶 🍵".encode()),
    "SMTPUTF8": "From: änn@example.org\r\nTo: jürgen@bücher.example\r\nSubject: Tee\r\n".encode(),
    "very long": PLAIN + b"References: " + b"<0123456789@example.org> " * 800 + b"\r\n",
    "long and folded": PLAIN + b"References:" + b"\r\n <0123456789@example.org>" * 800 + b"\r\n",
    "a list": (
        PLAIN + b"List-Id: <tea.example.org>\r\nSender: tea@example.org\r\n"
        b"List-Unsubscribe: <https://example.org/u?a=b;c=d>\r\n"
        b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    ),
    "traces": b"Received: from a by b; now\r\nReturn-Path: <x@example.org>\r\n" + PLAIN,
    "signed before": (
        PLAIN + b"DKIM-Signature: v=1; a=rsa-sha256; d=other.example; s=x; c=simple/simple;\r\n"
        b" h=from; bh=AAAA; b=AAAA\r\n"
    ),
    "colons and semicolons": PLAIN.replace(b"tea", b"a: b; c=d; =?utf-8?q?=3D?= : ;"),
    "resent": PLAIN + b"Resent-From: eve@example.com\r\nResent-To: a@example.com\r\n",
}

BODIES = {
    "nothing": b"",
    "an empty line": b"\r\n",
    "many empty lines": b"\r\n" * 500,
    "only white space": b" \t \r\n\t\r\n  \r\n",
    "white space at ends": b"one \r\ntwo\t\r\nthree \t \r\n \r\n\r\n",
    "white space inside": b"a  b\t\tc \t d\r\n  indented\r\n\ttabbed\r\n",
    "empty lines inside": b"a\r\n\r\n\r\nb\r\n\r\n",
    "dots": b".\r\n..\r\n.a\r\n",
    "8-bit": b"Gr\xfc\xdfe\r\n\xff\xfe\x80\r\n",
    "nearly binary": bytes(octet for octet in range(1, 256) if octet not in b"\r\n") + b"\r\n",
    "From at the start": b"From here on\r\n>From there\r\n",
    "a long line": b"x" * 998 + b"\r\n" + b"y " * 400 + b"\r\n",
    "100,000 lines": b"".join(b"line %d \t of many\r\n" % n for n in range(100_000)) + b"\r\n" * 9,
    "base64": (b"QUJD" * 19 + b"\r\n") * 5000,
}

MESSAGES = {f"header: {name}": (header, TEXT) for name, header in HEADERS.items()} | {
    f"body: {name}": (PLAIN, body) for name, body in BODIES.items()
}
