"""The example for WSGI servers, whose queue is used before the server forks."""

from __future__ import annotations

from arqade.django import queue
from examples.django_app.wsgi import application

__all__ = ["application"]

queue.ping()
