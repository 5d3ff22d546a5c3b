"""Typed declarations of the functions that workers run.

A declaration is called as the function is, and gives a `JobRequest`: type checkers know its
arguments and its result, and a wrong call fails where it is made, not in the worker.
"""

from __future__ import annotations

import functools
import inspect
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Generic,
    ParamSpec,
    Protocol,
    TypedDict,
    TypeVar,
    Unpack,
    overload,
)

from arqade._compat import override
from arqade.models import JobRequest, OnConflict

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from arqade._validation import Duration

__all__ = ["ArqFunction", "JobDecorator", "JobDef", "JobOptions", "job", "job_for"]

KEYWORD_ONLY = inspect.Parameter.KEYWORD_ONLY
VAR_KEYWORD = inspect.Parameter.VAR_KEYWORD
VAR_POSITIONAL = inspect.Parameter.VAR_POSITIONAL

P = ParamSpec("P")
R = TypeVar("R")


class ArqFunction(Protocol):
    """What ``arq.func`` gives: a worker's function with options of its own."""

    @property
    def name(self) -> str:
        """The name under which workers know it."""
        ...

    @property
    def coroutine(self) -> Callable[..., Coroutine[Any, Any, Any]]:
        """The function itself."""
        ...


class JobOptions(TypedDict, total=False):
    """The options of `job` and `job_for`."""

    name: str | None
    queue: str | None
    defer_by: Duration | None
    expires: Duration | None
    on_conflict: OnConflict


class JobDef(Generic[P, R]):
    """The declaration of a function that workers run; `job` and `job_for` make one.

    ``P`` are its parameters without the worker's context, ``R`` is the type of its result. Two
    declarations are equal if they are one object.

    Args:
        function: What has its documentation.
        signature: Its parameters, without the worker's context.
        template: Its name, and the options of its jobs.
    """

    def __init__(
        self, function: Callable[..., Any], signature: inspect.Signature, template: JobRequest[R]
    ) -> None:
        functools.update_wrapper(self, function)
        self._template = template
        self.__signature__ = signature

    @property
    def name(self) -> str:
        """The name under which workers know the function."""
        return self._template.task_name

    @property
    def queue_name(self) -> str | None:
        """The queue of its jobs; None for the client's default queue."""
        return self._template.queue_name

    @property
    def signature(self) -> inspect.Signature:
        """Its parameters, without the worker's context."""
        return self.__signature__

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> JobRequest[R]:
        """Give the request for a job with these arguments; nothing is sent.

        Parameters that are left out keep the defaults of the worker's function.

        Raises:
            TypeError: The function has other parameters.
        """
        try:
            self.__signature__.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{self.name}() {error}") from None
        return self._template.with_options(args=args, kwargs=kwargs)

    @override
    def __repr__(self) -> str:
        return f"<job {self.name}{self.__signature__}>"


class JobDecorator(Protocol):
    """What `job` gives when it is called with options."""

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> JobDef[P, R]: ...

    @overload
    def __call__(self, function: Callable[P, R], /) -> JobDef[P, R]: ...


@overload
def job(function: Callable[P, Coroutine[Any, Any, R]], /) -> JobDef[P, R]: ...


@overload
def job(function: Callable[P, R], /) -> JobDef[P, R]: ...


@overload
def job(**options: Unpack[JobOptions]) -> JobDecorator: ...


def job(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    queue: str | None = None,
    defer_by: Duration | None = None,
    expires: Duration | None = None,
    on_conflict: OnConflict = "raise",
) -> Any:
    """Declare a function that workers run, where their code is not imported.

    It decorates a function with the worker's name, parameters (without its context) and result,
    which is never called::

        @arqade.job(queue="mail")
        def send_email(to: str, *, subject: str) -> int:
            raise NotImplementedError

    An ``async def`` declares the same. The options are those of the jobs, unless a request has
    others.

    Args:
        function: The declaration, if there are no options.
        name: The name under which workers know the function, if it is not that of the declaration.
        queue: The queue; the client's default queue if None.
        defer_by: As `JobRequest.defer_by`.
        expires: As `JobRequest.expires`.
        on_conflict: As `JobRequest.on_conflict`.

    Raises:
        TypeError: A value is of a wrong type.
        ValueError: A value is not allowed.
    """

    def declare(function: Callable[..., Any]) -> JobDef[..., Any]:
        if not inspect.isfunction(function):
            raise TypeError(f"job declares a function, not {type(function).__name__}")
        template = JobRequest[Any](
            function.__qualname__ if name is None else name,
            queue_name=queue,
            defer_by=defer_by,
            expires=expires,
            on_conflict=on_conflict,
        )
        return JobDef(function, inspect.signature(function), template)

    return declare if function is None else declare(function)


@overload
def job_for(
    function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]],
    /,
    **options: Unpack[JobOptions],
) -> JobDef[P, R]: ...


@overload
def job_for(function: ArqFunction, /, **options: Unpack[JobOptions]) -> JobDef[..., Any]: ...


def job_for(
    function: Callable[..., Coroutine[Any, Any, Any]] | ArqFunction,
    /,
    *,
    name: str | None = None,
    queue: str | None = None,
    defer_by: Duration | None = None,
    expires: Duration | None = None,
    on_conflict: OnConflict = "raise",
) -> JobDef[..., Any]:
    """Declare a worker's own coroutine function, where its code can be imported.

    Its first parameter, the worker's context, is not one of the declaration.

    Args:
        function: The function, or what ``arq.func`` gives for it.
        name: The name under which workers know it, if it is not its ``__qualname__``, which arq
            takes, or that which ``arq.func`` was given.
        queue: The queue; the client's default queue if None.
        defer_by: As `JobRequest.defer_by`.
        expires: As `JobRequest.expires`.
        on_conflict: As `JobRequest.on_conflict`.

    Raises:
        TypeError: It is no coroutine function, or takes no context; or a value is of a wrong type.
        ValueError: A value is not allowed.
    """
    coroutine: Any = function
    if not inspect.iscoroutinefunction(function):
        coroutine = getattr(function, "coroutine", None)
        name = getattr(function, "name", None) if name is None else name
    if not inspect.iscoroutinefunction(coroutine):
        raise TypeError(f"job_for takes a coroutine function, not {type(function).__name__}")
    if name is None:
        name = getattr(coroutine, "__qualname__", None)
    if name is None:
        raise TypeError(f"a {type(coroutine).__name__} has no name: give one with name=")
    template = JobRequest[Any](
        name,
        queue_name=queue,
        defer_by=defer_by,
        expires=expires,
        on_conflict=on_conflict,
    )
    return JobDef(coroutine, without_context(coroutine), template)


def without_context(function: Callable[..., Any]) -> inspect.Signature:
    """Give the parameters of a worker's function, but for its context.

    Raises:
        TypeError: It takes none.
    """
    signature = inspect.signature(function)
    [*parameters] = signature.parameters.values()
    if not parameters or parameters[0].kind in (KEYWORD_ONLY, VAR_KEYWORD):
        name = getattr(function, "__qualname__", type(function).__name__)
        raise TypeError(f"{name} takes no context: no worker can call it")
    if parameters[0].kind is not VAR_POSITIONAL:
        del parameters[0]
    return signature.replace(parameters=parameters)
