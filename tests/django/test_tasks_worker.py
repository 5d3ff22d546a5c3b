"""Workers of tasks: their settings, threads and connections, how they stop, and the commands."""

from __future__ import annotations

import asyncio
import json
import signal
from datetime import UTC, datetime, timedelta

import pytest
from arq.worker import create_worker
from django.core.management import CommandError, call_command
from django.tasks import task_backends
from django.tasks.exceptions import InvalidTask, InvalidTaskBackend
from django.test import override_settings

from arqade.django import worker
from arqade.django._runner import TaskRunner
from arqade.django.worker import worker_settings
from tests.django.tasks_project import tasks
from tests.django.tasks_project.running import Project, tasks_setting
from tests.harness.worker import wait_until


@pytest.fixture
def project(redis_url, tmp_path):
    """The project; this process has its tasks, too."""
    with override_settings(TASKS=tasks_setting(redis_url)):
        yield Project(redis_url, str(tmp_path / "db.sqlite3"))


# --- settings --------------------------------------------------------------------------


@pytest.mark.usefixtures("project")
def test_settings(redis_url):
    """They say what the backend's options say, by arq's names."""
    settings = worker_settings("mail", max_jobs=7, job_timeout=timedelta(minutes=1))
    assert settings["queue_name"] == "arq:tasks:default:mail"
    assert settings["max_jobs"] == 7
    assert settings["job_timeout"] == 70
    assert settings["poll_delay"] == 0.02
    assert settings["keep_result"] == 86_400
    assert worker_settings("any", backend="other")["keep_result"] == worker.FOREVER
    assert [function.name for function in settings["functions"]] == ["arqade.django.run_task"]
    assert settings["log_results"] is False
    assert settings["redis_settings"].port == int(redis_url.rsplit(":", 1)[1].split("/")[0])


@pytest.mark.usefixtures("project")
def test_settings_by_name():
    """The module gives them to arq by the queue's name."""
    assert worker.WorkerSettings["queue_name"] == "arq:tasks:default:default"
    assert worker.mail["queue_name"] == "arq:tasks:default:mail"
    with pytest.raises(AttributeError, match="no queue 'nope': it has 'default', 'mail'"):
        worker.nope  # noqa: B018
    assert not hasattr(worker, "__wrapped__")


@pytest.mark.usefixtures("project")
def test_wrong_settings():
    """What is wrong is said before there is a worker."""
    for arguments, kind, message in (
        ({"queue_name": "nope"}, InvalidTask, "no queue 'nope'"),
        ({"backend": "nope"}, InvalidTaskBackend, "'nope' doesn't exist"),
        ({"backend": "immediate"}, InvalidTaskBackend, "is no ArqBackend: it is ImmediateBackend"),
        ({"max_job": 1}, ValueError, "did you mean 'max_jobs'"),
        ({"functions": []}, ValueError, "unknown 'functions'; known are "),
        ({"max_jobs": "1"}, TypeError, "max_jobs must be int, not str"),
        ({"max_jobs": True}, TypeError, "max_jobs must be int, not bool"),
        ({"job_timeout": timedelta()}, ValueError, "job_timeout must be positive"),
    ):
        with pytest.raises(kind, match=message):
            worker_settings(**arguments)


@pytest.mark.usefixtures("project")
@pytest.mark.filterwarnings("ignore:Call to deprecated close:DeprecationWarning")  # by arq
async def test_hooks():
    """Hooks of one's own run beside ours."""
    calls = []

    async def on_startup(ctx):
        calls.append(("startup", ctx["mine"]))

    async def on_shutdown(ctx):
        calls.append(("shutdown", ctx["mine"]))

    result = await tasks.add.aenqueue(1)
    settings = worker_settings(on_startup=on_startup, on_shutdown=on_shutdown, ctx={"mine": 1})
    running = create_worker(settings, burst=True, handle_signals=False)
    await running.async_run()
    await running.close()
    await result.arefresh()
    assert result.return_value == 1
    assert calls == [("startup", 1), ("shutdown", 1)]


# --- running ---------------------------------------------------------------------------


@pytest.mark.usefixtures("project")
@pytest.mark.filterwarnings("ignore:Call to deprecated close:DeprecationWarning")  # by arq
async def test_results_for_ever_and_an_expired_task(raw):
    """A worker that keeps results for ever outlives a task that has expired."""
    task = tasks.add.using(backend="other", queue_name="any")
    expired, other = await task.aenqueue(1), await task.aenqueue(2)
    raw.delete(f"arq:job:{expired.id}")
    running = create_worker(
        worker_settings("any", backend="other"), burst=True, handle_signals=False
    )
    await running.async_run()
    await running.close()
    await other.arefresh()
    assert other.return_value == 2
    assert raw.ttl(f"arq:result:{other.id}") > 99 * 365 * 86_400


def test_record(project):
    """A worker says that it is there while it is; another one need not."""
    queue, name = task_backends["default"].queue, "arq:tasks:default:mail"
    with project.worker("mail") as worker_process:
        wait_until(lambda: queue.get_workers(name))
        [record] = queue.get_workers(name)
        assert (record.functions, record.codec) == (("arqade.django.run_task",), "JSONCodec")
        assert queue.check_worker("arqade.django.run_task", queue_name=name) == []
        worker_process.popen.terminate()
        worker_process.popen.wait()
    assert queue.get_workers(name) == []
    assert "on_startup" not in worker_settings("mail", record_interval=None)
    with pytest.raises(ValueError, match="record_interval must be positive"):
        worker_settings("mail", record_interval=0)


def test_threads(project):
    """As many tasks run in threads at the same time as the worker has jobs."""
    results = [tasks.meet.enqueue(4) for _ in range(4)]
    project.burst()
    for result in results:
        result.refresh()
    assert len({result.return_value for result in results}) == 4


def test_connections_to_the_database(project):
    """None that is not to be kept is open when a task has ended, in whichever thread it was."""
    results = [tasks.use_database.enqueue(), tasks.ause_database.enqueue()]
    last = tasks.use_database.using(run_after=timedelta(seconds=0.1)).enqueue()
    project.manage("arqworker", "--burst", "--max-jobs=1")
    for result in [*results, last]:
        result.refresh()
        assert result.status == "SUCCESSFUL"
    assert last.return_value == [True, True]


def test_time_is_over(project, tmp_path):
    """A task that takes too long has failed, though its thread goes on."""
    go = tmp_path / "go"
    results = [
        tasks.touch_and_wait.enqueue(str(tmp_path / "1"), str(go)),
        tasks.atouch_and_hang.enqueue(str(tmp_path / "2")),
    ]
    with project.running("-m", "django", "arqworker", "--burst", "--job-timeout=0.2") as process:
        for result in results:
            wait_until(lambda result=result: result.refresh() or result.is_finished)
            assert result.status == "FAILED"
            assert result.errors[0].exception_class is TimeoutError
            assert result.attempts == 1
            wait_until(
                lambda result=result: f"{result.task.module_path} state=FAILED" in process.said
            )
        go.touch()
        process.popen.wait(20)


def test_full_threads(project, tmp_path):
    """A task whose time is over before a thread was free never runs."""
    go = tmp_path / "go"
    first = tasks.touch_and_wait.enqueue(str(tmp_path / "1"), str(go))
    second = tasks.touch_and_wait.using(run_after=timedelta(seconds=0.05)).enqueue(
        str(tmp_path / "2"), str(go)
    )
    options = ("--burst", "--job-timeout=0.2", "--max-jobs=1")
    with project.running("-m", "django", "arqworker", *options) as process:
        for result in (first, second):
            wait_until(lambda result=result: result.refresh() or result.is_finished)
            assert result.errors[0].exception_class is TimeoutError
        go.touch()
        process.popen.wait(20)
    assert (tmp_path / "1").exists()
    assert not (tmp_path / "2").exists()


def test_worker_that_is_stopped(project, tmp_path):
    """It waits for what runs in threads, and puts back what does not."""
    files = [tmp_path / "1", tmp_path / "2"]
    go = tmp_path / "go"
    in_thread = tasks.touch_and_wait.enqueue(str(files[0]), str(go))
    in_loop = tasks.atouch_and_hang.enqueue(str(files[1]))
    with project.worker() as process:
        wait_until(lambda: all(file.exists() for file in files))
        for result in (in_thread, in_loop):
            result.refresh()
            assert result.status == "RUNNING"
            assert (result.started_at, result.worker_ids) == (None, [])
        process.popen.send_signal(signal.SIGTERM)
        wait_until(lambda: in_loop.refresh() or in_loop.status == "READY")
        go.touch()
        process.popen.wait(20)
    in_thread.refresh()
    assert in_thread.status == "SUCCESSFUL"
    assert in_thread.attempts == 1


@pytest.mark.usefixtures("project")
async def test_cancelling(tmp_path):
    """A task whose thread runs ends in its own time, unless cancelled twice; others end at once."""
    runner = TaskRunner(task_backends["default"], "default", threads=1, timeout=20)
    ctx = {"job_id": "default.x", "job_try": 1, "enqueue_time": datetime.now(UTC)}
    own = {"backend": "default", "queue_name": "default"}
    files = [tmp_path / name for name in ("1", "2", "3")]
    go = [tmp_path / name for name in ("go 1", "go 2", "go 3")]
    running = []

    def start(number):
        args = [str(files[number]), str(go[number])]
        path = tasks.touch_and_wait.module_path
        running.append(asyncio.create_task(runner.run_task(ctx, path, args, {}, **own)))

    start(0)
    await asyncio.to_thread(wait_until, files[0].exists)
    start(1)
    await asyncio.to_thread(wait_until, lambda: runner._executor._work_queue.qsize() == 1)
    for task in running:
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running[1]
    go[0].touch()
    assert (await running[0])["errors"] == []

    start(2)
    await asyncio.to_thread(wait_until, files[2].exists)
    running[2].cancel()
    for _ in range(10):  # It hears of it in one of the next turns of the loop.
        await asyncio.sleep(0)
    assert not running[2].done()
    running[2].cancel()
    with pytest.raises(asyncio.CancelledError):
        await running[2]
    go[2].touch()
    await runner.close({})
    assert not files[1].exists()


# --- commands --------------------------------------------------------------------------


@pytest.mark.usefixtures("project")
def test_arqworker_says_what_is_wrong():
    """An error is told without a traceback, and there is no worker."""
    for options, message in (
        (["--queue=nope"], "The backend 'default' has no queue 'nope'"),
        (["--backend=nope"], "The connection 'nope' doesn't exist."),
        (["--backend=immediate"], "The backend 'immediate' is no ArqBackend"),
        (["--max-jobs=0"], "max_jobs must be positive, not 0"),
    ):
        with pytest.raises(CommandError, match=message):
            call_command("arqworker", *options)


def test_arqinfo(project, capsys):
    """It shows what is in the queues of all backends, and what their workers say."""
    tasks.add.enqueue(1)
    project.burst()
    tasks.add.enqueue(2)
    tasks.add.using(queue_name="mail", run_after=timedelta(hours=1)).enqueue(3)
    queue = task_backends["default"].queue
    with project.worker("mail"):
        wait_until(lambda: queue.get_worker_health("arq:tasks:default:mail"))
        call_command("arqinfo")
        said = capsys.readouterr().out.splitlines()
        assert said[:2] == [
            "backend  queue    queued  deferred  in_progress  worker",
            "default  default  1       0         0            none has been seen",
        ]
        assert said[2].startswith("default  mail     0       1         0            ")
        assert said[2].endswith(": 0 complete, 0 failed, 0 ongoing")
        assert len(said) == 6
        call_command("arqinfo", "--json", "--backend=default")
        default, mail = json.loads(capsys.readouterr().out)
    assert (default["queue"], default["queued"], default["worker"]) == ("default", 1, None)
    assert (mail["queue_name"], mail["deferred"]) == ("arq:tasks:default:mail", 1)
    assert mail["worker"]["jobs_complete"] == 0


@pytest.mark.usefixtures("project")
def test_arqinfo_says_what_is_wrong():
    """An unknown backend, or a server that is down, is no traceback."""
    for alias in ("nope", "immediate"):
        with pytest.raises(CommandError, match=alias):
            call_command("arqinfo", f"--backend={alias}")
    down = tasks_setting("redis://127.0.0.1:1/0?conn_retries=0&retry_budget=0.5")
    with override_settings(TASKS=down), pytest.raises(CommandError, match="be reached"):
        call_command("arqinfo")


@override_settings(TASKS={"default": {"BACKEND": "django.tasks.backends.dummy.DummyBackend"}})
def test_arqinfo_without_backends(capsys):
    """A project may have no backend of arq's."""
    call_command("arqinfo")
    assert capsys.readouterr().out == "There is no ArqBackend in TASKS.\n"
