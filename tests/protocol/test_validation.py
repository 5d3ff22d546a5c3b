from __future__ import annotations

import math
import unicodedata
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import IntEnum, StrEnum
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from arqade._validation import (
    MAX_TIME_MS,
    check_integer,
    check_job_id,
    check_queue_name,
    check_task_name,
    datetime_to_ms,
    duration_to_ms,
    ms_to_datetime,
)

CHECKS = [check_job_id, check_queue_name, check_task_name]
ALL_CHECKS = pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
CONTROL = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) == "Cc"]
ANY_TEXT = st.text(
    st.characters() | st.characters(categories=["Cc", "Cs"]) | st.sampled_from("aé𝄞")
)


class Word(StrEnum):
    mail = "mail"


class Number(IntEnum):
    three = 3


@ALL_CHECKS
@pytest.mark.parametrize(
    "name",
    [
        "k",
        " ",
        "a b",
        "cron:task:1700000000000",
        "ünï✓𝄞",
        "a\u2028b",
        "\u00a0",
        "\u200b",
        "\ufffe",
        "../../x",
        "arq:queue",
        "arq:jobs",
        "my:arq:job:x",
        "x:health-check:y",
        "a" * 512,
        "é" * 256,
        "𝄞" * 128,
    ],
    ids=ascii,
)
def test_name(check, name):
    """Names of 1 to 512 bytes of UTF-8 without control characters come back as they are."""
    assert check(name) == name


@ALL_CHECKS
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "empty"),
        ("a" * 513, "at most 512 bytes.*513"),
        ("é" * 256 + "a", "at most 512 bytes.*513"),
        ("𝄞" * 128 + "é", "at most 512 bytes.*514"),
        ("\ud800", "surrogate"),
        ("a\udfffb", "surrogate"),
    ],
    ids=lambda text: ascii(text)[:30],
)
def test_wrong_name(check, name, reason):
    """Other names are an error that says why and what they were to be."""
    with pytest.raises(ValueError, match=rf"{check.__name__[6:]} must .*{reason}"):
        check(name)


@ALL_CHECKS
def test_control_characters(check):
    """No control character may be in a name."""
    assert len(CONTROL) == 65
    for char in CONTROL:
        with pytest.raises(ValueError, match="control characters"):
            check(f"a{char}b")


@ALL_CHECKS
@pytest.mark.parametrize(
    "name", [None, 5, b"k", bytearray(b"k"), ["k"], object()], ids=lambda name: type(name).__name__
)
def test_name_of_a_wrong_type(check, name):
    """A name is a str."""
    kind = type(name).__name__
    with pytest.raises(TypeError, match=f"{check.__name__[6:]} must be a str, not {kind}"):
        check(name)


@ALL_CHECKS
@pytest.mark.parametrize(
    "name", [Word.mail, type("S", (str,), {})("mail")], ids=["enum", "subclass"]
)
def test_name_is_a_plain_str(check, name):
    """An enum's member and other subclasses of str become plain str."""
    actual = check(name)
    assert (type(actual), actual) == (str, "mail")


@pytest.mark.parametrize(
    "name",
    [
        "arq:job:",
        "arq:job:x",
        "arq:result:x",
        "arq:in-progress:x",
        "arq:retry:x",
        "arq:abort",
        "arq:abort:x",
        "arqade:",
        "arqade:once:x",
        "arq:queue:health-check",
        ":health-check",
    ],
)
def test_reserved_queue_name(name):
    """A queue can't take a name that may be a key of arq's or arqade's, though a job can."""
    with pytest.raises(ValueError, match="reserved"):
        check_queue_name(name)
    assert check_job_id(name) == name
    assert check_task_name(name) == name


@settings(deadline=None)
@given(ANY_TEXT)
@example("\x7f")
@example("\x85")
@example("é" * 256)
@example("é" * 257)
def test_any_text_is_an_id_or_an_error(text):
    """Any text is either a sound id or a ValueError."""
    sound = 1 <= len(text.encode(errors="surrogatepass")) <= 512 and not any(
        unicodedata.category(char) in ("Cc", "Cs") for char in text
    )
    if sound:
        assert check_job_id(text) == text
        assert text.encode().decode() == text
    else:
        with pytest.raises(ValueError, match="job_id must"):
            check_job_id(text)


@pytest.mark.parametrize("value", [1, 2, 3, Number.three])
def test_integer(value):
    """An integer within its bounds comes back as a plain one."""
    actual = check_integer("x", value, least=1, most=3)
    assert (type(actual), actual) == (int, value)


@pytest.mark.parametrize(
    "value", [0, -1, 4, 10**9, 10**5000], ids=lambda n: f"{n:.0e}"[:9] if n < 10**99 else "huge"
)
def test_integer_out_of_bounds(value):
    """An integer out of its bounds is a ValueError."""
    with pytest.raises(ValueError, match=r"x must be from 1 to 3|digits"):
        check_integer("x", value, least=1, most=3)


@pytest.mark.parametrize("value", [True, False, 1.0, "1", None, Decimal(1), b"1"], ids=repr)
def test_no_integer(value):
    """What is no integer is a TypeError, and a bool is none."""
    with pytest.raises(TypeError, match="x must be an int"):
        check_integer("x", value, least=0, most=3)


@pytest.mark.parametrize(
    ("duration", "milliseconds"),
    [
        (0, 0),
        (-0.0, 0),
        (1, 1000),
        (-1, -1000),
        (0.5, 500),
        (0.0004, 0),
        (0.0006, 1),
        (-0.0006, -1),
        (1.2345, 1234),
        (1e-320, 0),
        (Number.three, 3000),
        (timedelta(days=1), 86_400_000),
        (timedelta(microseconds=1501), 2),
        (timedelta(microseconds=-1), 0),
        (253_402_300_799, 253_402_300_799_000),
        (timedelta(milliseconds=MAX_TIME_MS), MAX_TIME_MS),
        (timedelta(milliseconds=-MAX_TIME_MS), -MAX_TIME_MS),
    ],
)
def test_duration(duration, milliseconds):
    """Seconds and timedeltas become rounded milliseconds."""
    actual = duration_to_ms("x", duration)
    assert (type(actual), actual) == (int, milliseconds)


@pytest.mark.parametrize(
    ("duration", "reason"),
    [
        (math.nan, "finite"),
        (math.inf, "finite"),
        (-math.inf, "finite"),
        (1e300, "too long"),
        (253_402_300_800, "too long"),
        (-253_402_300_800, "too long"),
        (10**20, "too long"),
        (10**400, "too long"),
        (10**5000, "digits"),
        (timedelta(milliseconds=MAX_TIME_MS + 1), "too long"),
        (timedelta.max, "too long"),
        (timedelta.min, "too long"),
    ],
    ids=lambda value: (
        ascii(value)[:20] if not isinstance(value, int) else f"2**{value.bit_length()}"
    ),
)
def test_duration_that_is_none(duration, reason):
    """A duration that no calendar can hold is a ValueError."""
    with pytest.raises(ValueError, match=reason):
        duration_to_ms("x", duration)


@pytest.mark.parametrize(
    "duration",
    [None, True, False, "5", b"5", Decimal(5), Fraction(5), 5j, datetime.now(UTC), [5]],
    ids=lambda value: type(value).__name__,
)
def test_duration_of_a_wrong_type(duration):
    """A duration is a number or a timedelta, and a bool is neither."""
    with pytest.raises(TypeError, match="x must be seconds or a timedelta"):
        duration_to_ms("x", duration)


@pytest.mark.parametrize(
    ("time", "milliseconds"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), 0),
        (datetime(1970, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))), 0),
        (datetime(1969, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC), -1),
        (datetime(2023, 11, 14, 22, 13, 20, 123_400, tzinfo=UTC), 1_700_000_000_123),
        (datetime(2023, 11, 14, 22, 13, 20, 123_600, tzinfo=UTC), 1_700_000_000_124),
        (datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC), MAX_TIME_MS),
        (datetime(1, 1, 1, tzinfo=UTC), -62_135_596_800_000),
    ],
    ids=str,
)
def test_datetime(time, milliseconds):
    """A time becomes rounded milliseconds since the epoch."""
    actual = datetime_to_ms("x", time)
    assert (type(actual), actual) == (int, milliseconds)


@pytest.mark.parametrize("time", [datetime(1, 1, 1), datetime(9999, 12, 31, 23)], ids=str)  # noqa: DTZ001
def test_naive_datetime_at_the_ends_of_the_calendar(time):
    """A naive time that no zone can hold is a ValueError, or a time."""
    try:
        milliseconds = datetime_to_ms("x", time)
    except ValueError as error:
        reason = str(error)
        assert "x is out of range" in reason
    else:
        assert abs(milliseconds - datetime_to_ms("x", time.replace(tzinfo=UTC))) <= 86_400_000


@pytest.mark.parametrize(
    "time",
    [None, 5, 1.5, "2026-01-01", date(2026, 1, 1), timedelta(1)],
    ids=lambda value: type(value).__name__,
)
def test_datetime_of_a_wrong_type(time):
    """A time is a datetime."""
    with pytest.raises(TypeError, match="x must be a datetime"):
        datetime_to_ms("x", time)


@settings(deadline=None)
@given(st.integers(-62_135_596_800_000, MAX_TIME_MS))
@example(MAX_TIME_MS)
def test_milliseconds_round_trip(milliseconds):
    """Every millisecond of the calendar becomes a time in UTC, and comes back."""
    time = ms_to_datetime(milliseconds)
    assert time.tzinfo is UTC
    assert datetime_to_ms("x", time) == milliseconds


ZONES = st.builds(timezone, st.timedeltas(timedelta(hours=-23), timedelta(hours=23)))


@settings(deadline=None)
@given(
    st.one_of(
        st.integers(),
        st.integers(-(10**400), 10**400),
        st.floats(),
        st.timedeltas(),
        st.datetimes(),
        st.datetimes(timezones=ZONES),
        st.dates(),
        st.times(),
        st.none(),
        st.booleans(),
        st.text(),
        st.binary(),
        st.decimals(),
        st.complex_numbers(),
        st.lists(st.integers()),
    )
)
def test_any_value_is_a_time_or_an_error(value):
    """Any value is a time or a duration, or a TypeError or ValueError that says what it was for."""
    for convert in (duration_to_ms, datetime_to_ms):
        try:
            milliseconds = convert("what", value)
        except (TypeError, ValueError) as error:
            reason = str(error)
            assert reason.startswith("what ")
        else:
            assert type(milliseconds) is int
            assert abs(milliseconds) <= MAX_TIME_MS + 86_400_000
