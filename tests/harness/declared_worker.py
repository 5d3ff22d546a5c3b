"""Workers with all kinds of functions, of which declarations are written. None of them runs."""

from __future__ import annotations

import collections  # noqa: TC003 - whoever declares looks at them
import enum
from collections.abc import Callable, Mapping  # noqa: TC003 - as above
from datetime import datetime  # noqa: TC003 - as above
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, Optional, TypeVar, Union

if TYPE_CHECKING:
    from tests.harness.nowhere import Unknown

T = TypeVar("T")


class Colour(enum.Enum):
    RED = 1


class Box(Generic[T]):
    class Lid:
        """Has a name of two parts."""


async def plain(ctx: dict[str, Any], a: int, b: str = "x") -> float:
    """Do something plain."""
    raise NotImplementedError


async def kinds(ctx: Any, a: int, /, b: bytes, *c: bool, d: None = None, **e: object) -> None:
    r"""Take "all kinds" of arguments.

    With a second paragraph, and a \ as it is.
    """


async def only(ctx: Any, *, key: int = 5) -> None:
    """Give a "yes".  "no" would be a "no" """  # noqa: D210, D415 - formatters want a space there


async def types(
    ctx: Any,
    moment: datetime,
    maybe: Optional[int],  # noqa: UP045 - the old form
    either: Union[Colour, Box[int], None],  # noqa: UP007 - the old form
    lid: Box.Lid,
    named: Literal["a", 1, Colour.RED],
    call: Callable[[int, str], bool],
    more: Callable[..., Any],
    pairs: tuple[int, ...],
    none: tuple[()],
    mapping: Mapping[str, list[Annotated[int, "positive"]]],
    kind: type[int],
) -> dict[str, Any] | None:
    raise NotImplementedError


async def nameless(
    ctx: Any,
    a: Unknown,
    b: T,
    c: "no type at all",  # noqa: F722 - as somebody may have it
    d,
    counted: Counter,
    other: collections.Counter[str],
) -> Unknown:
    raise NotImplementedError


async def anything(*args: Any, **kwargs: Any) -> int:
    raise NotImplementedError


async def keyword_context(*, ctx: Any) -> None:
    raise NotImplementedError


class Counter:
    """Is called like another class."""


class Jobs:
    @staticmethod
    async def inside(ctx: Any) -> None:
        raise NotImplementedError


def make() -> Any:
    class Local:
        pass

    async def inner(ctx: Any, a: Local) -> None:
        raise NotImplementedError

    return inner


def named(name: str, coroutine: Any) -> Any:
    """Give what ``arq.func`` gives."""
    return SimpleNamespace(name=name, coroutine=coroutine)


class Base:
    queue_name = "not inherited"


class WorkerSettings(Base):
    functions = (
        plain,
        kinds,
        only,
        types,
        nameless,
        anything,
        Jobs.inside,
        make(),
        named("mail.send", only),
        named("send", only),
        named("class", only),
        named("two words", only),
        "tests.harness.declared_worker.plain",
        named("имя", only),
    )


class MailSettings:
    functions = (named("a_name_that_is_so_long_that_it_does_not_fit_beside_the_queue.send", plain),)
    queue_name = "mail"


in_a_dict = {"functions": {plain, only}, "queue_name": "arq:queue"}
no_settings = 5
no_functions: dict[str, Any] = {"functions": []}
wrong_function = {"functions": [print]}
missing_function = {"functions": ["tests.harness.declared_worker.nothing"]}
without_context = {"functions": [keyword_context]}
