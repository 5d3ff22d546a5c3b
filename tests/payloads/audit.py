"""What a decoder may not do to its process, and ways to notice it.

`watched` forbids it to import, to run or to open anything, `unchanged` to change the classes that
it knows, and `Confined` gives it little memory and time.
"""

from __future__ import annotations

import builtins
import codecs
import contextlib
import copyreg
import gc
import importlib
import os
import pickle
import resource
import subprocess
import sys
import threading
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from arqade import exceptions
from arqade._compat import override

ROOT = Path(__file__).parents[2]
MIB = 1024 * 1024

# --- the audit hook ------------------------------------------------------------------------

HARMLESS = frozenset({"builtins.id", "sys._getframe"})
"""Events of Python's own that look at something, and do nothing."""


# Python imports an encoding when it first meets it: this is the one that an opcode's texts are in.
codecs.lookup("raw-unicode-escape")


class ForbiddenError(BaseException):
    """A decoder has done something. No codec may catch it, so it is none of the usual errors."""


class _Watch(threading.local):
    seen: list[str] | None = None


_watch = _Watch()


def _hook(event, args):
    if _watch.seen is not None and event not in HARMLESS:
        _watch.seen.append(event)
        raise ForbiddenError(event)


_install = [sys.addaudithook]
"""Empty once the hook is there: nothing takes one away again."""


@contextlib.contextmanager
def watched():
    """Forbid this thread to import, to run or to open anything, or whatever else is audited."""
    while _install:
        _install.pop()(_hook)
    # The end of another test's objects is nothing that the decoder does.
    collects = gc.isenabled()
    gc.disable()
    seen = _watch.seen = []
    try:
        yield
    finally:
        _watch.seen = None
        if collects:
            gc.enable()
    if seen:
        raise ForbiddenError(f"it was caught: {seen}")


# --- what the tests allow ------------------------------------------------------------------


class Compared:
    """Compares by class and content."""

    __slots__ = ()

    def content(self):
        """Give what it holds."""
        return [self.__dict__]

    @override
    def __eq__(self, other):
        return type(self) is type(other) and self.content() == other.content()

    @override
    def __hash__(self):
        return hash(type(self))


class Plain(Compared):
    """Has a ``__dict__``."""

    def method(self):
        """Do nothing."""


class Stateful(Compared):
    """Takes its state itself, and only a number."""

    value = 0

    @override
    def content(self):
        return [self.value]

    def __getstate__(self):
        return self.value

    def __setstate__(self, state):
        self.value = state + 0


class ListOf(Compared, list):
    """A list."""

    @override
    def content(self):
        return [*self, self.__dict__]


class DictOf(Compared, dict):
    """A dict."""

    @override
    def content(self):
        return [*self.items(), self.__dict__]


class Slotted(Compared):
    """Has slots, which a payload may leave without values."""

    __slots__ = ("first", "second")

    def __init__(self, first, second):
        self.first, self.second = first, second

    @override
    def content(self):
        return [getattr(self, name, "none") for name in self.__slots__]


class Keyed(Compared):
    """Is made with arguments that have names."""

    def __new__(cls, *args, **kwargs):
        self = super().__new__(cls)
        self.args, self.kwargs = args, dict(kwargs)
        return self

    def __getnewargs_ex__(self):
        return self.args, self.kwargs

    @override
    def __repr__(self):
        return f"Keyed({self.args}, {self.kwargs})"


class Colour(Enum):
    """Has members."""

    RED = 1


class AppError(Compared, Exception):
    """An application's own error."""

    @override
    def content(self):
        return [self.args, self.__dict__]


def listed(*args):
    """Give a new list."""
    return list(args)


ALLOWED = (Plain, Stateful, ListOf, DictOf, Slotted, Keyed, Colour, AppError, listed)
"""Harmless classes, and a function."""

WATCHED = [
    *ALLOWED,
    *(kind for kind in vars(builtins).values() if isinstance(kind, type)),
    *(kind for kind in vars(exceptions).values() if isinstance(kind, type)),
    *(builtins, copyreg, os, sys, importlib, pickle),
    *Colour,
]


def _state():
    contents = [dict(vars(thing)) for thing in WATCHED]
    registry = [dict(vars(copyreg)[name]) for name in ("dispatch_table", "_extension_registry")]
    # Another module that is imported meanwhile is what the audit hook is for.
    return contents, registry, list(sys.path)


@contextlib.contextmanager
def unchanged():
    """Check that the known classes and modules stay what they are."""
    before = _state()
    yield
    assert _state() == before


# --- limits --------------------------------------------------------------------------------

MEMORY = 1024 * MIB
CPU_SECONDS = 15


class Outcome(NamedTuple):
    """What came of a call in a confined process."""

    value: object
    """What it gave; None if its process died."""

    signal: int
    """What its process died of; 0 if it did not."""

    growth: int
    """How much memory the process took at most beside what it began with, in bytes."""


class Confined:
    """Calls functions, each in a process of its own that has little memory and time.

    What takes too long dies of SIGXCPU: its own time counts, however busy the machine is.
    """

    def __init__(self):
        self._server = subprocess.Popen(
            [sys.executable, "-m", __name__],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def call(self, function, *args):
        """Call a function of a module."""
        pickle.dump((function, args), self._server.stdin)
        self._server.stdin.flush()
        return Outcome(*pickle.load(self._server.stdout))

    def close(self):
        """End the process that starts the others."""
        self._server.stdin.close()
        self._server.wait()
        self._server.stdout.close()


def resident():
    """Give the size of what this process has in memory."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


def serve():
    """Do the calls that come in, one after another."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # What a call prints is no answer.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    while True:
        try:
            function, args = pickle.load(sys.stdin.buffer)
        except EOFError:
            break
        before = resident()
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 5))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            with os.fdopen(writer, "wb") as file:
                pickle.dump(function(*args), file)
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as file:
            told = file.read()
        _, status, usage = os.wait4(child, 0)
        value = pickle.loads(told) if status == 0 else None
        signal = os.WTERMSIG(status) if os.WIFSIGNALED(status) else -os.WEXITSTATUS(status)
        pickle.dump((value, signal, usage.ru_maxrss * 1024 - before), answers)
        answers.flush()


if __name__ == "__main__":
    serve()
