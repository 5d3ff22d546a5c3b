from __future__ import annotations

import copy
import inspect
import pickle
from datetime import timedelta

import attrs
import pytest

from arqade import exceptions
from arqade.exceptions import (
    ArqadeError,
    ArqJobError,
    ConfigurationError,
    EnqueueManyError,
    EnqueueUncertain,
    JobCancelled,
    JobDeserializationError,
    JobExecutionFailed,
    JobNotFound,
    JobNotQueued,
    JobResultUnavailable,
    JobSerializationError,
    PayloadTooLarge,
    QueueClosed,
    QueueConnectionError,
    QueueServerError,
    RemoteError,
    Retry,
    WrongEventLoopError,
)

TREE = {
    "ArqadeError": ["Exception"],
    "ArqJobError": ["ArqadeError"],
    "JobNotQueued": ["ArqJobError"],
    "JobNotFound": ["ArqJobError"],
    "JobResultUnavailable": ["ArqJobError"],
    "JobSerializationError": ["ArqJobError"],
    "JobDeserializationError": ["ArqJobError"],
    "PayloadTooLarge": ["ArqJobError"],
    "JobCancelled": ["ArqJobError"],
    "RemoteError": ["ArqadeError"],
    "EnqueueUncertain": ["ArqadeError"],
    "EnqueueManyError": ["ArqadeError"],
    "QueueConnectionError": ["ArqadeError"],
    "QueueServerError": ["ArqadeError"],
    "QueueClosed": ["ArqadeError"],
    "WrongEventLoopError": ["ArqadeError"],
    "ConfigurationError": ["ArqadeError", "ValueError"],
}
"""Each error and its bases."""

STAND_INS = {
    "JobExecutionFailed": ["RuntimeError"],
    "Retry": ["RuntimeError"],
    "RetryJob": ["RuntimeError"],
    "ResultNotFound": ["RuntimeError"],
    "SerializationError": ["RuntimeError"],
    "DeserializationError": ["SerializationError"],
}
"""Each of arq's exceptions and its bases, as in arq 0.26 to 0.28."""

EXAMPLES = [
    ArqadeError("text", 5),
    ArqJobError("text", "k"),
    ArqJobError("text", None),
    JobNotQueued("k", "deferred"),
    JobNotQueued(None),
    JobNotFound("k"),
    JobResultUnavailable("k"),
    JobSerializationError("text", "k"),
    JobDeserializationError("text", "k"),
    PayloadTooLarge("k", 11, 10),
    PayloadTooLarge("k", 11, 10, message="text"),
    JobCancelled("k"),
    RemoteError("app.PaymentError", "declined", "Traceback ..."),
    RemoteError("app.PaymentError", ""),
    EnqueueUncertain("k", "t0ken"),
    EnqueueManyError("text", enqueued=["a"], not_enqueued=["b"], uncertain=["c"]),
    QueueConnectionError("text"),
    QueueServerError("text"),
    QueueClosed(),
    WrongEventLoopError("text"),
    ConfigurationError("text"),
    JobExecutionFailed("text"),
    Retry(5),
    exceptions.RetryJob(),
    exceptions.ResultNotFound("text"),
    exceptions.SerializationError("text"),
    exceptions.DeserializationError("text"),
]
EACH = pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)

CLONES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{
        f"pickle {protocol}": lambda error, protocol=protocol: pickle.loads(
            pickle.dumps(error, protocol)
        )
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    },
}


class OwnError(ArqJobError):
    """An application's own error, whose constructor takes what it likes."""

    def __init__(self, *, job_id, reason):
        super().__init__(f"{reason} {job_id}", job_id)
        self.reason = reason


def test_tree():
    """The errors and their bases are those of the contract, and there are no others."""
    actual = {
        name: [base.__name__ for base in error.__bases__]
        for name, error in vars(exceptions).items()
        if inspect.isclass(error) and issubclass(error, Exception)
    }
    assert actual == TREE | STAND_INS


def test_all():
    """The module exports its exceptions and the type of a reason, in order."""
    assert set(exceptions.__all__) == {*TREE, *STAND_INS, "NotQueuedReason"}


def test_every_error_has_an_example():
    """The tests here know an example of every exception."""
    assert {type(error).__name__ for error in EXAMPLES} == set(TREE | STAND_INS)


@pytest.mark.parametrize(
    ("error", "attributes"),
    [
        (ArqJobError("m", "k"), {"job_id": "k"}),
        (JobNotQueued("k", "in_progress"), {"job_id": "k", "reason": "in_progress"}),
        (JobNotQueued("k"), {"job_id": "k", "reason": None}),
        (JobNotFound("k"), {"job_id": "k"}),
        (JobResultUnavailable("k"), {"job_id": "k"}),
        (JobSerializationError("m", "k"), {"job_id": "k"}),
        (JobDeserializationError("m", "k"), {"job_id": "k"}),
        (PayloadTooLarge("k", 11, 10), {"job_id": "k", "size": 11, "limit": 10}),
        (JobCancelled("k"), {"job_id": "k"}),
        (EnqueueUncertain("k", "t0ken"), {"job_id": "k", "token": "t0ken"}),
        (
            EnqueueManyError("m", enqueued=("a",), not_enqueued=("b",), uncertain=()),
            {"enqueued": ("a",), "not_enqueued": ("b",), "uncertain": ()},
        ),
        (QueueClosed("m"), {}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_attributes(error, attributes):
    """An error carries its data, and nothing else."""
    assert vars(error) == attributes


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ArqJobError("m", "k"), "m"),
        (JobNotFound("k"), "Job could not be found. id=k"),
        (JobResultUnavailable("k"), "Job result could not be found. id=k"),
        (JobNotQueued("k"), "Job was not queued because it already exists. id=k"),
        (JobNotQueued(None), "Job was not queued because it already exists. id=None"),
        (
            JobNotQueued("k", "queued"),
            "Job was not queued because it already exists. id=k reason=queued",
        ),
        (JobCancelled("k"), "Job was aborted. id=k"),
        (JobSerializationError("m", "k"), "m"),
        (EnqueueManyError("m", enqueued=(), not_enqueued=(), uncertain=()), "m"),
        (ConfigurationError("m"), "m"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_message(error, message):
    """An error says what happened, in safir's words where safir has them."""
    assert str(error) == message


def test_message_of_a_payload_that_is_too_large():
    """It says how large it is, how large it may be and what to do."""
    message = str(PayloadTooLarge("k", 11, 10))
    assert message.startswith("Job was not queued")
    assert all(part in message for part in ("11 bytes", "10 bytes", "max_payload_bytes", "id=k"))


def test_other_message_of_a_payload_that_is_too_large():
    """Where it is not about enqueuing, it says what it is about, and has the same data."""
    error = PayloadTooLarge("k", 11, 10, message="m")
    assert (str(error), vars(error)) == ("m", vars(PayloadTooLarge("k", 11, 10)))


def test_message_of_an_uncertain_enqueue():
    """It says how to settle it, and does not tell the token to everyone who reads logs."""
    message = str(EnqueueUncertain("k", "t0ken"))
    assert all(part in message for part in ("_token", "_job_id", "id=k"))
    assert "t0ken" not in message


def test_configuration_error_is_a_value_error():
    """A wrong setting can be caught as a `ValueError`."""
    with pytest.raises(ValueError, match="wrong port"):
        raise ConfigurationError("wrong port")


@EACH
@pytest.mark.parametrize("clone", CLONES.values(), ids=CLONES.keys())
def test_clone(error, clone):
    """Every error can be copied and pickled, and keeps class, arguments, text and attributes."""
    actual = clone(error)
    assert actual is not error
    assert type(actual) is type(error)
    assert (actual.args, str(actual), vars(actual)) == (error.args, str(error), vars(error))


@EACH
def test_notes_are_kept(error):
    """Notes on an error are kept in a copy."""
    error = copy.copy(error)
    error.add_note("a note")
    assert pickle.loads(pickle.dumps(error)).__notes__ == ["a note"]


@pytest.mark.parametrize("clone", CLONES.values(), ids=CLONES.keys())
def test_clone_of_an_applications_error(clone):
    """A subclass can be copied and pickled, whatever its constructor takes."""
    actual = clone(OwnError(job_id="k", reason="because"))
    assert type(actual) is OwnError
    assert (actual.job_id, actual.reason, str(actual)) == ("k", "because", "because k")


def test_attributes_of_a_copy_are_its_own():
    """A deep copy shares nothing with the error."""
    error = EnqueueManyError("m", enqueued=["a"], not_enqueued=[], uncertain=[])
    copy.deepcopy(error).enqueued.append("b")
    assert error.enqueued == ["a"]


@pytest.mark.parametrize("stand_in", STAND_INS)
def test_stand_in_is_no_error_of_arqade(stand_in):
    """What stands for arq's exceptions is not raised by arqade, and so not caught as such."""
    assert not issubclass(getattr(exceptions, stand_in), ArqadeError)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (JobExecutionFailed("a"), JobExecutionFailed("a"), True),
        (JobExecutionFailed(), JobExecutionFailed(), True),
        (JobExecutionFailed("a"), JobExecutionFailed("b"), False),
        (JobExecutionFailed("a"), JobExecutionFailed("a", 1), False),
        (JobExecutionFailed("a"), RuntimeError("a"), False),
        (JobExecutionFailed("a"), "a", False),
        (JobExecutionFailed("a"), None, False),
    ],
)
def test_equality_of_a_failed_job(one, other, equal):
    """Failed jobs compare by what they say, as arq's do."""
    assert (one == other) is equal
    assert (one != other) is not equal


def test_failed_job_can_be_raised_and_hashed():
    """A failed job can be raised, caught and put into a set."""
    error = JobExecutionFailed("a")
    with pytest.raises(RuntimeError, match=r"^a$"):
        raise error
    assert len({error, error}) == 1


@pytest.mark.parametrize(
    ("defer", "score"),
    [(None, None), (0, 0), (5, 5000), (0.0015, 2), (timedelta(seconds=1.5), 1500)],
    ids=str,
)
@pytest.mark.parametrize("clone", CLONES.values(), ids=CLONES.keys())
def test_retry_keeps_its_delay(defer, score, clone):
    """A `Retry` holds its delay in milliseconds, as arq's does, and so does a copy."""
    assert clone(Retry(defer)).defer_score == score
    assert clone(Retry(defer=defer)).defer_score == score
    assert (Retry(defer).args, Retry(defer=defer).args) == ((defer,), ())


def test_errors_are_no_attrs_classes():
    """Errors are plain exceptions."""
    assert not any(attrs.has(type(error)) for error in EXAMPLES)


def test_remote_error_of_a_pickle_without_a_state():
    """What has been made without its attributes can be shown all the same."""
    error = exceptions._rebuild(RemoteError, (), {})
    assert str(error) == "an error"
    assert error.traceback is None
