"""The extension for Flask, in this process and behind gunicorn."""

from __future__ import annotations

import inspect
import json
import os
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import httpx
import pytest
from flask import Flask

from arqade import (
    ConfigurationError,
    JobStatus,
    JSONCodec,
    PickleCodec,
    QueueConnectionError,
    RedisSettings,
    SyncRedisArqQueue,
)
from arqade.flask import (
    Arqade,
    ArqadeQueues,
    current_async_queue,
    current_queue,
    get_async_queue,
    get_queue,
)
from examples.flask_app.app import create_app
from tests.harness.canary import keep_secret
from tests.harness.web_servers import NAME, gunicorn, running
from tests.harness.worker import ROOT, python_with_arq, wait_until

EXAMPLE = "examples.flask_app"

SERVERS = {
    "forks": ["--workers=2"],
    "threads": ["--workers=2", "--worker-class=gthread", "--threads=4"],
}
"""Options of gunicorn."""


def make_app(**config):
    app = Flask("shop")
    app.config.from_mapping(config)
    Arqade(app)
    return app


def test_looks_connect_nowhere():
    """Debuggers and test tools look at all of a queue, and nothing is asked of the server."""
    app = make_app(ARQADE_URL="redis://127.0.0.1:1/0?conn_retries=0&retry_budget=0.5")
    with app.app_context():
        queue = get_queue()
        assert isinstance(queue, SyncRedisArqQueue)
        assert "enqueue" in dict(inspect.getmembers(queue, inspect.isroutine))
        assert mock.create_autospec(queue).enqueue
        with pytest.raises(QueueConnectionError):
            queue.ping()


def connections(raw):
    return sum(client["name"] == NAME for client in raw.client_list())


@pytest.fixture
def app(redis_url):
    app = make_app(
        ARQADE_URL=f"{redis_url}?client_name={NAME}",
        ARQADE_CODEC="json",
        ARQADE_QUEUES={"mail": "mail", "images": {"QUEUE_NAME": "images", "CODEC": "pickle"}},
    )

    @app.post("/blocking/<int:value>")
    def post(value):
        return {"id": current_queue.enqueue("echo", value).id}

    @app.post("/async/<int:value>")
    async def post_async(value):
        job = await current_async_queue.enqueue("echo", value)
        assert (await current_async_queue.get_job_status(job.id)) is JobStatus.queued
        return {"id": job.id}

    yield app
    app.extensions["arqade"].close()


class TestInit:
    def test_factory(self):
        """One extension serves several applications, each with its own queues."""
        arqade = Arqade()
        first, second = Flask("first"), Flask("second")
        first.config.from_mapping(ARQADE_MODE="test", ARQADE_QUEUE_NAME="one")
        second.config.from_mapping(ARQADE_MODE="test", ARQADE_QUEUE_NAME="two")
        arqade.init_app(first)
        arqade.init_app(second)
        for app, name in [(first, "one"), (second, "two")]:
            assert isinstance(app.extensions["arqade"], ArqadeQueues)
            with app.app_context():
                assert current_queue.default_queue_name == name
                assert current_queue.enqueue("echo").queue_name == name
                assert len(current_queue.jobs) == 1

    def test_twice(self):
        """A second init of an application is an error."""
        app = make_app(ARQADE_MODE="test")
        with pytest.raises(RuntimeError, match="'shop' has arqade already"):
            Arqade(app)

    def test_url_of_the_environment(self, monkeypatch):
        """The URL may be in the environment; without one there is no production."""
        monkeypatch.setenv("ARQADE_URL", "redis://localhost:1")
        make_app()
        monkeypatch.delenv("ARQADE_URL")
        monkeypatch.delenv("REDIS_URL", raising=False)
        with pytest.raises(ConfigurationError, match=r"^ARQADE_URL is not set, and neither"):
            make_app()

    @pytest.mark.parametrize(
        ("config", "message"),
        [
            ({"ARQADE_URL": "http://x"}, r"^ARQADE_URL: "),
            ({"ARQADE_CODEC": "yaml"}, r"^ARQADE_CODEC: there is no codec 'yaml'"),
            ({"ARQADE_MODE": "off"}, r"^ARQADE_MODE: it must be 'production' or 'test'"),
            ({"ARQADE_QUEUE_NAME": ""}, r"^ARQADE_QUEUE_NAME: "),
            ({"ARQADE_QUEUES": ["mail"]}, r"^ARQADE_QUEUES must be a dictionary, not list"),
            ({"ARQADE_QUEUES": {"mail": 5}}, r"^ARQADE_QUEUES\['mail'\] must be a queue's name"),
            (
                {"ARQADE_QUEUES": {"mail": {"CODECS": "json"}}},
                r"^ARQADE_QUEUES\['mail'\]\['CODECS'\] is unknown\. Did you mean 'CODEC'\?",
            ),
            ({"ARQADE_CODECS": "json"}, r"^ARQADE_CODECS is unknown: did you mean ARQADE_CODEC\?"),
            ({"ARQADE_QUEUES": {5: "mail"}}, r"^ARQADE_QUEUES: names must be str, not int"),
            ({"ARQADE_QUEUES": {"mail": {"URL": "x"}}}, r"^ARQADE_QUEUES\['mail'\]\['URL'\]: "),
        ],
    )
    def test_wrong_configuration(self, config, message):
        """A value that can't be used is named when the application is made."""
        with pytest.raises(ConfigurationError, match=message):
            make_app(**{"ARQADE_URL": "redis://localhost", **config})

    def test_no_default(self, monkeypatch):
        """Where only other queues have a URL, there is no default one."""
        monkeypatch.delenv("ARQADE_URL", raising=False)
        monkeypatch.delenv("REDIS_URL", raising=False)
        app = make_app(ARQADE_QUEUES={"mail": {"URL": "redis://localhost"}})
        assert app.extensions["arqade"].aliases == ["mail"]
        with app.app_context(), pytest.raises(LookupError, match="no queue 'default'"):
            current_queue.enqueue("echo")
        with pytest.raises(ConfigurationError, match=r"^ARQADE_QUEUES\['mail'\]|^ARQADE_URL"):
            make_app(ARQADE_QUEUES={"mail": "mail"})

    def test_nothing_connects(self):
        """A server that is away is an error of the first call, and of each until it is there."""
        app = make_app(ARQADE_URL=RedisSettings(port=1, conn_retries=0))
        with app.app_context():
            for _ in range(2):
                with pytest.raises(QueueConnectionError):
                    current_queue.enqueue("echo")


class TestContext:
    def test_outside(self):
        """Without a current application, there is no queue."""
        with pytest.raises(RuntimeError, match="outside of application context"):
            current_queue.enqueue("echo")

    def test_no_extension(self):
        """An application without the extension says what to do."""
        with Flask("bare").app_context(), pytest.raises(RuntimeError, match=r"call Arqade\(app\)"):
            current_queue.enqueue("echo")

    def test_aliases(self, app, raw):
        """Queues have names, and what they don't say is that of all."""
        with app.app_context():
            assert app.extensions["arqade"].aliases == ["default", "mail", "images"]
            get_queue("mail").enqueue("echo", _job_id="m")
            get_queue("images").enqueue("echo", _job_id="i")
            get_queue().enqueue("echo", _job_id="d")
            with pytest.raises(LookupError, match="no queue 'nope': there are 'default', 'mail'"):
                get_queue("nope")
            with pytest.raises(LookupError):
                get_async_queue("nope")
        assert raw.zrange("mail", 0, -1) == [b"m"]
        assert raw.zrange("images", 0, -1) == [b"i"]
        assert JSONCodec().loads(raw.get("arq:job:m"))["f"] == "echo"
        assert raw.get("arq:job:i")[:1] == b"\x80"


class TestViews:
    def test_requests(self, app, raw):
        """Views of both kinds enqueue, request after request, and leave no connection behind."""
        client = app.test_client()
        ids = set()
        for number in range(4):
            for kind in ("blocking", "async"):
                ids.add(client.post(f"/{kind}/{number}").json["id"])
                # That of the view's event loop has ended with it.
                wait_until(lambda: connections(raw) == 1)
        assert len(ids) == raw.zcard("arq:queue") == 8

    def test_threads(self, app, raw):
        """Threads may serve requests at the same time."""

        def post(number):
            return app.test_client().post(f"/{('blocking', 'async')[number % 2]}/{number}").json

        with ThreadPoolExecutor(8) as pool:
            assert len({answer["id"] for answer in pool.map(post, range(80))}) == 80
        assert raw.zcard("arq:queue") == 80
        wait_until(lambda: connections(raw) <= 8)

    def test_mocks(self):
        """In test mode, views of both kinds use one mock, which a test can look into."""
        app = create_app(ARQADE_MODE="test")
        client = app.test_client()
        job = client.post("/jobs", json={"title": "x", "pages": 3}).json
        client.post("/async/jobs", json={"title": "y"})
        with app.app_context():
            current_queue.assert_enqueued("render", "x", pages=3)
            current_queue.assert_enqueued("render", "y")
            current_queue.set_complete(job["job_id"], result={"pages": 3})
        assert client.get(f"/jobs/{job['job_id']}").json["result"] == {"pages": 3}
        assert client.get(f"/async/jobs/{job['job_id']}").json["result"] == {"pages": 3}
        assert client.get("/jobs/nope").status_code == 404


class TestCommands:
    def test_enqueue(self, app, raw):
        """Arguments are JSON or texts; those with a name are given by it."""
        runner = app.test_cli_runner()
        line = [
            "arqade",
            "enqueue",
            "render",
            "cat.png",
            "5",
            "[1, null]",
            "width=300",
            "=x",
            "a b=c",
            "NaN",
            "[" * 100_000,
        ]
        done = runner.invoke(args=[*line, "--queue=mail", "--job-id=k", "--defer-by=60"])
        assert (done.exit_code, done.output) == (0, "k\n")
        with app.app_context():
            job = get_queue("mail").get_job_metadata("k")
        assert job.args == ("cat.png", 5, [1, None], "=x", "a b=c", "NaN", "[" * 100_000)
        assert job.kwargs == {"width": 300}
        assert job.status is JobStatus.deferred
        done = runner.invoke(args=["arqade", "enqueue", "render", "--json"])
        assert json.loads(done.output)["name"] == "render"

    def test_info(self, app):
        """It shows each queue, in columns or as JSON."""
        runner = app.test_cli_runner()
        runner.invoke(args=["arqade", "enqueue", "render"])
        lines = runner.invoke(args=["arqade", "info"]).output.splitlines()
        assert lines[0].split() == [
            *("alias", "queue_name", "queued", "deferred", "in_progress", "worker")
        ]
        assert lines[1].split() == ["default", "arq:queue", "1", "0", "0", "none"]
        assert len(lines) == 4
        shown = json.loads(runner.invoke(args=["arqade", "info", "--json"]).output)
        assert [row["alias"] for row in shown] == ["default", "mail", "images"]
        assert (shown[0]["queued"], shown[0]["worker"]) == (1, None)

    def test_jobs(self, app):
        """It shows the first jobs, of a state or a name, and their arguments if asked."""
        runner = app.test_cli_runner()
        with app.app_context():
            for number in range(3):
                current_queue.enqueue("resize", "secret", _job_id=f"r{number}")
            current_queue.enqueue("send", _job_id="s", _defer_by=60)

        def ids(*options):
            done = runner.invoke(args=["arqade", "jobs", "--json", *options])
            return {row["id"] for row in json.loads(done.output)}

        assert ids() == {"r0", "r1", "r2", "s"}
        assert ids("--name=send") == {"s"}
        assert ids("--status=queued") == {"r0", "r1", "r2"}
        assert len(ids("--limit=2")) == 2
        assert ids("--queue=mail") == set()
        shown = runner.invoke(args=["arqade", "jobs"]).output
        assert shown.splitlines()[0].split() == ["id", "name", "status", "enqueue_time"]
        assert "secret" not in shown
        assert "['secret']" in runner.invoke(args=["arqade", "jobs", "--args"]).output
        done = runner.invoke(args=["arqade", "jobs", "--args", "--json", "--limit=1"])
        assert json.loads(done.output)[0]["args"] == ["secret"]

    def test_jobs_of_others(self, app, raw):
        """A job that can't be read hides no other; whatever the others hold is shown."""
        runner = app.test_cli_runner()
        with app.app_context():
            get_queue("images").enqueue("odd", {(1, 2): float("nan")}, _job_id="odd")
            get_queue("images").enqueue("broken", _job_id="broken")
        raw.set("arq:job:broken", b"no pickle", px=60_000)
        # No client of ours gives a function such a name.
        job = PickleCodec().loads(raw.get("arq:job:odd")) | {"f": "a\x1b[31m\nb"}
        raw.set("arq:job:odd", PickleCodec().dumps(job), px=60_000)
        line = ["arqade", "jobs", "--queue=images", "--args"]
        done = runner.invoke(args=line)
        assert done.exit_code == 1
        assert "a?[31m?b" in done.output
        assert "broken" in done.output.splitlines()[-1]
        done = runner.invoke(args=[*line, "--json"])
        shown = json.loads(done.output.splitlines()[0], parse_constant=pytest.fail)
        assert [row["id"] for row in shown] == ["odd"]

    def test_info_of_servers_of_which_one_is_away(self, redis_url):
        """The others are shown, and that one is named."""
        away = {"URL": RedisSettings(port=1, conn_retries=0)}
        app = make_app(ARQADE_URL=redis_url, ARQADE_QUEUES={"away": away})
        done = app.test_cli_runner().invoke(args=["arqade", "info"])
        assert done.exit_code == 1
        assert done.output.splitlines()[1].startswith("default ")
        assert done.output.splitlines()[2].startswith("Error: away: The server can't be reached")

    @pytest.mark.parametrize(
        "arguments",
        [
            ["jobs", "--queue=nope"],
            ["jobs", "--status=done"],
            ["jobs", "--limit=-1"],
            ["enqueue", "x", "_job_id=k"],
            ["enqueue", "x", "a=1", "a=2"],
            ["enqueue"],
            ["enqueue", "x", "--defer-by=-1"],
            ["enqueue", ""],
        ],
    )
    def test_usage(self, app, arguments):
        """A wrong command line exits with 2, and says what is wrong."""
        done = app.test_cli_runner().invoke(args=["arqade", *arguments])
        assert done.exit_code == 2
        assert "Error: " in done.output

    def test_taken_id(self, app):
        """What arqade refuses is one line."""
        runner = app.test_cli_runner()
        line = ["arqade", "enqueue", "render", "--job-id=k"]
        assert runner.invoke(args=line).exit_code == 0
        done = runner.invoke(args=line)
        assert done.exit_code == 1
        assert done.output.startswith("Error: Job was not queued")
        assert done.output.count("\n") == 1

    def test_server_that_is_away(self):
        """It is one line, without the password."""
        keep_secret("squeamish")
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            port = bound.getsockname()[1]
            url = f"redis://:squeamish@127.0.0.1:{port}?conn_retries=0"
            done = make_app(ARQADE_URL=url).test_cli_runner().invoke(args=["arqade", "info"])
        assert done.exit_code == 1
        assert done.output.startswith("Error: default: The server can't be reached")
        assert "squeamish" not in done.output


@pytest.mark.parametrize("options", SERVERS.values(), ids=SERVERS)
def test_example(options, redis_url, raw):
    """The example runs behind gunicorn, with a stock worker, and leaves no connection."""
    env = {"ARQADE_URL": f"{redis_url}?client_name={NAME}"}
    command = [python_with_arq(), "-m", "arq", f"{EXAMPLE}.worker.WorkerSettings"]
    with running(gunicorn(f"{EXAMPLE}.app:create_app()", *options), env) as server:
        url = server.url()
        ids = [
            httpx.post(f"{url}/{kind}", json={"title": "abc"}).json()["job_id"]
            for _ in range(5)
            for kind in ("jobs", "async/jobs")
        ]
        with subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **env}, stderr=subprocess.DEVNULL
        ) as worker:
            for job_id in ids:
                wait_until(
                    lambda: httpx.get(f"{url}/jobs/{job_id}").json()["status"] == "complete"  # noqa: B023
                )
                answer = httpx.get(f"{url}/async/jobs/{job_id}").json()
                assert answer["result"] == {"pages": 1, "letters": 3}
            worker.terminate()
        assert httpx.get(f"{url}/jobs/nope").status_code == 404
        server.stop()
    wait_until(lambda: connections(raw) == 0)
