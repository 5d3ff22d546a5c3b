"""Stock workers of the project, in processes of their own."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from typing import NamedTuple

from tests.harness.web_servers import running
from tests.harness.worker import PATIENCE, ROOT, stock_environment, wait_until

__all__ = ["Project", "tasks_setting"]

SETTINGS = "tests.django.tasks_project.settings"
READY = "Starting worker for "


def tasks_setting(url):
    """Give the setting that the project and the tests have in common."""
    worker = {"poll_delay": 0.02, "max_jobs": 4}
    default = {
        "BACKEND": "arqade.django.ArqBackend",
        "QUEUES": ["default", "mail"],
        "OPTIONS": {"URL": url, "WORKER": worker},
    }
    return {
        "default": default,
        "twin": default,
        "other": {
            "BACKEND": "arqade.django.ArqBackend",
            "QUEUES": [],
            "OPTIONS": {"URL": url, "CODEC": "msgpack", "RESULT_TTL": None, "WORKER": worker},
        },
        "immediate": {"BACKEND": "django.tasks.backends.immediate.ImmediateBackend"},
    }


class Project(NamedTuple):
    """The project, with a server and a database."""

    redis_url: str
    database: str

    @property
    def env(self):
        return {
            "DJANGO_SETTINGS_MODULE": SETTINGS,
            "PYTHONPATH": str(ROOT),
            "TASKS_DATABASE": self.database,
            "TASKS_REDIS_URL": self.redis_url,
        }

    def run(self, *command, code=0):
        """Run a command of Python to its end, and give what it says."""
        done = subprocess.run(
            [sys.executable, *command],
            cwd=ROOT,
            env=stock_environment(**self.env),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == code, done.stdout
        return done.stdout

    def manage(self, *command, code=0):
        """Run one of the project's commands, and give what it says."""
        return self.run("-m", "django", *command, code=code)

    def burst(self, settings="WorkerSettings"):
        """Run a stock worker until its queue is empty, and give what it says."""
        return self.run("-m", "arq", f"arqade.django.worker.{settings}", "--burst")

    @contextlib.contextmanager
    def running(self, *command):
        """Run a worker by a command of Python, and wait until it looks for tasks."""
        with running([*command], self.env) as process:
            wait_until(lambda: READY in process.said or process.popen.poll() is not None)
            assert READY in process.said, process.said
            yield process

    def worker(self, settings="WorkerSettings"):
        """Run a stock worker."""
        return self.running("-m", "arq", f"arqade.django.worker.{settings}")
