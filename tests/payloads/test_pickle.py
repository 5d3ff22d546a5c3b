from __future__ import annotations

import asyncio
import pickle
import sys
from collections import OrderedDict
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arqade import exceptions
from arqade.codecs import Codec, PickleCodec, WorkerCodecSettings
from arqade.codecs._pickle import ARQ_EXCEPTIONS
from arqade.exceptions import JobDeserializationError

STAND_INS = {
    "JobExecutionFailed": "arq.worker",
    "Retry": "arq.worker",
    "RetryJob": "arq.worker",
    "ResultNotFound": "arq.jobs",
    "SerializationError": "arq.jobs",
    "DeserializationError": "arq.jobs",
}
"""arq's exceptions and the modules that define them."""

ENVELOPE = {"t": None, "f": "work", "a": (1, [2]), "k": {"b": b"3"}, "et": 4}


@pytest.fixture
def without_arq(monkeypatch):
    """An environment in which arq can't be imported, whether it is installed or not."""
    for name in ("arq", "arq.jobs", "arq.worker"):
        monkeypatch.setitem(sys.modules, name, None)


def pickled_by_arq(name, *args, module=None):
    """Give what arq pickles an exception of its own to."""
    data = pickle.dumps({"r": getattr(exceptions, name)(*args)}, protocol=2)
    module = module or STAND_INS[name]
    return data.replace(b"carqade.exceptions\n", f"c{module}\n".encode())


class TestPickleCodec:
    def test_default_is_what_arq_writes(self):
        """By default an envelope is a pickle of protocol 4, as arq writes it."""
        data = PickleCodec().dumps(ENVELOPE)
        assert data[:2] == b"\x80\x04"
        assert data == pickle.dumps(ENVELOPE, protocol=4)

    @pytest.mark.parametrize("protocol", range(6))
    def test_protocol(self, protocol):
        """Another protocol can be chosen, and any is read."""
        data = PickleCodec(protocol=protocol).dumps(ENVELOPE)
        assert data == pickle.dumps(ENVELOPE, protocol=protocol)
        if protocol >= 2:
            assert data[:2] == bytes([0x80, protocol])
        assert PickleCodec().loads(data) == ENVELOPE

    @pytest.mark.parametrize("protocol", [-1, 6, 10**9])
    def test_unknown_protocol(self, protocol):
        """A protocol that not every worker reads is a ValueError."""
        with pytest.raises(ValueError, match=rf"protocol must be from 0 to 5, not {protocol}"):
            PickleCodec(protocol=protocol)

    @pytest.mark.parametrize("protocol", ["4", None, b"4"], ids=repr)
    def test_protocol_of_a_wrong_type(self, protocol):
        """A protocol is a number."""
        with pytest.raises(TypeError):
            PickleCodec(protocol=protocol)

    def test_protocol_is_named(self):
        """The protocol is an option that must be named."""
        with pytest.raises(TypeError):
            PickleCodec(5)

    @pytest.mark.parametrize("codec", [PickleCodec(), PickleCodec(protocol=5)])
    def test_worker_settings(self, codec):
        """A worker's settings are the codec's own methods, under arq's names."""
        worker_settings = codec.worker_settings()
        assert worker_settings == {"job_serializer": codec.dumps, "job_deserializer": codec.loads}
        assert set(WorkerCodecSettings.__annotations__) == set(worker_settings)
        data = worker_settings["job_serializer"](ENVELOPE)
        assert worker_settings["job_deserializer"](data) == ENVELOPE

    def test_repr(self):
        """It says which protocol it writes."""
        assert repr(PickleCodec()) == "PickleCodec(protocol=4)"
        assert repr(PickleCodec(protocol=5)) == "PickleCodec(protocol=5)"
        assert repr(type("Mine", (PickleCodec,), {})()) == "Mine(protocol=4)"

    def test_codec_can_be_sent_to_another_process(self):
        """A codec can be pickled itself."""
        assert (
            repr(pickle.loads(pickle.dumps(PickleCodec(protocol=5)))) == "PickleCodec(protocol=5)"
        )

    def test_order_is_kept(self):
        """The keys keep their order."""
        assert list(PickleCodec().loads(PickleCodec().dumps(ENVELOPE))) == list(ENVELOPE)

    @pytest.mark.parametrize("data", [b"", b"x", b"\x80\x04", b"cno.module\nx\n."])
    def test_wrong_bytes(self, data):
        """Bytes that are no pickle are an error that names the codec, and quotes nothing."""
        with pytest.raises(JobDeserializationError, match=r"^PickleCodec can't decode") as caught:
            PickleCodec().loads(data)
        assert caught.value.job_id is None
        assert caught.value.__context__ is None

    def test_it_is_a_codec(self):
        """It has the methods of the protocol."""
        methods = [name for name in vars(Codec) if not name.startswith("_")]
        assert methods == ["dumps", "loads", "worker_settings"]
        assert all(callable(getattr(PickleCodec, name)) for name in methods)


class TestExceptionsOfArq:
    @pytest.mark.parametrize(
        ("name", "args"),
        [
            ("Retry", ()),
            ("Retry", (5,)),
            *(
                (name, args)
                for name in STAND_INS
                if name != "Retry"
                for args in [(), ("text",), ("text", 5)]
            ),
        ],
    )
    def test_stand_in(self, name, args, without_arq):
        """Without arq its exceptions become stand-ins of the same name, with their arguments."""
        stored = PickleCodec().loads(pickled_by_arq(name, *args))["r"]
        assert type(stored) is getattr(exceptions, name)
        assert stored.args == args

    def test_failed_jobs_compare(self, without_arq):
        """Stand-ins of failed jobs compare by what they say."""
        stored = PickleCodec().loads(pickled_by_arq("JobExecutionFailed", "text"))["r"]
        assert stored == exceptions.JobExecutionFailed("text")

    def test_retry_keeps_its_delay(self, without_arq):
        """The delay of a `Retry` is kept."""
        retry = exceptions.Retry(defer=5)
        data = pickle.dumps(retry, protocol=2).replace(b"carqade.exceptions", b"carq.worker")
        assert PickleCodec().loads(data).defer_score == 5000

    def test_stand_in_among_other_values(self, without_arq):
        """Other classes beside arq's are found as ever."""
        values = [OrderedDict(a=1), asyncio.CancelledError(), exceptions.RetryJob()]
        data = pickle.dumps(values, protocol=2).replace(b"carqade.exceptions", b"carq.worker")
        actual = PickleCodec().loads(data)
        assert [type(value) for value in actual] == [type(value) for value in values]

    @pytest.mark.parametrize(
        ("module", "name"),
        [
            ("arq.worker", "FailedJobs"),
            ("arq.worker", "Worker"),
            ("arq.jobs", "Job"),
            ("arq.connections", "JobExecutionFailed"),
            ("arq", "Retry"),
            ("no.module", "Retry"),
        ],
    )
    def test_no_stand_in(self, module, name, monkeypatch, without_arq):
        """Only arq's exceptions have stand-ins; any other missing class is an error."""
        monkeypatch.setitem(sys.modules, "arq.connections", None)
        with pytest.raises(JobDeserializationError, match="ModuleNotFoundError: no "):
            PickleCodec().loads(f"c{module}\n{name}\n.".encode())

    @pytest.mark.parametrize("protocol", [0, 2, 4, 5])
    def test_every_protocol(self, protocol, without_arq):
        """A stand-in is found in a pickle of any protocol."""
        module = ModuleType("arq.worker")
        module.RetryJob = kind = type("RetryJob", (RuntimeError,), {"__module__": "arq.worker"})
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(sys.modules, "arq", ModuleType("arq"))
            patch.setitem(sys.modules, "arq.worker", module)
            data = pickle.dumps(kind("text"), protocol=protocol)
        stored = PickleCodec().loads(data)
        assert (type(stored), stored.args) == (exceptions.RetryJob, ("text",))

    def test_modules_are_those_of_arq(self):
        """Stand-ins are found in the modules in which arq defines its exceptions."""
        assert STAND_INS == ARQ_EXCEPTIONS


@settings(deadline=None)
@given(
    st.dictionaries(
        st.text(),
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.binary(),
    ),
    st.integers(0, 5),
)
def test_round_trip(envelope, protocol):
    """Any plain mapping comes back as it was."""
    codec = PickleCodec(protocol=protocol)
    assert codec.loads(codec.dumps(envelope)) == envelope
