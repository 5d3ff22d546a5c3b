"""The example project, called over HTTP, with its stock worker."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from typing import Any, NamedTuple

import django
import httpx
import pytest

from tests.harness.web_servers import gunicorn, python_of_workers, running, uvicorn
from tests.harness.worker import PATIENCE, ROOT, wait_until

PROJECT = "examples.django_app"
SERVERS = {
    "gunicorn": gunicorn(f"{PROJECT}.wsgi", "--threads=4"),
    "uvicorn": uvicorn(f"{PROJECT}.asgi:application"),
}
READY = "Starting worker for "


class Project(NamedTuple):
    """The running example."""

    client: httpx.Client
    env: dict[str, str]

    def post(self, path: str, **data: str) -> dict[str, Any]:
        response = self.client.post(path, data=data)
        assert response.status_code == 202
        return response.json()

    def get(self, path: str) -> dict[str, Any]:
        response = self.client.get(path)
        assert response.status_code == 200
        return response.json()

    @contextlib.contextmanager
    def worker(self, settings: str):
        """Run a stock worker."""
        command = ["-m", "arq", settings]
        with running(command, self.env, python=python_of_workers()) as process:
            wait_until(lambda: READY in process.said or process.popen.poll() is not None)
            assert READY in process.said, process.said
            yield
            assert process.popen.poll() is None, process.said


def manage(env, *command):
    """Run one of the project's commands, and give what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "django", *command],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture
def env(redis_url, tmp_path):
    """The environment of the project, with a database that has its tables."""
    env = {
        "APP_REDIS_URL": redis_url,
        "APP_DATABASE": str(tmp_path / "db.sqlite3"),
        "DJANGO_SETTINGS_MODULE": f"{PROJECT}.settings",
    }
    manage(env, "migrate", "--verbosity=0")
    return env


@pytest.fixture(params=SERVERS.values(), ids=SERVERS)
def project(request, env):
    """The example behind each of the servers."""
    with running(request.param, env) as process:
        with httpx.Client(base_url=process.url(), timeout=30) as client:
            yield Project(client, env)
        process.stop()


def test_project(env):
    """Its settings are in order, and its migrations complete."""
    assert "no issues" in manage(env, "check", "--fail-level=WARNING")
    assert "No changes" in manage(env, "makemigrations", "--check", "--dry-run")


def test_its_own_tests(env):
    """They pass in test mode, without a server."""
    said = manage(env | {"APP_REDIS_URL": "redis://127.0.0.1:1"}, "test", PROJECT)
    assert "Ran 3 tests" in said
    assert "OK" in said


def test_requests(project):
    """Jobs of blocking and of asynchronous views run, and each view shows the other's."""
    unknown = {"detail": "Job could not be found. id=nope"}
    for path in ("/jobs", "/async/jobs"):
        response = project.client.get(f"{path}/nope")
        assert (response.status_code, response.json()) == (404, unknown)
    blocking = project.post("/jobs", name="Ann")
    assert blocking["status"] == "queued"
    assert project.get(f"/jobs/{blocking['job_id']}") == {"status": "queued"}
    with project.worker(f"{PROJECT}.worker.WorkerSettings"):
        done = {"status": "complete", "success": True, "result": "Hello Ann"}
        assert project.get(f"/async/jobs/{blocking['job_id']}") == done
        asynchronous = project.post("/async/jobs", name="Bob")
        assert project.get(f"/async/jobs/{asynchronous['job_id']}") == done | {
            "result": "Hello Bob"
        }
        assert project.get(f"/jobs/{asynchronous['job_id']}")["result"] == "Hello Bob"

        # The worker finds what the transaction has written.
        image = project.post("/images", name="cat.png")
        project.get(f"/async/jobs/{image['job_id']}")
        expected = {"name": "cat.png", "thumbnail": "cat.png, 300 pixels wide"}
        assert project.get(f"/images/{image['id']}") == expected


@pytest.mark.skipif(django.VERSION < (6,), reason="Django has tasks since 6.0")
def test_tasks(project):
    """A task is run by the worker of tasks, which has a queue of its own."""
    project.post("/images", name="cat.png")
    task = project.post("/counts")
    assert task["status"] == "READY"
    with project.worker("arqade.django.worker.WorkerSettings"):
        path = f"/counts/{task['id']}"
        wait_until(lambda: project.get(path)["status"] in {"SUCCESSFUL", "FAILED"})
        assert project.get(path) == {"status": "SUCCESSFUL", "count": 1}
    assert project.client.get("/counts/nope").status_code == 404
