"""The pages of the documentation: their examples do what they show, and nothing is left out."""

from __future__ import annotations

import contextlib
import inspect
import re
import shlex
import sys
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

import arqade
from arqade import RedisArqQueue, codecs, exceptions, jobs, models, settings, testing
from tests.docs.pages import DOCS, PAGES, URL, WORKER, assert_known, code_blocks, parsed
from tests.harness.worker import ROOT, arq_process

if TYPE_CHECKING:
    from pathlib import Path

DJANGO_TASKS = DOCS / "frameworks" / "django-tasks.md"
"""Needs Django 6: `tests/django/test_tasks_docs.py` runs its examples."""


def for_each(pages: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "page", pages, ids=lambda page: page.relative_to(ROOT).as_posix()
    )


@contextlib.contextmanager
def worker(redis_url, directory):
    """Run the guide's worker, as it says: a stock one."""
    guide = code_blocks(DOCS / "guide.md", "python")
    [module] = [block for block in guide if block.startswith(WORKER)]
    directory.joinpath("worker.py").write_text(module.replace(URL, redis_url), encoding="utf-8")
    with arq_process("worker.WorkerSettings", cwd=directory):
        yield


@for_each([page for page in PAGES if code_blocks(page, "python") and page != DJANGO_TASKS])
async def test_python(page, redis_url, tmp_path, monkeypatch):
    """The examples of a page run one after the other; each finds an open `queue`."""
    # In a module, since pickle looks for classes there.
    module = ModuleType("examples_of_the_page")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    document = parsed(page)
    document.namespace.update(redis_url=redis_url, names=vars(module))
    with worker(redis_url, tmp_path):
        async with await RedisArqQueue.from_url(redis_url) as queue:
            for example in document.examples():
                vars(module)["queue"] = queue
                example.evaluate()
                running = document.namespace.pop("running", None)
                if inspect.iscoroutine(running):
                    await running


def shown_commands(page: Path) -> list[str]:
    """The lines that a page tells its reader to type, and each command of a pipe by itself."""
    text = "\n".join(code_blocks(page, "console")).replace("\\\n", " ")
    lines = re.findall(r"^\$ (.+)$", text, re.MULTILINE)
    return [part.strip() for line in lines for part in re.split(r"\s\|\s|&&", line)]


@for_each([page for page in PAGES if shown_commands(page)])
def test_commands(page, tmp_path, monkeypatch):
    """Commands of arqade that a page shows have these names, options and arguments."""
    monkeypatch.chdir(tmp_path)
    tmp_path.joinpath("jobs.jsonl").touch()  # files of which the pages speak
    tmp_path.joinpath("docs").mkdir()
    for line in shown_commands(page):
        words = shlex.split(line, comments=True)
        if words[:1] == ["arqade"]:
            assert_known(words[1:])


def test_all_python_is_tested():
    """No page has Python under another name, or under a directive that shows it untested."""
    for page in PAGES:
        text = page.read_text("utf-8")
        assert not re.findall(r"^[`:]{3,}(?:py|\{code-block\}.*)$", text, re.MULTILINE), page


def test_examples_are_shown():
    """Every file of `docs/examples` is on a page."""
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    shown = set(re.findall(r"^[`:]{3,}\{literalinclude\} (?:\.\./)*(\S+)$", text, re.MULTILINE))
    both = re.findall(r"^[`:]{3,}\{flavours\} (\S+)$", text, re.MULTILINE)
    shown |= {f"examples/{flavour}/{name}" for flavour in ("_async", "_sync") for name in both}
    files = {
        path.relative_to(DOCS).as_posix()
        for path in (DOCS / "examples").rglob("*")
        if path.is_file() and "__" not in path.name and "__" not in path.parent.name
    }
    assert files == {name.removeprefix("/") for name in shown if "examples/" in name[:10]}


def test_links_of_the_readme():
    """All that it links to is there, and it is no longer than a reader bears."""
    text = PAGES[0].read_text("utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    assert len(links) > 30
    assert [link for link in links if not (ROOT / link).exists()] == []
    assert len(text.splitlines()) < 150


def test_reference_is_complete():
    """The reference lists all that the public modules export."""
    text = (DOCS / "reference" / "api.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\.\. auto\w+:: (?:[\w.]+\.)?(\w+)$", text, re.MULTILINE)
    assert len(listed) == len(set(listed))
    modules = (arqade, codecs, exceptions, jobs, models, settings, testing)
    assert {name for module in modules for name in module.__all__} <= set(listed)
