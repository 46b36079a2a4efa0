"""What the README shows works when it is pasted; only ports and folder are this test's own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from postwicket.config import Settings
from tests.needs import need

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
UPSTREAM = (ROOT / "docs" / "upstream.md").read_text()
PATIENCE = 20.0


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


def block(language: str, word: str) -> str:
    (found,) = [each for each in blocks(README, language) if word in each]
    return found


@dataclass(frozen=True, slots=True)
class Trial:
    """A `postwicket try` in a folder of its own, as the README has it in the checkout."""

    folder: Path
    smtp_port: int

    def here(self, snippet: str) -> str:
        """Return the snippet with our port in place of the usual one."""
        return snippet.replace("2587", str(self.smtp_port))

    def run(self, *words: str, stdin: str = "") -> str:
        """Run a program in the folder; return what it printed."""
        environ = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        environ |= {"HOME": str(self.folder), "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            words,
            cwd=self.folder,
            env=environ,
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def inbox(self) -> int:
        """Return how many messages were captured."""
        words = "postwicket --config postwicket-data/postwicket.toml --json inbox list"
        return len(json.loads(self.run(*words.split())))


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    folder = tmp_path_factory.mktemp("readme")
    words = ["--json", "try", "--smtp-port", "0", "--smtps-port", "0", "--http-port", "0"]
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            [Path(sys.executable).with_name("postwicket"), *words],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        ) as server,
    ):
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            assert line, (folder / "log").read_text()
            yield Trial(folder, json.loads(line)["smtp_port"])
        finally:
            server.terminate()
            server.wait(PATIENCE)


def pasted(trial: Trial) -> None:
    # -i: as if it were typed, line by line.
    said = trial.run(sys.executable, "-i", stdin=trial.here(block("python", "smtplib")))
    assert "Traceback" not in said


def with_curl(trial: Trial) -> None:
    need("curl")
    trial.run("sh", "-e", "-c", trial.here(block("sh", "hello.eml")))


def with_swaks(trial: Trial) -> None:
    need("swaks")
    trial.run("sh", "-e", "-c", trial.here(block("sh", "swaks")))


def with_send(trial: Trial) -> None:
    (line,) = re.findall(r"`(postwicket send [^`]+)`", README)
    trial.run("sh", "-c", f"POSTWICKET_CONFIG=postwicket-data/postwicket.toml {line}")


@pytest.mark.parametrize("way", [pasted, with_curl, with_swaks, with_send])
def test_a_snippet_brings_mail_into_the_inbox(trial: Trial, way: Callable[[Trial], None]) -> None:
    before = trial.inbox()
    way(trial)
    assert trial.inbox() == before + 1


def test_the_command_that_shows_it_is_one(trial: Trial) -> None:
    command = block("sh", "inbox list").replace(".venv/bin/", "")
    assert "RECIPIENTS" in trial.run("sh", "-c", command)


def test_the_grant_works(trial: Trial) -> None:
    command = block("sh", "account grant").replace(".venv/bin/", "")
    assert "may write as @your-domain.example" in trial.run("sh", "-c", command)


def test_the_ten_lines_are_a_configuration() -> None:
    text = block("toml", "upstream:relay")
    assert len(text.splitlines()) == 10
    settings = Settings.model_validate(tomllib.loads(text))
    assert [(one.host, one.port, one.tls) for one in settings.upstream] == [
        ("smtp.example.net", 587, "starttls")
    ]


@pytest.mark.parametrize("text", blocks(OPERATIONS, "toml") + blocks(UPSTREAM, "toml"))
def test_a_piece_of_configuration_is_one(text: str) -> None:
    tree = {"hostname": "mail.example.org"} | tomllib.loads(text)
    if "relay" in text and "upstream" not in tree:
        tree["upstream"] = [{"name": "relay", "host": "smtp.example.net"}]
    assert Settings.model_validate(tree)


def test_every_command_that_is_shown_exists() -> None:
    shown = {
        line.split("#")[0].strip()
        for page in (README, OPERATIONS)
        for text in blocks(page, "sh")
        for line in text.splitlines()
        if line.startswith("postwicket ")
    }
    assert len(shown) > 20
    program = (
        "import shlex, sys; from typer.main import get_command\n"
        "from postwicket.cli.main import app\n"
        "for line in sys.stdin:\n"
        "    words, command, context = shlex.split(line)[1:], get_command(app), None\n"
        "    while hasattr(command, 'commands'):\n"
        "        command = command.commands[words.pop(0)]\n"
        "    command.make_context('x', words)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        input="\n".join(sorted(shown)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
