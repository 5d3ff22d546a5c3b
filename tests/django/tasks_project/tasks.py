"""Tasks that stock workers run for the tests, and receivers of the signals that these send."""

from __future__ import annotations

import asyncio
import contextvars
import os
import sys
import threading
import time
from pathlib import Path

from arq import Retry
from asgiref.sync import sync_to_async
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.dispatch import receiver
from django.tasks import TaskContext, task
from django.tasks.signals import task_finished, task_started

PATIENCE = 20

current = contextvars.ContextVar("current")
heard = []
"""What the receivers heard: task, status, and the exception that was handled."""
seen = []
"""Connections to the database that tasks used."""


@task
def add(one, two=0):
    return one + two


@task
async def aadd(one, two=0):
    await asyncio.sleep(0)
    return one + two


@task
def echo(*args, **kwargs):
    return [list(args), kwargs]


@task
def fail(message):
    raise ValueError(message)


@task
async def afail(message):
    raise KeyError(message)


@task
def leave():
    sys.exit(3)


@task
async def aleave():
    sys.exit(3)


@task
def unserializable():
    return object()


@task
def not_a_number():
    return float("nan")


@task(takes_context=True)
def about(context, two):
    assert isinstance(context, TaskContext)
    result = context.task_result
    return [result.id, result.status, context.attempt, len(result.worker_ids), result.args, two]


@task(takes_context=True)
async def try_again(context, times):
    if context.attempt <= times:
        raise Retry(defer=0.01)
    return [context.attempt, context.task_result.worker_ids]


@task
def touch_and_wait(started, go):
    """Tell that it runs, and wait until it may end."""
    Path(started).touch()
    end = time.monotonic() + PATIENCE
    while not Path(go).exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    return os.getpid()


@task
async def atouch_and_hang(started):
    """Tell that it runs, and never end by itself."""
    await asyncio.to_thread(Path(started).touch)
    await asyncio.sleep(3600)


def _query():
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    seen.append(connections[DEFAULT_DB_ALIAS])


@task
def use_database():
    """Leave a connection open; tell whether those of earlier tasks are closed."""
    closed = [used.connection is None for used in seen]
    _query()
    return closed


@task
async def ause_database():
    """The same in asynchronous code."""
    await sync_to_async(_query)()


@task
def meet(number):
    """Wait until so many tasks run at the same time, each in a thread."""
    _gate(number).wait(PATIENCE)
    return threading.current_thread().name


_gates = {}


def _gate(number):
    return _gates.setdefault(number, threading.Barrier(number))


@task
def context_variable():
    """Give what a receiver of the signal has set."""
    return current.get("nothing")


@task
def what_was_heard():
    return heard


def function_that_is_no_task():
    Path(os.environ["TASKS_DATABASE"]).with_name("called").touch()


@receiver(task_started)
def set_variable(task_result, **kwargs):
    if task_result.task.name == "context_variable":
        current.set("set by a receiver")


@receiver(task_finished)
async def hear_asynchronously(task_result, **kwargs):
    if task_result.task.name == "context_variable":
        heard.append("in asynchronous code")


@receiver([task_started, task_finished])
def hear(task_result, **kwargs):
    error = sys.exc_info()[0]
    heard.append([task_result.task.name, task_result.status, error and error.__name__])


@receiver([task_started, task_finished])
def disturb(task_result, **kwargs):
    """Raise; nothing comes of it."""
    if task_result.task.name in {"add", "aadd", "fail"}:
        raise LookupError("a receiver that raises")
