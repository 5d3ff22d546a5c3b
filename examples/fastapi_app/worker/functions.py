"""The functions that the worker runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import logging

__all__ = ["nbexec", "test_task"]


async def test_task(ctx: dict[Any, Any], a: str, *, a_number: int) -> str:
    """Say something a number of times."""
    logger: logging.LoggerAdapter[logging.Logger] = ctx["logger"]
    logger.info("Saying %s", a)
    return " ".join([a] * a_number)


async def nbexec(_ctx: dict[Any, Any], *, ipynb: str, kernel_name: str) -> str:
    """Pretend to execute a notebook."""
    return f"{ipynb}, executed with {kernel_name}"
