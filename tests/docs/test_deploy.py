"""The page on deployment: the manifest's commands work, and its seconds fit together."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml

from arqade import SyncRedisArqQueue
from tests.docs.pages import DOCS, assert_known, code_blocks
from tests.harness.web_servers import NAME, running
from tests.harness.worker import python_with_arq, stock_environment, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

EXAMPLES = DOCS / "examples"
FILES = {
    "deployed_worker.py": "app/worker.py",
    "wsgi.py": "app/wsgi.py",
    "gunicorn_conf.py": "gunicorn_conf.py",
}
"""Where the examples are in the image."""

MANIFESTS: dict[str, dict[str, Any]] = {
    manifest["metadata"]["name"]: manifest
    for manifest in yaml.safe_load_all((EXAMPLES / "kubernetes.yaml").read_text("utf-8"))
}


def pod(name: str) -> dict[str, Any]:
    spec = MANIFESTS[name]["spec"]
    job = spec.get("jobTemplate", {}).get("spec", spec)
    return job["template"]["spec"]


def container(name: str) -> dict[str, Any]:
    [only] = pod(name)["containers"]
    return only


def commands(value: object) -> Iterator[list[str]]:
    """Give the commands in a part of a manifest."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in parts:
        yield from commands(part)
    if isinstance(value, dict) and "command" in value:
        yield value["command"]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """The folder of the application."""
    tmp_path.joinpath("app").mkdir()
    for source, target in FILES.items():
        shutil.copy(EXAMPLES / source, tmp_path / target)
    return tmp_path


@pytest.fixture
def environment(redis_url: str) -> Mapping[str, str]:
    """The variables that the manifests name."""
    [variable] = {
        variable["name"]: None for name in MANIFESTS for variable in container(name)["env"]
    }
    return stock_environment(**{variable: redis_url})


def run(words: list[str], image: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Run a command of a pod."""
    command, *rest = words
    python = python_with_arq() if command == "arq" else sys.executable
    return subprocess.Popen(
        [python, "-m", command, *rest], cwd=image, env={**environment}, stderr=subprocess.DEVNULL
    )


@pytest.fixture
def worker(image, environment) -> Iterator[subprocess.Popen[bytes]]:
    """The worker's container, which lives."""
    probe = container("worker")["startupProbe"]["exec"]["command"]
    with run(container("worker")["command"], image, environment) as process:
        try:
            wait_until(lambda: run(probe, image, environment).wait() == 0)
            yield process
        finally:
            process.kill()


def test_commands():
    """The command line knows the commands of arqade; all are of programs that are tested here."""
    found = [words for name in MANIFESTS for words in commands(pod(name))]
    assert {words[0] for words in found} == {"arq", "arqade", "gunicorn"}
    page = "\n".join(code_blocks(DOCS / "how-to" / "deploy.md", "console"))
    found += [line.split() for line in re.findall(r"\s-- (arqade .+)$", page, re.MULTILINE)]
    for command, *rest in found:
        if command == "arqade":
            assert_known(rest)


def test_manifests(image, environment, monkeypatch):
    """Selectors select their pods, and who is told to end has the time for it."""
    for name, manifest in MANIFESTS.items():
        assert manifest["metadata"]["labels"] == {"app": name}
        if manifest["kind"] == "Deployment":
            labels = manifest["spec"]["template"]["metadata"]["labels"]
            assert labels == manifest["spec"]["selector"]["matchLabels"] == {"app": name}
    monkeypatch.syspath_prepend(image)
    for variable in environment.keys() - os.environ.keys():
        monkeypatch.setenv(variable, environment[variable])
    settings = load(image / "app" / "worker.py")["WorkerSettings"]
    assert settings.job_timeout <= settings.job_completion_wait
    assert settings.job_completion_wait < pod("worker")["terminationGracePeriodSeconds"]
    probe = container("worker")["livenessProbe"]
    assert settings.health_check_interval <= probe["periodSeconds"]
    web = load(image / "gunicorn_conf.py")
    assert web["graceful_timeout"] < pod("web")["terminationGracePeriodSeconds"]


def load(path: Path) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": path.stem}
    exec(compile(path.read_text("utf-8"), path, "exec"), names)
    return names


def test_worker(worker, image, environment, redis_url):
    """A job may end after SIGTERM; then there is no worker for the probe, nor for the check."""
    probe = container("worker")["livenessProbe"]["exec"]["command"]
    check = [*container("check")["command"], "--allow", "persistence"]
    assert run(check, image, environment).wait() == 0
    with SyncRedisArqQueue.from_url(redis_url) as queue:
        job = queue.enqueue("resize", "cat.png", seconds=4)
        wait_until(lambda: queue.get_job_status(job.id) == "in_progress")
        worker.terminate()
        assert queue.wait_for_result(job.id, timeout=20).unwrap() == "cat.png is smaller"
    assert worker.wait(20) == 0
    assert run(probe, image, environment).wait() == 1
    assert run(check, image, environment).wait() == 1
    nowhere = {**environment, "ARQADE_URL": "redis://127.0.0.1:1/0"}
    assert run(check, image, nowhere).wait() == 3


def test_worker_that_hangs(worker, image, environment, raw):
    """The probe finds it when its record ends, which is a matter of seconds."""
    probe = container("worker")["livenessProbe"]["exec"]["command"]
    [record] = raw.keys("arq:queue:health-check:*")
    assert raw.pttl(record) <= 11_000
    worker.send_signal(signal.SIGSTOP)
    wait_until(lambda: run(probe, image, environment).wait() == 1)
    worker.send_signal(signal.SIGCONT)
    wait_until(lambda: run(probe, image, environment).wait() == 0)


def test_web(image, environment, redis_url, raw):
    """Each process of gunicorn has a queue of its own, and closes it."""
    command, *rest = container("web")["command"]
    words = [word.replace("0.0.0.0:8000", "127.0.0.1:0") for word in rest]
    assert "--bind=127.0.0.1:0" in words
    variables = {**environment, "ARQADE_URL": f"{redis_url}?client_name={NAME}"}
    words = ["-m", command, "--chdir", str(image), "--no-control-socket", *words]
    words[words.index("--config=gunicorn_conf.py")] = f"--config={image / 'gunicorn_conf.py'}"
    with running(words, variables) as process, httpx.Client(base_url=process.url()) as client:
        path = container("web")["readinessProbe"]["httpGet"]["path"]
        assert client.get(path).text == "well"
        assert not connections(raw)
        assert client.get("/jobs").status_code == 404
        ids = {client.post("/jobs", headers={"Connection": "close"}).text for _ in range(50)}
        assert {member.decode() for member in raw.zrange("arq:queue", 0, -1)} == ids
        assert 1 <= connections(raw) <= 2
        process.stop()
        wait_until(lambda: not connections(raw))


def connections(raw) -> int:
    return sum(client["name"] == NAME for client in raw.client_list())
