from __future__ import annotations

import pytest

from arqade._words import read_words

DEEP = "[" * 100_000
"""More than a reader of JSON can go down."""


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("cat.png", "cat.png"),
        ("", ""),
        ("3", 3),
        ("-1.5", -1.5),
        ("true", True),
        ("null", None),
        ('"3"', "3"),
        ('{"a": [1]}', {"a": [1]}),
        ("[1", "[1"),
        ("NaN", "NaN"),
        ("Infinity", "Infinity"),
        ("-Infinity", "-Infinity"),
        ("[1, NaN]", "[1, NaN]"),
        ("9" * 5000, "9" * 5000),
        ("1e999", "1e999"),
        ("1e99", 1e99),
        pytest.param(DEEP, DEEP, id="deep"),
        pytest.param(DEEP + "]" * 100_000, DEEP + "]" * 100_000, id="deep and closed"),
    ],
)
def test_value(word, value):
    """It is JSON if it can be read as such, else a text, with a name or without."""
    assert read_words([word]) == ([value], {})
    assert read_words([f"name={word}"]) == ([], {"name": value})


@pytest.mark.parametrize(
    ("word", "name", "value"),
    [
        ("width=300", "width", 300),
        ("mode=a=b", "mode", "a=b"),
        ("empty=", "empty", ""),
        ("text=a\nb", "text", "a\nb"),
        ("имя=1", "имя", 1),
        ("class=1", "class", 1),
        ("a_1=1", "a_1", 1),
    ],
)
def test_name(word, name, value):
    """What has the form of a name before the first sign is given by it."""
    assert read_words([word]) == ([], {name: value})


@pytest.mark.parametrize("word", ["=x", "9=x", "a b=c", "a-b=c", "a²=c", '"a=b', "?a=b"])
def test_no_name(word):
    """A word with something else before the sign is a text."""
    assert read_words([word]) == ([word], {})


def test_order():
    """Arguments without names keep their order, whatever is between them."""
    assert read_words(["b", "x=1", "a", "y=2", "b"]) == (["b", "a", "b"], {"x": 1, "y": 2})
    assert read_words([]) == ([], {})


@pytest.mark.parametrize("name", ["_job_id", "_", "__x"])
def test_underscore(name):
    """A name that begins with an underscore is an error that tells of options, not the value."""
    with pytest.raises(ValueError, match=rf"^{name} is no argument; options begin with --, as in "):
        read_words(["1", f"{name}=secret"])


def test_twice():
    """A name given twice is an error, even with the same value, which is not told."""
    with pytest.raises(ValueError, match=r"^a is given twice$"):
        read_words(["a=secret", "b=1", "a=secret"])
