"""The site: what it shows, and what it refuses to show to whom."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.applications import Starlette

from postwicket.core.queue_id import QueueId, spell
from postwicket.web.site import PAGE, create_site

from .fakes import NOW, Answer, FakeInbox, get, newsletter, settings


class Site:
    """A site over an inbox in memory."""

    def __init__(self, data: Path) -> None:
        self.inbox = FakeInbox()
        self.app: Starlette = create_site(settings(data), self.inbox, clock=lambda: NOW)

    def get(self, path: str, **more: Any) -> Answer:
        """Ask for a page."""
        return asyncio.run(get(self.app, path, **more))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def path(number: int, *rest: str) -> str:
    return "/".join(["/inbox", spell(QueueId(number)), *rest])


def test_an_empty_inbox_says_how_to_fill_it(site: Site) -> None:
    answer = site.get("/")
    assert answer.status == 200
    for fact in ("No mail yet", "127.0.0.1", "2587", "STARTTLS", "2465", "ca.pem"):
        assert fact in answer.text


def test_the_newest_comes_first_and_strangers_words_are_text(site: Site) -> None:
    site.inbox.put(
        b"\r\nx", subject="<script>alert(1)</script>", to=["a@b.example", "c@d.example"]
    )
    site.inbox.put(b"\r\nx", subject="=?utf-8?q?Gr=C3=BC=C3=9Fe?=")
    site.inbox.put(b"\r\nx")
    text = site.get("/").text
    places = [text.index(word) for word in ("(no subject)", "Grüße", "&lt;script&gt;alert(1)")]
    assert places == sorted(places)
    assert "<script" not in text
    assert "c@d.example" in text
    assert "3 messages" in text


def test_a_long_list_has_more(site: Site) -> None:
    for number in range(PAGE + 1):
        site.inbox.put(b"\r\nx", subject=f"mail {number}")
    assert 'href="/?limit=200"' in site.get("/").text
    assert "limit=" not in site.get("/?limit=200").text
    for odd in ("x", "-1", "0", "99999999999999999999", "%00", "²"):
        assert site.get(f"/?limit={odd}").status == 200


def test_a_message_shows_all_of_itself(site: Site) -> None:
    answer = site.get(path(site.inbox.put(newsletter(), subject="x")))
    assert answer.status == 200
    for fact in (
        "Ann Grün &lt;ann@example.org&gt;",
        "<h1>Grüße: your invoice for November is here</h1>",
        "Rechnung März.pdf",
        "please pay here: https://pay.example.org/i/1?a=1&amp;b=2.",
        'href="https://pay.example.org/i/1"',
        "<dt>MIME-Version</dt><dd>1.0</dd>",
        "1 hour ago",
    ):
        assert fact in answer.text
    assert "<script" not in answer.text
    assert "javascript:" not in answer.text
    assert 'sandbox title="HTML of the message"' in answer.text
    assert "script-src" not in answer.headers["content-security-policy"]
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


def test_html_is_served_in_a_cage(site: Site) -> None:
    answer = site.get(path(site.inbox.put(newsletter()), "html"))
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none'; img-src data: cid:;")
    assert "frame-ancestors 'self'" in policy
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert b'src="data:image/png;base64,' in answer.body  # the picture that came along


def test_the_source_is_what_would_have_gone_out(site: Site) -> None:
    source = newsletter()
    answer = site.get(path(site.inbox.put(source), "source"))
    assert answer.body == source
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["content-disposition"].startswith('attachment; filename="0000000000001')


def test_an_attachment_is_saved_and_never_shown(site: Site) -> None:
    answer = site.get(path(site.inbox.put(newsletter()), "part", "3"))
    assert answer.body == b"%PDF-1.4 nothing"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == (
        "attachment; filename=\"Rechnung_M_rz.pdf\"; filename*=UTF-8''Rechnung%20M%C3%A4rz.pdf"
    )


@pytest.mark.parametrize(
    "where",
    [
        "/nothing",
        "/inbox/0000000000002",
        "/inbox/..%2f..%2fetc%2fpasswd",
        "/inbox/000000000000",
        "/inbox/' OR 1=1--",
        "/inbox/0000000000001/part/99",
        "/inbox/0000000000001/part/99999999999999999999",
        "/inbox/0000000000001/part/-1",
        "/inbox/0000000000001/html",
        "/static/../site.py",
        "/static/nothing.css",
    ],
)
def test_what_is_not_there_is_a_plain_404(site: Site, where: str) -> None:
    site.inbox.put(b"Subject: x\r\n\r\nx")
    answer = site.get(where)
    assert answer.status == 404
    assert "There is nothing here" in answer.text


@pytest.mark.parametrize("where", ["/", "/livez", "/static/site.css", "/nothing", path(1)])
def test_every_answer_carries_the_security_headers(site: Site, where: str) -> None:
    site.inbox.put(newsletter())
    headers = site.get(where).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "set-cookie" not in headers


def test_nothing_can_be_changed(site: Site) -> None:
    site.inbox.put(newsletter())
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert site.get(path(1), method=method).status == 405
    assert site.get(path(1), method="HEAD").status == 200


def test_health(site: Site) -> None:
    assert site.get("/livez").text == "ok\n"
    answer = site.get("/readyz")
    assert answer.status == 200
    assert '"ready":true' in answer.text
    site.inbox.broken = True
    assert site.get("/livez").status == 200
    answer = site.get("/readyz")
    assert answer.status == 503
    assert '"database":"the disk is on fire"' in answer.text


@pytest.mark.parametrize("lack", ["f_bavail", "f_favail"])
def test_a_full_disk_is_not_ready(site: Site, monkeypatch: pytest.MonkeyPatch, lack: str) -> None:
    disk = {"f_bavail": 2**40, "f_frsize": 1, "f_files": 100, "f_favail": 100} | {lack: 0}
    monkeypatch.setattr("os.statvfs", lambda _: SimpleNamespace(**disk))
    answer = site.get("/readyz")
    assert answer.status == 503
    assert '"database":"ok"' in answer.text


def test_broken_storage_is_explained(site: Site) -> None:
    site.inbox.broken = True
    answer = site.get("/")
    assert answer.status == 503
    assert "the disk is on fire" in answer.text
    assert "No mail is lost" in answer.text


def test_a_message_too_large_to_show_can_be_downloaded(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("postwicket.web.site.READABLE", 100)
    source = b"Subject: big one\r\n\r\n" + b"x" * 200
    site.inbox.put(source)
    text = site.get(path(1)).text
    assert "big one" in text
    assert "too large to be shown" in text
    assert site.get(path(1, "source")).body == source
    assert site.get(path(1, "part", "0")).status == 404
