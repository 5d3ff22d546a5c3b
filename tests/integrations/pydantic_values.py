"""Models of pydantic, as arguments of jobs.

Kept apart from the tests so that a worker can import them, as it must to decode them.
"""

from __future__ import annotations

from pydantic import BaseModel


class Point(BaseModel):
    x: int
    y: int = 0


class Shape(BaseModel):
    name: str
    points: list[Point]
