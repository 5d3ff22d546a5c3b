"""Run Django's own tests of its tasks framework with `ArqBackend`, a real Redis and arq's worker.

The tests are taken from Django's source distribution, which must be that of the installed version::

    pip download --no-deps --no-binary :all: --dest build/django61 django==6.1.3
    python -m tests.django.upstream build/django61/django-6.1.3.tar.gz

They name two backends. In the place of `DummyBackend`, which keeps what is enqueued, stands an
`ArqBackend` that can also list what is in Redis. In the place of `ImmediateBackend`, which runs a
task at once, stands one that has arq's `Worker` run its queue before it gives the result.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
import tarfile
import tempfile
import threading
import unittest
from pathlib import Path
from typing import TYPE_CHECKING

import django
import redis
from django.conf import settings

from arqade.embedded import RedisServer

if TYPE_CHECKING:
    from collections.abc import Iterator

CLASS = "asserts which class the backend is"
PRIORITY = "uses priorities, which arq has not"
SUPPORTED = "asserts that a feature is missing which this backend has"

LEFT_OUT = {
    "test_tasks.TaskTestCase": {
        "test_using_correct_backend": CLASS,
        "test_get_backend": CLASS,
        "test_using_priority": PRIORITY,
        "test_chained_using": PRIORITY,
        "test_invalid_priority": PRIORITY,
    },
    "test_dummy_backend.DummyBackendTestCase": {
        "test_using_correct_backend": CLASS,
        "test_refresh_result": "changes the backend's own object, of which Redis has none",
        "test_refresh_result_async": "changes the backend's own object, of which Redis has none",
    },
    "test_immediate_backend.ImmediateBackendTestCase": {
        "test_using_correct_backend": CLASS,
        "test_cannot_get_result": SUPPORTED,
        "test_cannot_refresh_result": SUPPORTED,
        "test_cannot_pass_run_after": SUPPORTED,
        "test_throws_keyboard_interrupt": (
            "lets an interrupt through to the caller; here none waits, and it is a failure"
        ),
    },
}
"""The tests that do not apply, and why."""

MODULES = ("test_tasks", "test_dummy_backend", "test_immediate_backend")
"""Not `test_custom_backend`, whose tests are about backends of its own."""

STAND_INS = {
    "django.tasks.backends.dummy.DummyBackend": f"{__name__}.KeepingBackend",
    "django.tasks.backends.immediate.ImmediateBackend": f"{__name__}.RunningBackend",
}


def configure(url: str) -> None:
    """Set Django up, with overridden settings that name our backends in the place of Django's."""
    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        SECRET_KEY="for the tests",
        USE_TZ=True,
    )
    django.setup()
    from django import test  # noqa: PLC0415 - it needs the settings

    class OverrideSettings(test.override_settings):
        def __init__(self, **kwargs):
            if "TASKS" in kwargs:
                kwargs["TASKS"] = {
                    alias: _with_stand_in(entry, url) for alias, entry in kwargs["TASKS"].items()
                }
            super().__init__(**kwargs)

    test.override_settings = OverrideSettings


def _with_stand_in(entry, url):
    stand_in = STAND_INS.get(entry["BACKEND"])
    return {**entry, "BACKEND": stand_in, "OPTIONS": {"URL": url}} if stand_in else entry


def define_backends() -> None:
    """Define the backends, which can't be imported before Django is set up."""
    from arq.worker import create_worker  # noqa: PLC0415 - as said

    from arqade.django.backend import ArqBackend  # noqa: PLC0415
    from arqade.django.worker import worker_settings  # noqa: PLC0415

    class KeepingBackend(ArqBackend):
        """Lists what is in the queue."""

        def clear(self):
            with redis.Redis.from_url(self.options["URL"]) as client:
                client.flushdb()

        @property
        def results(self):
            name = self.task_settings.arq_queue("default")
            return [self.get_result(job.id) for job in self.queue.iter_jobs(name)]

    class RunningBackend(ArqBackend):
        """Has a task run before it gives its result."""

        def enqueue(self, task, args, kwargs):
            result = super().enqueue(task, args, kwargs)
            thread = threading.Thread(target=asyncio.run, args=(self._work(task.queue_name),))
            thread.start()
            thread.join()
            result.refresh()
            return result

        async def aenqueue(self, task, args, kwargs):
            result = await super().aenqueue(task, args, kwargs)
            await asyncio.to_thread(asyncio.run, self._work(task.queue_name))
            await result.arefresh()
            return result

        async def _work(self, queue_name):
            settings = worker_settings(queue_name, backend=self.alias, poll_delay=0.01)
            worker = create_worker(settings, burst=True, handle_signals=False)
            await worker.async_run()
            await worker.close()

    globals().update(KeepingBackend=KeepingBackend, RunningBackend=RunningBackend)


def unpack(archive: str, directory: str) -> None:
    """Unpack the tests as a package named ``tasks``, as they are in Django's own runs."""
    with tarfile.open(archive) as file:
        names = {Path(name).parts[0] for name in file.getnames()}
        assert names == {f"django-{django.__version__}"}, f"this Django is {django.__version__}"
        root = f"{names.pop()}/tests/tasks"
        for member in file.getmembers():
            if Path(member.name).parent == Path(root):
                member.name = f"tasks/{Path(member.name).name}"
                file.extract(member, directory, filter="data")


def all_tests() -> Iterator[unittest.TestCase]:
    """Give the tests of all modules."""
    for name in MODULES:
        module = importlib.import_module(f"tasks.{name}")
        for suite in unittest.defaultTestLoader.loadTestsFromModule(module):
            yield from suite


def reason_to_leave_out(test: unittest.TestCase) -> str | None:
    """Say why a test does not apply, if it does not."""
    class_name = f"{type(test).__module__}.{type(test).__qualname__}".removeprefix("tasks.")
    return LEFT_OUT.get(class_name, {}).get(test._testMethodName)


def main(archive: str) -> int:
    """Run the tests, tell which were left out, and give the code to exit with."""
    with RedisServer() as server, tempfile.TemporaryDirectory() as directory:
        configure(server.url)
        unpack(archive, directory)
        sys.path.insert(0, directory)
        define_backends()
        from django.test.utils import setup_test_environment  # noqa: PLC0415 - as above

        setup_test_environment()
        tests = list(all_tests())
        left_out = {test.id(): reason_to_leave_out(test) for test in tests}
        applying = unittest.TestSuite(test for test in tests if not left_out[test.id()])
        count = applying.countTestCases()
        done = unittest.TextTestRunner(verbosity=1).run(applying)
        with redis.Redis.from_url(server.url) as client:
            calls = client.info("commandstats")["cmdstat_evalsha"]["calls"]
    print(  # noqa: T201 - a script prints
        f"\nDjango {django.__version__}: {len(tests)} tests; {count} apply, and asked Redis "
        f"{calls} times; {len(tests) - count} do not:"
    )
    for name, reason in sorted(left_out.items()):
        if reason:
            print(f"  {name.removeprefix('tasks.')}: {reason}")  # noqa: T201
    # Each reason is that of a test which is there.
    known = sum(map(len, LEFT_OUT.values()))
    assert known == len(tests) - count, "LEFT_OUT names a test that this Django does not have"
    return 0 if done.wasSuccessful() and done.testsRun == count else 1


if __name__ == "__main__":
    # Under its own name, by which the settings name the backends.
    sys.exit(importlib.import_module("tests.django.upstream").main(*sys.argv[1:]))
