"""Run the examples in the handbook: Python prompts, and SMTP conversations."""

from __future__ import annotations

from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

from tests.smtp.server.dialogue import OFFERING, play


def evaluate_smtp(example: Example) -> None:
    """Play a fenced `smtp` block against a machine that wants TLS and a sign-in first."""
    play(example.parsed, OFFERING)


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(), CodeBlockParser("smtp", evaluate_smtp)],
    patterns=["docs/*.md", "docs/**/*.md"],
).pytest()
