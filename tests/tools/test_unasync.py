"""The generator of the sync code, on small projects in temporary directories."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

pytest.importorskip("libcst", reason="the generator's dependencies are not in this environment")

from tools import unasync

ROOT = Path(__file__).parents[2]
SOURCE = "src/shop/_async/queue.py"
TARGET = "src/shop/_sync/queue.py"
LEFTOVERS = r"\b(?:[Aa]sync\w*|[Aa]wait\w*|anyio|aclose|Coroutine|__a(?:enter|exit)__)\b"


class Project:
    """A project in a temporary directory."""

    def __init__(self, root, capsys):
        self.root = root
        self.capsys = capsys
        self.settings = {
            "leftovers": LEFTOVERS,
            "directories": {"src/shop/_async": "src/shop/_sync"},
        }

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text).lstrip("\n"))
        return file

    def read(self, path):
        return (self.root / path).read_text()

    def configure(self):
        """Write the settings, those of ruff and those of the generator, as TOML."""
        lines = ['[tool.ruff]\nline-length = 80\nsrc = ["src"]\ntarget-version = "py311"\n']
        lines += ["[tool.ruff.lint]\nisort.known-first-party = ['shop']\n"]
        lines += ["[tool.arqade-unasync]"]
        # TOML takes all that JSON has for strings, numbers and lists; tables get a line each.
        for name, value in self.settings.items():
            if isinstance(value, dict):
                pairs = (f"{json.dumps(k)} = {json.dumps(v)}" for k, v in value.items())
                lines.append(f"{name} = {{ {', '.join(pairs)} }}")
            else:
                lines.append(f"{name} = {json.dumps(value)}")
        self.write("pyproject.toml", "\n".join(lines) + "\n")

    def run(self, *arguments):
        """Run the generator; return its exit code and what it says of errors."""
        self.configure()
        code = unasync.main(["--root", str(self.root), *arguments])
        return code, self.capsys.readouterr().err

    def fail(self, *arguments):
        """Run the generator, which must fail; return what it says."""
        code, message = self.run(*arguments)
        assert code == 1, message
        return message

    def generate(self):
        """Run the generator, which must succeed."""
        assert self.run() == (0, "")


@pytest.fixture
def project(tmp_path, capsys):
    result = Project(tmp_path, capsys)
    result.write(SOURCE, "async def ping(): ...\n")
    return result


def case(name, source, expected, *, names=None, modules=None):
    settings = {"names": names or {}, "modules": modules or {}}
    return pytest.param(dedent(source), dedent(expected), settings, id=name)


REDIS = {"redis.asyncio": "redis"}
SHOP = {"shop._async": "shop._sync"}
QUEUE = {"Queue": "SyncQueue"}

CASES = [
    # Keywords
    case("function", "async def f(): ...\n", "def f(): ...\n"),
    case(
        "method",
        """
        class A:
            @property
            async def f(self) -> int:
                return 1
        """,
        """
        class A:
            @property
            def f(self) -> int:
                return 1
        """,
    ),
    case("await", "async def f(x):\n    await x.y()\n", "def f(x):\n    x.y()\n"),
    case(
        "await-returned",
        "async def f(x):\n    return await x()\n",
        "def f(x):\n    return x()\n",
    ),
    case(
        "await-in-brackets",
        "async def f(x):\n    return (await x()).y, (await x)[0], -(await x)\n",
        "def f(x):\n    return x().y, x[0], -x\n",
    ),
    case(
        "await-of-brackets",
        "async def f(x, y):\n    return (await (x or y)).z\n",
        "def f(x, y):\n    return (x or y).z\n",
    ),
    case(
        "await-nested",
        "async def f(x):\n    return await (await x.y()).z(await x())\n",
        "def f(x):\n    return x.y().z(x())\n",
    ),
    case(
        "await-over-lines",
        """
        async def f(x):
            y = (
                await x.a()
                .b()
            )
            return (
                # Why.
                await x.c()
            )
        """,
        """
        def f(x):
            y = x.a().b()
            return (
                # Why.
                x.c()
            )
        """,
    ),
    case(
        "for",
        """
        async def f(x):
            async for y in x.items():
                yield y
            else:
                await x()
        """,
        """
        def f(x):
            for y in x.items():
                yield y
            else:
                x()
        """,
    ),
    case(
        "with",
        """
        async def f(x):
            async with x() as y, await x.z():
                await y
            async with (
                x() as y,
            ):
                await y()
        """,
        """
        def f(x):
            with x() as y, x.z():
                y
            with (
                x() as y,
            ):
                y()
        """,
    ),
    case(
        "comprehensions",
        """
        async def f(x):
            a = [await y() async for y in x if await y.z]
            b = {y: z async for y in x for z in y}
            return a, b, (y async for y in x)
        """,
        """
        def f(x):
            a = [y() for y in x if y.z]
            b = {y: z for y in x for z in y}
            return a, b, (y for y in x)
        """,
    ),
    case(
        "f-string",
        'async def f(x):\n    return f"{await x()!r:>{await x.y}} and {await x.z=}"\n',
        'def f(x):\n    return f"{x()!r:>{x.y}} and {x.z=}"\n',
    ),
    # Types
    case(
        "awaitable",
        """
        from collections.abc import Awaitable, Callable

        F = Callable[[int], Awaitable[str | None]]


        def f(x: Awaitable[int] | int, y: "Awaitable[F]") -> Awaitable[F]: ...
        """,
        """
        from collections.abc import Callable

        F = Callable[[int], str | None]


        def f(x: int, y: "F") -> F: ...
        """,
    ),
    case(
        "awaitable-over-lines",
        """
        from collections.abc import Awaitable

        F = Awaitable[
            int
            | str
        ]
        """,
        """
        F = int | str
        """,
    ),
    case(
        "coroutine",
        """
        import collections.abc
        from typing import Any, cast


        def f(x: collections.abc.Coroutine[Any, Any, list[int]]):
            return cast("collections.abc.Coroutine[None, None, int]", x)
        """,
        """
        from typing import cast


        def f(x: list[int]):
            return cast("int", x)
        """,
    ),
    case(
        "type-checking-block",
        """
        from typing import TYPE_CHECKING

        if TYPE_CHECKING:
            from collections.abc import Awaitable


        def f() -> Awaitable[int]: ...
        """,
        """
        def f() -> int: ...
        """,
    ),
    # Branches
    case(
        "branch-in-function",
        """
        async def f(x):
            # Why both.
            if True:  # ASYNC
                await x.a()
            else:
                # Why this.
                x.b()
                x.c()
            return x
        """,
        """
        def f(x):
            # Why both.
            # Why this.
            x.b()
            x.c()
            return x
        """,
    ),
    case(
        "branch-in-module",
        """
        if True:  # ASYNC
            import asyncio as x
        else:
            import threading as x

        print(x)
        """,
        """
        import threading as x

        print(x)
        """,
    ),
    case(
        "branch-in-class",
        """
        class A:
            if True:  # ASYNC: a sync one has no use for it

                async def a(self): ...

            b = 1
        """,
        """
        class A:
            b = 1
        """,
    ),
    case(
        "branch-without-else-alone",
        "def f():\n    if True:  # ASYNC\n        return 1\n",
        "def f():\n    pass\n",
    ),
    case(
        "branch-nested",
        """
        def f(x):
            if True:  # ASYNC
                return 1
            else:
                if True:  # ASYNC
                    return 2
                else:
                    x()
                    return 3
        """,
        """
        def f(x):
            x()
            return 3
        """,
    ),
    case(
        "branch-drops-imports",
        """
        import asyncio
        import time


        async def f():
            if True:  # ASYNC
                await asyncio.sleep(1)
            else:
                time.sleep(1)
        """,
        """
        import time


        def f():
            time.sleep(1)
        """,
    ),
    case(
        "other-branches-stay",
        "if True:\n    a = 1\nelse:\n    a = 2\n",
        "if True:\n    a = 1\nelse:\n    a = 2\n",
    ),
    # Names
    case(
        "names",
        """
        class Queue(Base):
            async def aclose(self, queue: Queue, my_Queue, Queue=1):
                await queue.aclose(aclose=Queues)
                return self.aclose, queue.Queue
        """,
        """
        class SyncQueue(Base):
            def close(self, queue: SyncQueue, my_Queue, SyncQueue=1):
                queue.close(close=Queues)
                return self.close, queue.SyncQueue
        """,
        names={**QUEUE, "aclose": "close"},
    ),
    case(
        "names-special",
        """
        from collections.abc import AsyncIterator


        class A:
            async def __aenter__(self): ...

            def __aiter__(self) -> AsyncIterator[int]: ...
        """,
        """
        from collections.abc import Iterator


        class A:
            def __enter__(self): ...

            def __iter__(self) -> Iterator[int]: ...
        """,
        names={"__aenter__": "__enter__", "__aiter__": "__iter__", "AsyncIterator": "Iterator"},
    ),
    case(
        "names-swapped",
        "a = b\n",
        "b = a\n",
        names={"a": "b", "b": "a"},
    ),
    case(
        "names-imported",
        """
        from shop import AsyncLock as Lock
        from shop import Queue as MyQueue
        from shop import b as b

        print(Lock, MyQueue)
        """,
        """
        from shop import Lock
        from shop import SyncQueue as MyQueue
        from shop import b as b

        print(Lock, MyQueue)
        """,
        names={**QUEUE, "AsyncLock": "Lock"},
    ),
    case(
        "names-in-strings",
        """
        a = "Queue", 'a Queue.', b"Queue", r"\\bQueue\\b", "\\nQueue\\tQueue", f"Queue {Queue}"
        """,
        """
        a = (
            "SyncQueue",
            "a SyncQueue.",
            b"SyncQueue",
            r"\\bSyncQueue\\b",
            "\\nSyncQueue\\tSyncQueue",
            f"SyncQueue {SyncQueue}",
        )
        """,
        names=QUEUE,
    ),
    case(
        "names-in-prose",
        """
        \"\"\"A `Queue`, not a MyQueue.\"\"\"

        a: "Queue" = 1  # the Queue's, not a Queue_1
        \"\"\"Queue.\"\"\"
        """,
        """
        \"\"\"A `SyncQueue`, not a MyQueue.\"\"\"

        a: "SyncQueue" = 1  # the SyncQueue's, not a Queue_1
        \"\"\"SyncQueue.\"\"\"
        """,
        names=QUEUE,
    ),
    case(
        "all-stays-sorted",
        """
        from shop._async.queue import Queue, RedisQueue

        __all__ = ["Queue", "RedisQueue", "put"]


        async def put(): ...
        """,
        """
        from shop._sync.queue import RedisQueue, SyncQueue

        __all__ = ["RedisQueue", "SyncQueue", "put"]


        def put(): ...
        """,
        names=QUEUE,
        modules=SHOP,
    ),
    # Modules
    case(
        "modules",
        """
        import redis.asyncio
        from redis.asyncio import Redis
        from redis.asyncio.client import Pipeline

        a = redis.asyncio.Redis, redis.asyncio.client.Pipeline, my.redis.asyncio
        b = "redis.asyncio.Redis"  # redis.asyncio, not redis.asyncio_2
        print(Redis, Pipeline)
        """,
        """
        import redis
        from redis import Redis
        from redis.client import Pipeline

        a = redis.Redis, redis.client.Pipeline, my.redis.asyncio
        b = "redis.Redis"  # redis, not redis.asyncio_2
        print(Redis, Pipeline)
        """,
        modules=REDIS,
    ),
    case(
        "modules-longest-rule",
        "import a.b.c\nimport a.b.d\n\nprint(a.b.c, a.b.d)\n",
        "import x.d\nimport y\n\nprint(y, x.d)\n",
        modules={"a.b": "x", "a.b.c": "y"},
    ),
    case(
        "modules-as",
        """
        import redis.asyncio as aioredis
        import shop._async.queue as queue

        print(aioredis.Redis, queue)
        """,
        """
        import redis as aioredis

        import shop._sync.queue as queue

        print(aioredis.Redis, queue)
        """,
        modules={**REDIS, **SHOP},
    ),
    case(
        "modules-as-the-target",
        "import redis.asyncio as redis\n\nprint(redis.Redis)\n",
        "import redis\n\nprint(redis.Redis)\n",
        modules=REDIS,
    ),
    case(
        "modules-from-parent",
        """
        from redis import (
            Queue,
            RedisError as Error,
            asyncio as aioredis,
        )

        from shop import _async as impl

        print(aioredis.Redis, impl.queue, Queue, Error)
        """,
        """
        import redis as aioredis
        from redis import RedisError as Error
        from redis import SyncQueue

        from shop import _sync as impl

        print(aioredis.Redis, impl.queue, SyncQueue, Error)
        """,
        modules={**REDIS, **SHOP},
        names=QUEUE,
    ),
    case(
        "modules-from-parent-as-the-target",
        "from redis import asyncio as redis\n\nprint(redis.Redis)\n",
        "import redis\n\nprint(redis.Redis)\n",
        modules=REDIS,
    ),
    case(
        "modules-from-parent-with-name-rule",
        "from shop import _async\n\nprint(_async.queue)\n",
        "from shop import _sync\n\nprint(_sync.queue)\n",
        modules=SHOP,
        names={"_async": "_sync"},
    ),
    case(
        "relative-imports",
        "from . import listener\nfrom .queue import Queue\n\nprint(listener, Queue)\n",
        "from . import listener\nfrom .queue import SyncQueue\n\nprint(listener, SyncQueue)\n",
        names=QUEUE,
    ),
    case(
        "imports-merged",
        """
        from contextlib import asynccontextmanager, contextmanager

        from redis import RedisError
        from redis.asyncio import Redis

        print(asynccontextmanager, contextmanager, Redis, RedisError)
        """,
        """
        from contextlib import contextmanager

        from redis import Redis, RedisError

        print(contextmanager, contextmanager, Redis, RedisError)
        """,
        modules=REDIS,
        names={"asynccontextmanager": "contextmanager"},
    ),
    # Text
    case(
        "examples-in-docstring",
        '''
        async def f():
            """Enqueue.

            Use it in an ``async with`` block, or an async for loop.

                async with await Queue.initialize(settings) as queue:
                    job = await queue.enqueue("resize", b"")
                    print((await queue.get(job)).state)

            >>> async def main():
            ...     return [await handlers[0]() async for job in queue.all()]
            """
            await g()  # not await g.h(), nor async def
        ''',
        '''
        def f():
            """Enqueue.

            Use it in a ``with`` block, or a for loop.

                with SyncQueue.initialize(settings) as queue:
                    job = queue.enqueue("resize", b"")
                    print((queue.get(job)).state)

            >>> def main():
            ...     return [handlers[0]() for job in queue.all()]
            """
            g()  # not g.h(), nor def
        ''',
        names=QUEUE,
    ),
    case(
        "examples-in-strings",
        'a = "use `async with queue`\\nawait q.ping()", f"await q.{a}() for {a}"\n',
        'a = "use `with queue`\\nq.ping()", f"await q.{a}() for {a}"\n',
    ),
    # Order and format
    case(
        "unused-noqa",
        "import asyncio  # noqa: F401\n\nprint(1)  # noqa: T201, F821\n",
        "import asyncio  # noqa: F401\n\nprint(1)\n",
    ),
    case(
        "formatted-for-target",
        "async def f():\n    return await call(first_argument, second_argument, the_third_one)\n",
        "def f():\n    return call(first_argument, second_argument, the_third_one)\n",
    ),
    case("empty", "", ""),
]


@pytest.mark.parametrize(("source", "expected", "settings"), CASES)
def test_construct(project, source, expected, settings):
    """Each construct comes out as a person would write it, below the header."""
    project.settings.update(settings, leftovers="(?!)")
    project.write(SOURCE, source)
    project.generate()
    header, _, text = project.read(TARGET).partition("\n")
    assert text == expected.lstrip("\n")
    assert header == f'# Generated from {SOURCE} by "make generate"; do not edit.'


def snapshot(root):
    """Return the content and the time of all modules below a directory."""
    return {
        str(path.relative_to(root)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in root.rglob("*.py")
    }


def test_directories_are_walked(project):
    """All modules of all sources are generated, packages included, and nothing else is."""
    project.settings["directories"]["tests/_async"] = "tests/_sync"
    for path in ("__init__.py", "a/__init__.py", "a/b.py", "__pycache__/c.py", "d.txt", "e.pyc"):
        project.write(f"src/shop/_async/{path}", "")
    project.write("tests/_async/test_queue.py", "async def test_ping(): ...\n")
    project.generate()
    generated = {
        str(path.relative_to(project.root))
        for folder in ("src/shop/_sync", "tests/_sync")
        for path in (project.root / folder).rglob("*")
        if path.is_file()
    }
    assert generated == {
        "src/shop/_sync/__init__.py",
        "src/shop/_sync/a/__init__.py",
        "src/shop/_sync/a/b.py",
        "src/shop/_sync/queue.py",
        "tests/_sync/test_queue.py",
    }
    assert "def test_ping(): ..." in project.read("tests/_sync/test_queue.py").splitlines()


def test_second_run_changes_nothing(project):
    """What is right is not written again, and passes the check."""
    project.generate()
    before = snapshot(project.root)
    project.generate()
    assert project.run("--check") == (0, "")
    assert before == snapshot(project.root)


def test_first_run_is_final(project):
    """The first run gives what later ones do, though a new package sorts imports another way."""
    project.settings["directories"]["tests/_async"] = "tests/_sync"
    for path in ("__init__.py", "helpers.py", "_async/__init__.py"):
        project.write(f"tests/{path}", "")
    imports = "import redis\n\nfrom tests import helpers\n"
    project.write("tests/_async/test_queue.py", imports + "\nprint(helpers, redis)\n")
    project.generate()
    assert imports in project.read("tests/_sync/test_queue.py")
    assert project.run("--check") == (0, "")


def test_public_init_keeps_its_exports(project):
    """An import that `__init__` passes on is no unused import."""
    project.write("src/shop/_async/__init__.py", "from shop._async.queue import ping\n")
    project.settings["modules"] = SHOP
    project.generate()
    text = project.read("src/shop/_sync/__init__.py")
    assert text.splitlines()[1:] == ["from shop._sync.queue import ping"]


@pytest.mark.parametrize(
    ("state", "change"),
    [
        ("stale", lambda file: file.write_text(file.read_text() + "\n")),
        ("missing", Path.unlink),
        ("orphaned", lambda file: shutil.copy(file, file.with_name("old.py"))),
    ],
)
def test_check_compares_both_ways(project, state, change):
    """A difference fails the check, which names the file and writes nothing; a run mends it."""
    project.generate()
    right = {path: content for path, (content, _) in snapshot(project.root).items()}
    change(project.root / TARGET)
    before = snapshot(project.root)
    path = TARGET.replace("queue", "old") if state == "orphaned" else TARGET
    assert project.fail("--check") == f'{path}: {state}; run "make generate"\n'
    assert before == snapshot(project.root)
    project.generate()
    assert right == {path: content for path, (content, _) in snapshot(project.root).items()}


def test_orphan_of_a_removed_source(project):
    """What was made from a source that is gone goes with it."""
    project.write("src/shop/_async/old.py", "")
    project.generate()
    (project.root / "src/shop/_async/old.py").unlink()
    assert "src/shop/_sync/old.py: orphaned" in project.fail("--check")
    project.generate()
    assert not (project.root / "src/shop/_sync/old.py").exists()


@pytest.mark.parametrize("arguments", [(), ("--check",)])
@pytest.mark.parametrize("path", [TARGET, "src/shop/_sync/helpers.py"])
def test_file_by_hand(project, path, arguments):
    """A file that was not generated is neither removed nor overwritten, and is an error."""
    file = project.write(path, "# By hand.\n")
    assert f"{path}: not generated" in project.fail(*arguments)
    assert file.read_text() == "# By hand.\n"
    assert list(file.parent.rglob("*.py")) == [file]


@pytest.mark.parametrize("arguments", [(), ("--check",)])
@pytest.mark.parametrize(
    ("source", "line", "word"),
    [
        pytest.param("import asyncio\n\nx = asyncio.sleep\n", 4, "asyncio", id="code"),
        pytest.param('x = 1\nawait_ = "x\\nasyncio"\n', 3, "asyncio", id="string"),
        pytest.param(
            "async def f():\n    pass  # asynchronously\n", 3, "asynchronously", id="comment"
        ),
        pytest.param(
            'async def f():\n    """Do.\n\n    Callers await it.\n    """\n',
            5,
            "await",
            id="docstring",
        ),
        pytest.param("x = 1\ndef f(x: Awaitable): ...\n", 5, "Awaitable", id="type"),
    ],
)
def test_leftover(project, source, line, word, arguments):
    """A leftover fails, with its places in the generated text and in the source."""
    project.write(SOURCE, source)
    message = project.fail(*arguments)
    origin = max(n for n, text in enumerate(source.split("\n"), start=1) if word in text)
    assert f"{TARGET}:{line}: leftover {word!r} from {SOURCE}:{origin}: " in message
    assert not (project.root / TARGET).exists()


def test_leftover_of_equal_lines(project):
    """Of lines with the same text, the nearest one is named as the source of a leftover."""
    project.write(SOURCE, "anyio.a()\n" * 9)
    message = project.fail()
    assert all(
        f":{n + 1}: leftover 'anyio' from {SOURCE}:{min(n + 1, 9)}" in message for n in range(1, 10)
    )


def test_allowed_leftover(project):
    """A word that is allowed in one source is a leftover in the others."""
    project.write(SOURCE, "# asyncio\n")
    project.write("src/shop/_async/other.py", "# anyio\n")
    project.settings["allowed"] = {SOURCE: ["asyncio"]}
    message = project.fail()
    assert "'anyio' from src/shop/_async/other.py:1" in message
    assert "'asyncio'" not in message
    project.settings["allowed"]["src/shop/_async/other.py"] = ["anyio"]
    project.generate()


@pytest.mark.parametrize("arguments", [(), ("--check",)])
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"names": QUEUE}, "'Queue' matches nothing"),
        ({"modules": REDIS}, "'redis.asyncio' matches nothing"),
        ({"allowed": {SOURCE: ["asyncio"]}}, f"'asyncio' is not needed for {SOURCE}"),
        ({"allowed": {"src/gone.py": ["anyio"]}}, "'anyio' is not needed for src/gone.py"),
        ({"directory": {}, "name": 1}, "unknown setting 'directory'"),
        ({"names": 1}, ".names: must be a table, not 1"),
        ({"modules": ["redis"]}, ".modules: must be a table, not ['redis']"),
        ({"allowed": "asyncio"}, ".allowed: must be a table, not 'asyncio'"),
        ({"names": {"Queue": 1}}, ".names: 'Queue' = 1 must be"),
        ({"names": {"a.b": "c"}}, ".names: 'a.b' = 'c' must be"),
        ({"modules": {"a": "b."}}, ".modules: 'a' = 'b.' must be"),
        ({"allowed": {SOURCE: "asyncio"}}, f".allowed: '{SOURCE}' = 'asyncio' must be"),
        ({"allowed": {SOURCE: [1]}}, f".allowed: '{SOURCE}' = [1] must be"),
        ({"directories": {"../a": "b"}}, ".directories: '../a' = 'b' must be"),
        ({"directories": {"a": "/b"}}, ".directories: 'a' = '/b' must be"),
        ({"directories": {"src/gone": "b"}}, "no directory src/gone"),
        ({"directories": {"src/shop": "src/shop/_sync"}}, "src/shop and src/shop/_sync overlap"),
        ({"leftovers": ["asyncio"]}, ".leftovers: must be a regular expression"),
        ({"leftovers": "("}, ".leftovers: must be a regular expression"),
    ],
)
def test_wrong_setting(project, settings, message, arguments):
    """A setting that is wrong, unknown or not needed fails, and is named; nothing is written."""
    project.settings.update(settings)
    assert message in project.fail(*arguments)
    assert not (project.root / TARGET).exists()


def test_missing_settings(project, tmp_path_factory):
    """A project without settings is an error that says what is missing."""
    del project.settings["leftovers"]
    assert "'leftovers' is missing in [tool.arqade-unasync]" in project.fail()
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(unasync.UnasyncError, match=r"pyproject\.toml"):
        unasync.load_config(empty)
    (empty / "pyproject.toml").touch()
    with pytest.raises(unasync.UnasyncError, match="'tool' is missing"):
        unasync.load_config(empty)


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("async def f(:\n", id="syntax"),
        pytest.param("async def f(x):\n    return(await x)\n", id="unformatted"),
        pytest.param("while x:  # ASYNC\n    f()\n", id="marker-without-if"),
        pytest.param("if x:  # ASYNC\n    f()\n", id="marker-at-another-test"),
        pytest.param("if True:  # ASYNC\n    f()\nelse: g()\n", id="else-on-one-line"),
        pytest.param("if True:  # ASYNC\n    f()\nelif x:\n    g()\n", id="marker-before-elif"),
        pytest.param("if x:\n    f()\nelif True:  # ASYNC\n    g()\n", id="marker-at-elif"),
        pytest.param("if True:  # ASYNC\n    f()\nelse:\n    g()\n    # h\n", id="comment-at-end"),
    ],
)
def test_wrong_source(project, source):
    """A source that can't be generated from is named, and nothing is written."""
    project.write(SOURCE, source)
    assert SOURCE in project.fail()
    assert not (project.root / TARGET).exists()


SAMPLE = '''
"""The queue: `async with await Queue.open() as queue: ...`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

from redis import asyncio as aioredis

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

__all__ = ["Queue", "RedisQueue"]


class Queue:
    """Grüße, ✓."""

    def __init__(self, send: Callable[[], Awaitable[None]], *, redis: aioredis.Redis) -> None:
        self.send, self.redis = send, redis

    async def __aenter__(self) -> Queue:
        await self.send()
        return self

    async def items(self) -> AsyncIterator[str]:
        async for item in self.redis.scan_iter():
            yield f"{(await self.get(item)).name!r}"

    if True:  # ASYNC

        def get(self, name: str) -> Coroutine[Any, Any, str]: ...
    else:

        def get(self, name: str) -> str: ...


class RedisQueue(Queue): ...
'''


def interpreters():
    """Return the other Pythons here, newest first; a pyenv shim may be there and not run."""
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    found = {}
    for minor in (14, 13, 12, 11):
        places = [shutil.which(f"python3.{minor}")]
        with contextlib.suppress(OSError):  # it may be another user's
            places += sorted(map(str, pyenv.glob(f"versions/3.{minor}*/bin/python")))
        for place in filter(None, places):
            code = "import sys, venv, ensurepip; print(sys.version_info[:2])"
            done = subprocess.run([place, "-c", code], capture_output=True, text=True, check=False)
            if done.returncode == 0 and done.stdout.strip() == f"(3, {minor})":
                found[3, minor] = place
                break
    found.pop(sys.version_info[:2], None)
    return found


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "version", [(3, 11), (3, 12), (3, 13), (3, 14)], ids="{0[0]}.{0[1]}".format
)
def test_same_bytes_from_other_pythons(project, tmp_path, version):
    """The command line gives the same bytes whatever Python runs it."""
    if version == sys.version_info[:2]:
        pytest.skip("this is the Python that runs the tests")
    interpreter = interpreters().get(version)
    if interpreter is None:
        pytest.skip("there is no such Python here")
    pins = (ROOT / "requirements/dev.txt").read_text()
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("\n".join(re.findall(r"^[\w.-]+==[^\\\n]+", pins, flags=re.MULTILINE)))
    environment = tmp_path / "venv"
    python = environment / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--retries=0", "-c", constraints]
    for command in (
        [interpreter, "-m", "venv", environment],
        [*install, "libcst", "ruff", "typing-extensions"],
    ):
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("pip can't install the generator's dependencies for this Python")

    project.settings.update(
        modules=REDIS,
        names={**QUEUE, "__aenter__": "__enter__", "AsyncIterator": "Iterator"},
    )
    project.write(SOURCE, SAMPLE)
    project.generate()
    right = project.read(TARGET)
    (project.root / TARGET).unlink()
    command = [python, ROOT / "tools/unasync.py", "--root", project.root]
    subprocess.run(command, check=True)
    assert right == project.read(TARGET)
    subprocess.run([*command, "--check"], check=True)
