"""Payloads that anybody may have written."""

from __future__ import annotations

import json
import pickle
import sys

import pytest

from arqade import JSONCodec, MsgpackCodec, PickleCodec, RestrictedPickleCodec, SignedCodec
from arqade.cli.formats import AnyFormat, codec_named
from tests.harness.states import QUEUE, now_ms, put_queued
from tests.harness.stock_values import CustomError

JOB = {"t": None, "f": "work", "a": (1, "x"), "k": {"b": True}, "et": 1_700_000_000_000}
CODECS = {"pickle": PickleCodec(), "json": JSONCodec(), "msgpack": MsgpackCodec()}
RAN = []

CODEC = SignedCodec(PickleCodec(), [b"k" * 32])
"""What an application may have."""


class Class:
    """Of a module that a client has not."""

    def __init__(self, name):
        self.name = name


class Bomb:
    """What a hostile payload holds."""

    def __reduce__(self):
        return RAN.append, ("ran",)


def put(raw, data, job_id="k"):
    put_queued(raw, job_id)
    raw.set(f"arq:job:{job_id}", data)


def result_of(args, codec=PickleCodec(), **fields):  # noqa: B008 - it is not changed
    now = now_ms()
    envelope = {"t": 1, "f": "work", "a": args, "k": {}, "et": now, "s": True, "r": None}
    return codec.dumps({**envelope, "st": now, "ft": now, "q": QUEUE, "id": "k", **fields})


@pytest.mark.parametrize("name", CODECS)
def test_formats_are_told_apart(cli, raw, name):
    """A job is read whatever format it has."""
    put(raw, CODECS[name].dumps(JOB))
    answer = cli("show", "k", "--json").json
    assert (answer["args"], answer["kwargs"]) == ([1, "x"], {"b": True})


def test_plain_json(cli, raw):
    """So is plain JSON, which a stock worker writes that has json.dumps."""
    put(raw, json.dumps(JOB).encode())
    assert cli("show", "k", "--json").json["args"] == [1, "x"]


def test_classes_are_shown_by_name(cli, raw):
    """Of what is not plain data the name is shown, and nothing is imported."""
    put(raw, pickle.dumps({**JOB, "a": (Class("x"),)}))
    answer = cli("show", "k")
    assert answer.status == 0
    assert f"<Placeholder {__name__}.Class" in answer.out


def test_hostile_pickle(cli, raw):
    """What a pickle wants to be called is not, and it is shown."""
    put(raw, pickle.dumps({**JOB, "a": (Bomb(),)}))
    for words in (["show", "k"], ["jobs", "--args"], ["doctor"], ["enqueue", "work", "--id", "k"]):
        cli(*words)
    assert RAN == []


def test_names_do_not_steer_the_terminal(cli, raw):
    """Control characters in ids, names and errors come out as escapes."""
    put(raw, PickleCodec().dumps({**JOB, "f": "a\x1b]0;b\x07"}), "i\x1b[31m\n")
    for words in (["jobs"], ["show", "i\x1b[31m\n"], ["result", "i\x1b[31m\n"]):
        answer = cli(*words)
        assert "\x1b" not in answer.out + answer.err
        assert "\x07" not in answer.out + answer.err
    assert "a\\x1b]0;b\\x07" in cli("jobs").out


def test_unreadable(cli, raw):
    """Bytes of no known format are an error that says so, and nothing of them."""
    put(raw, b"nonsense")
    answer = cli("show", "k")
    assert answer.status == 1
    assert "nonsense" not in answer.err


def test_signed(cli, raw):
    """What is signed is read with the codec that has the key, from the application."""
    put(raw, CODEC.dumps(JOB))
    assert cli("show", "k").status == 1
    answer = cli("show", "k", "--json", "--codec", f"{__name__}:CODEC")
    assert answer.json["args"] == [1, "x"]


def test_codec_of_the_application(process, tmp_path):
    """It is looked for in the current directory, too, as arq does for workers."""
    (tmp_path / "shop.py").write_text("import arqade\ncodec = arqade.JSONCodec()\n")
    command = [sys.executable, "-P", "-m", "arqade.cli"]
    answer = process("info", command=command, cwd=tmp_path, ARQADE_CODEC="shop:codec")
    assert (answer.status, answer.err) == (0, "")


def test_named_codec_writes(cli, raw):
    """A codec that is named writes what is enqueued; without one it is pickle."""
    cli("enqueue", "work", 1, "--id", "a", "--codec", "json")
    cli("enqueue", "work", 1, "--id", "b")
    assert json.loads(raw.get("arq:job:a"))["a"] == [1]
    assert pickle.loads(raw.get("arq:job:b"))["a"] == (1,)


@pytest.mark.parametrize(
    "name", ["nope", "no.such.module", "json:dumps", "tests.cli.test_formats:JOB"]
)
def test_no_codec(cli, name):
    """What is no codec is a wrong command."""
    answer = cli("info", "--codec", name)
    assert (answer.status, answer.out) == (2, "")
    assert "codec" in answer.err


class TestRetry:
    @pytest.mark.parametrize("name", CODECS)
    def test_format_is_kept(self, cli, raw, name):
        """A job that is enqueued again has the format of its result."""
        raw.set("arq:result:k", result_of((1, "x"), CODECS[name]))
        assert cli("retry", "k") == (0, "k\n", "")
        data = raw.get("arq:job:k")
        assert AnyFormat().name_of(data) == name
        assert CODECS[name].loads(data)["a"] in ((1, "x"), [1, "x"])

    def test_classes_are_kept(self, cli, raw):
        """Arguments that can't be had here go back as they were."""
        raw.set("arq:result:k", result_of((Class("x"),)))
        assert cli("retry", "k").status == 0
        [again] = pickle.loads(raw.get("arq:job:k"))["a"]
        assert (type(again), again.name) == (Class, "x")


class TestAnyFormat:
    @pytest.mark.parametrize("name", CODECS)
    def test_name_of(self, name):
        """A format is known by its first bytes, also behind a signature."""
        data = CODECS[name].dumps(JOB)
        signed = SignedCodec(CODECS[name], [b"k" * 32]).dumps(JOB)
        assert AnyFormat().name_of(data) == name
        assert AnyFormat().name_of(signed) == "signed"
        assert AnyFormat().name_of(b"nonsense") is None

    def test_writes_pickle(self):
        """It writes what stock workers read, until it is told to write what it has read."""
        codec = AnyFormat()
        assert pickle.loads(codec.dumps(JOB)) == JOB
        codec.write_as_read()
        assert pickle.loads(codec.dumps(JOB)) == JOB
        codec.loads(JSONCodec().dumps(JOB))
        codec.write_as_read()
        assert json.loads(codec.dumps(JOB))["f"] == "work"

    def test_worker_settings(self):
        """A worker could use it."""
        settings = AnyFormat().worker_settings()
        data = settings["job_serializer"](JOB)
        assert settings["job_deserializer"](data)["f"] == "work"

    def test_errors_of_jobs(self):
        """Errors of Python come back; those of applications are shown by name."""
        found = AnyFormat().loads(pickle.dumps({"r": [ValueError("no"), CustomError("x", 1)]}))
        assert repr(found["r"][0]) == "ValueError('no')"
        assert found["r"][1].full_name == "tests.harness.stock_values.CustomError"

    def test_others_by_name(self):
        """The names are those that settings of frameworks have."""
        assert isinstance(codec_named("restricted-pickle"), RestrictedPickleCodec)
        assert isinstance(codec_named("any"), AnyFormat)
