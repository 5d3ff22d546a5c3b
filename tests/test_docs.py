"""The documentation: its examples do what they show, and its reference is complete."""

from __future__ import annotations

import ast
import contextlib
import inspect
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import arqade
from arqade import RedisArqQueue, codecs, exceptions, jobs, models, settings, testing
from tests.harness.worker import python_with_arq

ROOT = Path(__file__).parents[1]
EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WORKER = "# worker.py\n"
"""The first line of the example that is a worker's module."""

URL = "redis://localhost:6379/0"
"""The server of all examples."""

DELAY = "_defer_by=5"
"""A delay in an example, which need not be waited for."""


def examples(page):
    return EXAMPLE.findall(page.read_text(encoding="utf-8"))


PAGES = [page for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")] if examples(page)]


def compiled(example):
    return compile(example, "<example>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)


@contextlib.contextmanager
def worker(redis_url, directory):
    """Run the guide's worker, as it says: a stock one."""
    [module] = [x for x in examples(ROOT / "docs" / "guide.md") if x.startswith(WORKER)]
    directory.joinpath("worker.py").write_text(module.replace(URL, redis_url), encoding="utf-8")
    command = [python_with_arq(), "-m", "arq", "worker.WorkerSettings"]
    with subprocess.Popen(command, cwd=directory, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_compile(page):
    """Every example is correct Python, with `await` allowed outside of functions."""
    for example in examples(page):
        compiled(example)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
async def test_examples_run(page, redis_url, tmp_path, monkeypatch):
    """The examples of a page run one after the other; each finds an open `queue`."""
    # In a module, since pickle looks for classes there.
    module = ModuleType("examples_of_the_page")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    names = vars(module)
    with worker(redis_url, tmp_path):
        async with await RedisArqQueue.from_url(redis_url) as queue:
            for example in examples(page):
                if example.startswith(WORKER):
                    continue
                names["queue"] = queue
                text = example.replace(URL, redis_url).replace(DELAY, "_defer_by=0.1")
                running = eval(compiled(text), names)
                if inspect.iscoroutine(running):
                    await running


def test_reference_is_complete():
    """The reference lists all that the public modules export."""
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\.\. auto\w+:: (?:[\w.]+\.)?(\w+)$", text, re.MULTILINE)
    assert len(listed) == len(set(listed))
    modules = (arqade, codecs, exceptions, jobs, models, settings, testing)
    assert {name for module in modules for name in module.__all__} <= set(listed)
