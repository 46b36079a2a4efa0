"""Exit statuses, error sentences, and the options that every command has."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from postwicket.cli.main import main
from postwicket.storage import opening
from postwicket.storage.interfaces import StorageUnavailable

from .office import Office


def test_options_may_stand_before_and_after_the_command(office: Office) -> None:
    config = str(office.config)
    for words in (
        ("--config", config, "--json", "account", "list"),
        ("account", "--config", config, "--json", "list"),
        ("account", "list", "--config", config, "--json"),
        ("--json", "account", "list", f"--config={config}"),
    ):
        said = office.bare(*words)
        assert (said.status, said.document) == (0, [])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("account", "lst"), "no such command 'lst'; did you mean 'list'?"),
        (("account", "list", "--jsn"), "no such option: --jsn"),
        (("account", "add"), "missing argument 'ADDRESS'; see postwicket account add --help"),
        (("app-password", "add", "a@b.example"), "missing option '--label'"),
        (("queue", "list", "--limit", "none"), "'--limit'"),
        (("account", "add", "ann"), "'ann' is not an address"),
    ],
)
def test_wrong_usage_is_2_and_says_what_to_do(
    office: Office, words: tuple[str, ...], told: str
) -> None:
    said = office(*words)
    assert said.status == 2
    assert said.out == ""
    assert said.err.startswith("postwicket: ")
    assert told in said.err
    assert "; " in said.err


def test_a_broken_configuration_is_2(office: Office) -> None:
    office.config.write_text("hostnam = 'x'\nqueue = 3\n")
    said = office("account", "list", "--json")
    assert (said.status, said.out) == (2, "")
    assert "did you mean 'hostname'?" in said.err
    assert len(said.err.splitlines()) == 3
    said = office.bare("account", "list", "--config", "missing.toml")
    assert (said.status, said.out) == (2, "")
    assert "cannot read it: No such file" in said.err


def test_a_database_that_does_not_answer_is_75(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> None:
        raise StorageUnavailable("the disk is full")

    monkeypatch.setattr(opening, "open_store", broken)
    said = office("account", "list")
    assert (said.status, said.out) == (75, "")
    assert said.err == (
        "postwicket: the database does not answer: the disk is full; "
        "try again, or look at disk and rights\n"
    )


def test_a_folder_that_cannot_be_made_is_said(office: Office) -> None:
    (office.folder / "file").touch()
    office.config.write_text("hostname = 'mail.example.org'\ndata = 'file/data'\n")
    said = office("account", "list")
    assert said.status == 1
    assert "cannot make" in said.err


def test_without_a_command_there_is_help(office: Office) -> None:
    for words in ((), ("account",)):
        said = office.bare(*words)
        assert said.status == 2
        assert "Commands" in said.out + said.err
    assert office.bare("--help").status == 0


@pytest.mark.parametrize(
    "command",
    [
        "serve",
        "try",
        "send",
        "trace",
        *(f"config {verb}" for verb in ("check", "explain")),
        *(
            f"account {verb}"
            for verb in (
                "add",
                "list",
                "show",
                "remove",
                "suspend",
                "resume",
                "grant",
                "withdraw",
                "limit",
                "allow-password",
            )
        ),
        *(f"app-password {verb}" for verb in ("add", "list", "revoke")),
        *(f"queue {verb}" for verb in ("list", "show", "retry", "hold", "release", "cancel")),
        *(f"inbox {verb}" for verb in ("list", "show", "source", "clear")),
    ],
)
def test_every_command_has_help_config_and_json(office: Office, command: str) -> None:
    said = office.bare(*command.split(), "--help")
    assert said.status == 0
    assert "--config" in said.out
    assert "--json" in said.out


def test_what_is_a_bug_is_not_hidden(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(opening, "open_store", broken)
    with pytest.raises(ZeroDivisionError):
        main(["account", "list", "--config", str(office.config)])


def test_help_is_quick_because_nothing_heavy_is_imported() -> None:
    script = (
        "import sys, postwicket.cli.main\n"
        "heavy = {'pydantic', 'sqlalchemy', 'asyncio', 'cryptography', 'uvicorn', 'structlog'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    began = time.monotonic()
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert found.stdout == "[]\n"
    assert time.monotonic() - began < 5  # 0.2 s on an idle machine


def test_a_reader_that_has_seen_enough_is_no_error(office: Office) -> None:
    program = [sys.executable, "-c", "from postwicket.cli.main import main; exit(main())"]
    words = ["config", "explain", "--config", str(office.config)]
    with subprocess.Popen(
        [*program, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as one:
        assert one.stdout is not None
        assert one.stderr is not None
        one.stdout.close()
        assert one.wait(timeout=20) == 0
        assert one.stderr.read() == b""
