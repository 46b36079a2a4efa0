"""Compare docs/rules.md with the rule names in the code; print what differs and exit 1.

A rule name is what stands in brackets at the end of a reply, and in journal and log.  A name in
an f-string stands for a family: `content.{key}-invalid` is any `content.…-invalid`.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
SRC: Final = ROOT / "src" / "postwicket"
PAGE: Final = ROOT / "docs" / "rules.md"
_FAMILIES: Final = (
    "auth|content|dns|envelope|protocol|proxy|rate|recipient|returns|route|sender|server|session"
    "|signing|size|tls"
)
_NAME: Final = re.compile(rf"(?:{_FAMILIES})\.[a-z0-9-]+(?<!\.key)(?<!\.pem)")
_FAMILY: Final = re.compile(rf"(?:{_FAMILIES})\.[a-z0-9-]*(?:\*[a-z0-9-]*)+")
_ROW: Final = re.compile(r'^\| <a id="([^"]+)"></a>`([^`]+)` \| `([^`]+)` \|', re.MULTILINE)
_NOT_SAID: Final = "(none)"
# Settings are spelled the same way (`tls.certificate`), and no reply comes from there.
_NO_REPLIES: Final = "config"


def in_code() -> tuple[set[str], set[str]]:
    """Return the rule names that the code spells, and its families, with `*` where names vary."""
    names: set[str] = set()
    families: set[str] = set()
    for path in SRC.rglob("*.py"):
        if path.relative_to(SRC).parts[0] == _NO_REPLIES:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if _NAME.fullmatch(node.value):
                    names.add(node.value)
            elif isinstance(node, ast.Call):
                names |= _rule_of(node)
            elif isinstance(node, ast.JoinedStr):
                spelled = "".join(
                    str(part.value) if isinstance(part, ast.Constant) else "*"
                    for part in node.values
                )
                if _FAMILY.fullmatch(spelled):
                    families.add(spelled)
    return names, families


def _rule_of(call: ast.Call) -> set[str]:
    """Return the rule of `Reply(code, status, text, "rule")`, whatever its family."""
    if not (isinstance(call.func, ast.Name) and call.func.id == "Reply" and len(call.args) == 4):
        return set()
    rule = call.args[3]
    named = isinstance(rule, ast.Constant) and isinstance(rule.value, str) and rule.value
    return {named} if named else set()


def in_page() -> list[str]:
    """Return the rule names of the page, in its order; each is an anchor, too."""
    rows = _ROW.findall(PAGE.read_text(encoding="utf-8"))
    return [name if name == anchor else f"{name} (anchor {anchor})" for anchor, name, _ in rows]


def codes_in_page() -> dict[str, str]:
    """Return what the page says that a reply begins with, for each rule that is ever said."""
    rows = _ROW.findall(PAGE.read_text(encoding="utf-8"))
    return {name: code for _, name, code in rows if code != _NOT_SAID}


def codes_in_code() -> dict[str, str]:
    """Return what replies begin with, for each rule whose reply is spelled in one place."""
    codes = {}
    for path in SRC.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and (rules := _rule_of(node)):
                code, status = map(ast.literal_eval, node.args[:2])
                enhanced = f" {code // 100}.{status[0]}.{status[1]}" if status else ""
                codes[rules.pop()] = f"{code}{enhanced}"
    return codes


def faults() -> Iterator[str]:
    """Yield what differs."""
    names, families = in_code()
    told = in_page()
    for name in sorted(names - set(told)):
        yield f"{name} is in the code and not in docs/rules.md"
    for family in sorted(families):
        if not any(_fits(name, family) for name in told):
            yield f"{family} is in the code and nothing like it in docs/rules.md"
    for name in sorted(set(told)):
        if name not in names and not any(_fits(name, family) for family in families):
            yield f"{name} is in docs/rules.md and not in the code"
        if told.count(name) > 1:
            yield f"{name} is in docs/rules.md twice"
    said = codes_in_code()
    for name, code in codes_in_page().items():
        if said.get(name, code) != code:
            yield f"{name} is {said[name]} in the code and {code} in docs/rules.md"


def _fits(name: str, family: str) -> bool:
    return bool(re.fullmatch(re.escape(family).replace(r"\*", "[a-z-]+"), name))


if __name__ == "__main__":
    found = list(faults())
    print("\n".join(found))
    sys.exit(bool(found))
