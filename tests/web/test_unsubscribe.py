"""Unsubscribe links: looking changes nothing, one POST does it, and the inbox stays inside."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.storage.interfaces import StorageUnavailable
from postwicket.web.site import create_site
from postwicket.web.unsubscribe import is_one_click

from .fakes import Answer, FakeInbox, get, settings

FORM = (b"content-type", b"application/x-www-form-urlencoded")
PROXIED = (b"x-forwarded-for", b"198.51.100.7")
CLICK = b"List-Unsubscribe=One-Click"
PARTS = (
    b'--q\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--q--\r\n'
)


@dataclass
class Links:
    """Knows the link `good`."""

    done: list[tuple[str, str]] = field(default_factory=list)
    hasty: bool = False
    broken: bool = False

    def is_known(self, token: str) -> bool:
        """Know one link."""
        return token == "good"

    def is_hasty(self, token: str) -> bool:  # noqa: ARG002 (a protocol's)
        """Be as patient as the test says."""
        return self.hasty

    async def unsubscribe(self, token: str, peer: str) -> bool:
        """Remember it."""
        if self.broken:
            raise StorageUnavailable("the disk is full")
        self.done.append((token, peer))
        return token == "good"


class Site:
    """A site behind a public name."""

    def __init__(self, data: Path, url: str = "https://news.example.org") -> None:
        self.links = Links()
        made = settings(data, returns={"unsubscribe_url": url})
        self.app = create_site(made, FakeInbox(), unsubscribing=self.links)

    def ask(
        self,
        path: str = "/unsubscribe/good",
        body: bytes = b"",
        *headers: tuple[bytes, bytes],
        method: str = "GET",
        host: str = "news.example.org",
    ) -> Answer:
        """Ask for a page, or send a form."""
        asked = get(self.app, path, host=host, method=method, body=body, headers=headers)
        return asyncio.run(asked)

    def click(self, body: bytes = CLICK, *headers: tuple[bytes, bytes]) -> Answer:
        """Press the button."""
        return self.ask("/unsubscribe/good", body, *(headers or (FORM,)), method="POST")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_to_look_shows_a_button_and_changes_nothing(site: Site) -> None:
    answer = site.ask()
    assert answer.status == 200
    assert '<form method="post">' in answer.text
    assert "form-action 'self'" in answer.headers["content-security-policy"]
    assert "set-cookie" not in answer.headers
    assert site.links.done == []
    assert site.ask(method="HEAD").status == 200
    assert site.links.done == []


def test_one_click_does_it(site: Site) -> None:
    answer = site.click()
    assert (answer.status, "You are unsubscribed" in answer.text) == (200, True)
    assert "location" not in answer.headers
    assert "set-cookie" not in answer.headers
    assert site.links.done == [("good", "127.0.0.1")]


def test_a_form_of_the_other_kind_does_it_too(site: Site) -> None:
    assert site.click(PARTS, (b"content-type", b"multipart/form-data; boundary=q")).status == 200


@pytest.mark.parametrize(
    "body", [b"", b"List-Unsubscribe=no", b"One-Click", b"\xff", b"x=1&" * 5, b"a" * 5000]
)
def test_anything_else_does_not(site: Site, body: bytes) -> None:
    assert site.click(body).status == 400
    assert site.links.done == []


def test_a_link_that_is_not_ours(site: Site) -> None:
    assert site.ask("/unsubscribe/bad").status == 404
    assert site.ask("/unsubscribe/bad", CLICK, FORM, method="POST").status == 404


def test_haste_and_trouble(site: Site) -> None:
    site.links.broken = True
    assert site.click().status == 503
    site.links.hasty = True
    assert (site.ask().status, site.click().status) == (429, 429)


@pytest.mark.parametrize("path", ["/", "/livez", "/static/site.css", "/unsubscribe"])
def test_whoever_comes_from_outside_sees_the_links_only(site: Site, path: str) -> None:
    answer = site.ask(path)
    assert (answer.status, answer.body) == (404, b"")


def test_with_one_name_for_both_a_proxy_is_recognised(tmp_path: Path) -> None:
    site = Site(tmp_path, "https://mail.example.org")
    host = "mail.example.org"
    assert site.ask("/", host=host).status == 200
    assert site.ask("/", b"", PROXIED, host=host).status == 404
    assert site.ask("/unsubscribe/good", b"", PROXIED, host=host).status == 200


def test_without_a_public_name_there_are_no_links(tmp_path: Path) -> None:
    app = create_site(settings(tmp_path), FakeInbox())
    assert asyncio.run(get(app, "/unsubscribe/good")).status == 404


@given(st.binary(max_size=200), st.sampled_from(["multipart/form-data; boundary=q", "", "x"]))
def test_any_body_can_be_read(body: bytes, content_type: str) -> None:
    assert is_one_click(body, content_type) in {True, False}
