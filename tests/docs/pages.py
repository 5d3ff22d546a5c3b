"""The pages of the documentation, and their examples."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from sybil import Sybil
from sybil.evaluators.python import pad
from sybil.parsers.myst import CodeBlockParser

from arqade.cli.main import main as command
from tests.harness.worker import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from sybil import Document, Example

__all__ = ["DOCS", "PAGES", "URL", "WORKER", "assert_known", "code_blocks", "parsed", "rows"]

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(p for p in DOCS.rglob("*.md") if "_build" not in p.parts)]

WORKER = "# worker.py\n"
"""The first line of the example that is a worker's module."""

URL = "redis://localhost:6379/0"
"""The server of all examples."""

DELAY = "_defer_by=5"
"""A delay in an example, which need not be waited for."""


def compiled(example: Example) -> None:
    """Compile an example, with `await` outside of functions, and run it on the server."""
    text = pad(example.parsed, example.line + example.parsed.line_offset)
    text = text.replace(URL, example.namespace["redis_url"]).replace(DELAY, "_defer_by=0.1")
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code = compile(text, example.path, "exec", flags, dont_inherit=True)
    if not example.parsed.startswith(WORKER):
        example.namespace["running"] = eval(code, example.namespace["names"])


PYTHON = CodeBlockParser("python", compiled)


def parsed(path: Path, parser: CodeBlockParser = PYTHON) -> Document:
    return Sybil([parser]).parse(path)


def code_blocks(page: Path, language: str) -> list[str]:
    """The texts of a page's blocks of a language."""
    document = parsed(page, CodeBlockParser(language, lambda _: None))
    return [str(example.parsed) for example in document.examples()]


def assert_known(words: list[str]) -> None:
    """Fail if the command line `arqade` has no such command, option or argument."""
    with command.make_context("arqade", words) as group:
        name, chosen, rest = command.resolve_command(group, group._protected_args + group.args)
        assert chosen is not None, words
        chosen.make_context(name, rest, parent=group).close()


def rows(page: Path, *columns: str) -> list[list[str]]:
    """The rows of all tables of a page that have these columns."""
    found, inside = [], False
    for line in page.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if inside and len(cells) == len(columns):
            found.append(cells)
        inside = cells == list(columns) or (inside and bool(cells))
    return [row for row in found if set("".join(row)) != {"-"}]
