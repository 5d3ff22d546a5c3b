from __future__ import annotations

import inspect
from functools import partial

import pytest

import arqade
from arqade import JobDef, JobRequest
from arqade._protocol.requests import make_request, task_name
from tests.harness.functions import add, func


@arqade.job(queue="mail", defer_by=5, expires=60, on_conflict="replace")
def send_email(to: str, *, subject: str, copies: int = 1) -> int:
    """Send a message."""
    raise NotImplementedError


@arqade.job
async def resize(name: str, width: int = 300) -> bytes:
    raise NotImplementedError


added = arqade.job_for(add)


def test_request():
    """A call gives a request with the declaration's name, queue and options; nothing else runs."""
    assert send_email("a@b", subject="x") == JobRequest(
        "send_email",
        ("a@b",),
        {"subject": "x"},
        queue_name="mail",
        defer_by=5,
        expires=60,
        on_conflict="replace",
    )
    assert resize(name="a") == JobRequest("resize", (), {"name": "a"})
    assert added(1, b=2) == JobRequest("add", (1,), {"b": 2})
    assert send_email("a@b", subject="x") is not send_email("a@b", subject="x")


@pytest.mark.parametrize(
    ("declared", "args", "kwargs", "message"),
    [
        (send_email, (), {"subject": "x"}, r"^send_email\(\) missing a required argument: 'to'$"),
        (send_email, ("a", "b"), {}, r"^send_email\(\) too many positional arguments$"),
        (send_email, ("a",), {"subject": "x", "other": 1}, r"^send_email\(\) got an unexpected"),
        (added, (1,), {}, r"^add\(\) missing a required argument: 'b'$"),
        (added, ({}, 1, 2), {}, r"^add\(\) too many positional arguments$"),
    ],
)
def test_wrong_call(declared, args, kwargs, message):
    """A call that the function does not take is refused, with the function's name."""
    with pytest.raises(TypeError, match=message) as caught:
        declared(*args, **kwargs)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_parameters_of_any_name():
    """A function may have parameters named like anything of ours."""

    @arqade.job
    def odd(self: int, task: int, args: int, *, _job_id: int) -> None:
        raise NotImplementedError

    request = odd(self=1, task=2, args=3, _job_id=4)
    assert request.kwargs == {"self": 1, "task": 2, "args": 3, "_job_id": 4}


def test_what_a_declaration_shows():
    """It has the function's documentation and parameters, and shows both."""
    assert isinstance(send_email, JobDef)
    assert (send_email.name, send_email.queue_name) == ("send_email", "mail")
    assert send_email.__doc__ == "Send a message."
    assert send_email.__name__ == "send_email"
    assert send_email.__module__ == __name__
    assert inspect.signature(added) == added.signature
    assert list(added.signature.parameters) == ["a", "b"]
    assert repr(resize) == "<job resize(name: 'str', width: 'int' = 300) -> 'bytes'>"
    assert resize != arqade.job(resize.__wrapped__)
    assert len({resize, resize, added}) == 2


def test_name():
    """A declaration has the name that arq gives the function, or the one that it is given."""

    class Jobs:
        @staticmethod
        async def inside(ctx):
            raise NotImplementedError

    assert arqade.job(name="mail.send")(send_email.__wrapped__).name == "mail.send"
    assert arqade.job_for(add, name="plus").name == "plus"
    assert arqade.job_for(Jobs.inside).name == Jobs.inside.__qualname__
    assert arqade.job_for(func(add, name="sum")).name == "sum"
    assert arqade.job_for(func(add)).name == "add"
    assert arqade.job_for(func(add, name="sum"), name="total", queue="q").name == "total"


def test_context():
    """The worker's context is whatever the first parameter is."""

    async def positional_only(ctx, /, a):
        raise NotImplementedError

    async def anything(*args, **kwargs):
        raise NotImplementedError

    assert arqade.job_for(positional_only)(a=1).kwargs == {"a": 1}
    assert arqade.job_for(anything)(1, b=2).args == (1,)


async def no_context():
    raise NotImplementedError


async def keyword_context(*, ctx):
    raise NotImplementedError


@pytest.mark.parametrize(
    ("declare", "error", "message"),
    [
        (lambda: arqade.job(5), TypeError, "job declares a function, not int"),
        (lambda: arqade.job(JobDef), TypeError, "job declares a function, not type"),
        (lambda: arqade.job(queue=5)(resize.__wrapped__), TypeError, "queue"),
        (lambda: arqade.job(queue="")(resize.__wrapped__), ValueError, "queue"),
        (lambda: arqade.job(name="")(resize.__wrapped__), ValueError, "name"),
        (lambda: arqade.job(defer_by=-1)(resize.__wrapped__), ValueError, "defer_by"),
        (lambda: arqade.job(job_id="k"), TypeError, "job_id"),
        (lambda: arqade.job_for(send_email), TypeError, "coroutine function, not JobDef"),
        (lambda: arqade.job_for("add"), TypeError, "coroutine function, not str"),
        (lambda: arqade.job_for(send_email.__wrapped__), TypeError, "not function"),
        (lambda: arqade.job_for(no_context), TypeError, "no_context takes no context"),
        (lambda: arqade.job_for(keyword_context), TypeError, "takes no context"),
        (lambda: arqade.job_for(partial(add, {})), TypeError, "a partial has no name"),
    ],
)
def test_no_declaration(declare, error, message):
    """What no worker could run is refused where it is declared."""
    with pytest.raises(error, match=message):
        declare()


def test_options_of_a_call_win():
    """Options that are given with a declaration replace its own."""
    request = make_request(send_email, ("a",), {"subject": "x"}, queue_name="q", defer_by=9)
    assert (request.queue_name, request.defer_by, request.expires) == ("q", 9, 60)
    assert make_request(added, (1, 2), {}).queue_name is None
    assert task_name(send_email) == "send_email"
