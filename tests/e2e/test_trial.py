"""The first minute: `postwicket try`, the program that it prints, and the mail in the inbox."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import smtplib
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from .server import PATIENCE, PROGRAM, members, until


@contextmanager
def trial(folder: Path, *options: str) -> Iterator[str]:
    """Run `postwicket try` in a folder as a stranger does; yield what it prints when ready."""
    environ = {key: value for key, value in os.environ.items() if "POSTWICKET" not in key}
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [PROGRAM, "try", *options],
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    try:
        assert process.stdout is not None
        yield _said(process.stdout.fileno())
        process.send_signal(signal.SIGINT)  # Control-C
        assert process.wait(PATIENCE) == 0
        assert not members(process.pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)
        if process.stdout:
            process.stdout.close()


def _said(descriptor: int) -> str:
    """Return the text that is printed at once, when the server is ready."""
    text = b""
    # Everything is flushed together; a pipe hands it over in one or two pieces.
    while select.select([descriptor], [], [], 0.3 if text else PATIENCE)[0]:
        piece = os.read(descriptor, 65536)
        if not piece:
            break
        text += piece
    assert text, "it does not start"
    return text.decode()


def _facts(said: str) -> dict[str, str]:
    """Return the settings as they are printed: a word and its value in each line."""
    head = said.partition("\n\n")[0]
    return dict(line.split(maxsplit=1) for line in head.splitlines())


def _inbox(folder: Path) -> list[dict[str, object]]:
    command = [str(PROGRAM), "inbox", "list", "--json", "--config", CONFIG]
    said = subprocess.check_output(command, cwd=folder, timeout=PATIENCE)
    found: list[dict[str, object]] = json.loads(said)
    return found


CONFIG: Final = "postwicket-data/postwicket.toml"
ANY_PORTS: Final = ("--smtp-port", "0", "--smtps-port", "0", "--http-port", "0")


def test_the_first_mail_is_there_within_seconds(tmp_path: Path) -> None:
    began = time.monotonic()
    with trial(tmp_path, *ANY_PORTS) as said:
        pasted = re.search(r"^# mail\.py.*?(?=^Then look)", said, re.MULTILINE | re.DOTALL)
        assert pasted is not None
        subprocess.run([sys.executable, "-c", pasted[0]], check=True, timeout=PATIENCE)
        (listed,) = until(lambda: _inbox(tmp_path))
        assert time.monotonic() - began < 10
        assert listed["sender"] == "you@postwicket.test"
        assert listed["recipients"] == ["ann@example.com"]
        assert listed["subject"] == "Hello"
        with urllib.request.urlopen(_facts(said)["web"], timeout=PATIENCE) as page:
            assert "Hello" in page.read().decode()


def test_the_settings_stay_the_same_when_it_is_started_again(tmp_path: Path) -> None:
    with trial(tmp_path, *ANY_PORTS) as said:
        first = _facts(said)
    with trial(tmp_path) as said:
        second = _facts(said)
        assert second == first
        assert second["config"] == CONFIG
        context = ssl.create_default_context(cafile=tmp_path / second["ca"])
        port = int(second["smtps_port"])
        with smtplib.SMTP_SSL(second["host"], port, context=context) as smtp:
            smtp.login(second["user"], first["password"])
            smtp.sendmail(
                second["user"], ["bob@example.com"], f"From: {second['user']}\r\n\r\nHi\r\n"
            )
        assert until(lambda: _inbox(tmp_path))
