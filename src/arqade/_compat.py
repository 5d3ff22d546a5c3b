"""Names of `typing` that Python 3.11 lacks, without a dependency for them."""

from __future__ import annotations

import typing
from typing import TYPE_CHECKING, Any

__all__ = ["ResultType", "override"]

if TYPE_CHECKING:
    from typing_extensions import TypeVar, override

    ResultType = TypeVar("ResultType", default=Any)
else:
    ResultType = typing.TypeVar("ResultType")

    def override(method: Any) -> Any:
        """Mark a method as overriding one of its base class; it acts in type checkers only."""
        return method
