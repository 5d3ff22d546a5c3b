from __future__ import annotations

import contextlib
import copy
import datetime as dt
import decimal
import os
import pickle
import uuid

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from arqade._placeholders import PlaceholderFoundError
from arqade.codecs import PickleCodec, Placeholder, RestrictedPickleCodec
from arqade.exceptions import JobDeserializationError, JobSerializationError
from tests.payloads import outlaws
from tests.payloads.outlaws import IN_ARGS, MAKERS, NAMED, UNMADE, Plain
from tests.protocol.envelopes import JOB, RESULT

PROTOCOLS = (2, 3, 4, 5)
CHANGES = [(2, 2), (2, 4), (3, 4), (4, 2), (4, 3), (4, 4), (4, 5), (5, 4), (5, 5)]
"""With what to read, and with what to write."""

KNOWN = [decimal.Decimal("1.10"), uuid.UUID(int=7), dt.date(2026, 1, 2)]


def reader(protocol=4):
    """Make a codec that allows nothing more, and puts placeholders in the place of the rest."""
    return RestrictedPickleCodec(on_forbidden="placeholder", protocol=protocol)


def job(*args):
    """Make a job that has its arguments twice: a pickle writes them once."""
    return {**JOB, "a": args, "k": {"again": args}}


def read(value, protocol=4):
    """Give what is read of a pickled value."""
    (found,) = reader(protocol).loads(pickle.dumps(job(value), protocol))["a"]
    return found


def check_same_bytes(envelope, protocol):
    """Read an envelope, and have both codecs write it back."""
    data = PickleCodec(protocol=protocol).dumps(envelope)
    if protocol > 2:
        assert data == pickle.dumps(envelope, protocol)
    found = reader(protocol).loads(data)
    assert reader(protocol).dumps(found) == data
    assert PickleCodec(protocol=protocol).dumps(found) == data


def named(*args, **fields):
    """Make a placeholder of a class of an application."""
    return Placeholder("app.models", "User", *args, **fields)


def holding_itself():
    """Make a placeholder whose state holds it."""
    placeholder = named(())
    placeholder.state = {"friends": [placeholder]}
    return placeholder


class TestFields:
    def test_named(self):
        """A class that is only named has no arguments."""
        assert read(outlaws.Outer.Inner) == Placeholder("tests.payloads.outlaws", "Outer.Inner")
        assert read(eval) == Placeholder("builtins", "eval", None)

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("Plain", {"args": (), "state": {"value": 5}, "form": "new"}),
            ("Slotted", {"args": (), "state": (None, {"value": 5}), "form": "new"}),
            ("OwnState", {"args": (), "state": ("state of its own", 5), "form": "new"}),
            ("Reduced", {"args": (5,)}),
            ("NewArgs", {"args": (5, "given"), "state": {"value": 5}, "form": "new"}),
            ("Pair", {"args": ("first", 5), "form": "new"}),
            ("Data", {"args": (), "state": {"value": 5}, "form": "new"}),
            ("TwoNeededError", {"args": ("failed: 5",), "state": {"value": 5, "code": 5}}),
            ("NotedError", {"args": (5,), "state": {"__notes__": ["note"]}}),
            (
                "ListOf",
                {"args": (), "items": [5, "item"], "state": {"value": 5}, "form": "new"},
            ),
            (
                "DictOf",
                {
                    "args": (),
                    "pairs": [("key", 5), ("other", 1)],
                    "state": {"value": 5},
                    "form": "new",
                },
            ),
            (
                "NewArgsEx",
                {
                    "args": ("first",),
                    "kwargs": {"value": 5},
                    "state": {"first": "first", "value": 5},
                    "form": "new_ex",
                },
            ),
        ],
    )
    def test_fields(self, name, expected):
        """It keeps what the object would have been made of."""
        found = read(MAKERS[name](5))
        assert found == Placeholder("tests.payloads.outlaws", name, **expected)
        assert found.full_name == f"tests.payloads.outlaws.{name}"
        for field in ("args", "kwargs", "state", "items", "pairs", "form"):
            assert getattr(found, field) == getattr(Placeholder("", "", **expected), field)

    def test_all_at_once(self):
        """An object may have all of them."""
        found = read(MAKERS["ReducedEx"](5))
        fields = {"state": {"extra": 2}, "items": [5, "item"], "pairs": [("key", 5)]}
        module = "tests.payloads.outlaws"
        assert found == Placeholder(module, "make_reduced_ex", (5, 1), **fields)

    def test_method_of_a_class(self):
        """What a method of a class would have made tells of that method."""
        found = read(outlaws.OfClass(5))
        owner = Placeholder("tests.payloads.outlaws", "Outer")
        method = Placeholder("builtins", "getattr", (owner, "of"))
        assert found == Placeholder("builtins", "getattr", (5,), named=method)
        assert found != Placeholder("builtins", "getattr", (5,), named=owner)
        assert repr(found) == (
            "<Placeholder builtins.getattr given by <Placeholder builtins.getattr("
            "<Placeholder tests.payloads.outlaws.Outer>, 'of')>(5)>"
        )

    def test_identity_is_kept(self):
        """One object in two places is one placeholder, and one that holds itself does so still."""
        shared = Plain()
        shared.value = [shared]
        first, second = read([shared, shared])
        assert first is second
        assert first.state["value"][0] is first

    @pytest.mark.parametrize("make", [dict.fromkeys, set, frozenset])
    def test_different_keys_stay_different(self, make):
        """Objects that are equal here, and different keys to the worker, do not become one."""
        keys = [outlaws.Outer(), outlaws.Outer()]
        with contextlib.suppress(JobDeserializationError):
            assert len(read(make(keys))) == 2


class TestWords:
    @pytest.mark.parametrize(
        ("placeholder", "expected"),
        [
            (named(), "<Placeholder app.models.User>"),
            (named(()), "<Placeholder app.models.User()>"),
            (named((1, "x")), "<Placeholder app.models.User(1, 'x')>"),
            (named((1,), {"y": b"z"}), "<Placeholder app.models.User(1, y=b'z')>"),
            (named((), {"y": 1}), "<Placeholder app.models.User(y=1)>"),
            (named((), state={"x": 1}), "<Placeholder app.models.User() state={'x': 1}>"),
            (
                named((), items=[1], pairs=[("k", 2)], state={"x": 1}),
                "<Placeholder app.models.User() state={'x': 1} items=[1] pairs=[('k', 2)]>",
            ),
            (
                named(([Placeholder("a", "b")],), state=Placeholder("a", "c")),
                "<Placeholder app.models.User([<Placeholder a.b>]) state=<Placeholder a.c>>",
            ),
            (
                holding_itself(),
                "<Placeholder app.models.User() state={'friends': [<Placeholder ...>]}>",
            ),
        ],
        ids=str,
    )
    def test_repr(self, placeholder, expected):
        """It prints as a call would, with what comes after the call."""
        assert repr(placeholder) == str(placeholder) == expected

    def test_repr_of_what_was_read(self):
        """So it does when it was read."""
        expected = "<Placeholder tests.payloads.outlaws.Plain() state={'value': [1, 'two']}>"
        assert repr(read(Plain([1, "two"]))) == expected


class TestComparison:
    @pytest.mark.parametrize(
        "fields",
        [
            {"module": "other"},
            {"name": "Other"},
            {"args": (2,)},
            {"args": None},
            {"kwargs": {"x": 2}},
            {"state": {"x": 2}},
            {"state": None},
            {"items": [2]},
            {"pairs": [(1, 2)]},
            {"form": "new"},
        ],
        ids=str,
    )
    def test_values_count(self, fields):
        """Two of them are equal if all fields are."""
        full = {"module": "m", "name": "N", "args": (1,), "kwargs": {"x": 1}, "state": {"x": 1}}
        full |= {"items": [1], "pairs": [(1, 1)], "form": "new_ex"}
        assert Placeholder(**full) == Placeholder(**full)
        assert hash(Placeholder(**full)) == hash(Placeholder(**full))
        assert Placeholder(**full) != Placeholder(**{**full, **fields})

    def test_other_types(self):
        """It equals nothing of another class."""
        assert named() != "<Placeholder app.models.User>"
        assert named().__eq__("text") is NotImplemented

    def test_what_was_called_does_not_count(self):
        """Whether the class could have been had here makes no difference."""
        assert named((), named=Plain) == named((), named=named())

    def test_as_a_key(self):
        """It can be a key, whatever it holds."""
        assert {named(([],)): 1}[named(([],))] == 1
        assert named(([],)) in {named(([1],)), named(([],))}

    @pytest.mark.parametrize("protocol", PROTOCOLS)
    def test_protocol_does_not_count(self, protocol):
        """The same object is an equal placeholder whatever protocol it was written with."""
        value = [MAKERS["Reduced"](5), MAKERS["Plain"](6), eval]
        assert read(value, protocol) == read(value, 4)


class TestCopies:
    def test_copy(self):
        """A copy is equal, and holds the same objects."""
        original = named(([1],), {"x": [2]}, [3], [[4]], [(5, [6])], "new_ex", Plain)
        twin = copy.copy(original)
        assert twin == original
        assert twin is not original
        assert (twin.args, twin.state) == (original.args, original.state)
        assert twin.args[0] is original.args[0]
        assert (twin.named, twin.form) == (Plain, "new_ex")
        twin.name = "Other"
        assert original.name == "User"

    def test_deep_copy(self):
        """A deep copy is equal, and shares nothing that can change."""
        original = named(([1],), {"x": [2]}, [3], [[4]], [(5, [6])], "new_ex", Plain)
        twin = copy.deepcopy(original)
        assert twin == original
        assert (twin.named, twin.form) == (Plain, "new_ex")
        for change in (twin.args[0], twin.kwargs["x"], twin.state, twin.items[0], twin.pairs[0][1]):
            change.append("more")
        assert original == named(([1],), {"x": [2]}, [3], [[4]], [(5, [6])], "new_ex")

    def test_deep_copy_of_one_that_holds_itself(self):
        """A deep copy of a placeholder that holds itself does so, too."""
        twin = copy.deepcopy(holding_itself())
        assert twin.state["friends"][0] is twin

    @pytest.mark.parametrize("name", MAKERS)
    def test_deep_copy_is_written_as_the_same_bytes(self, name):
        """A deep copy is written as what was read."""
        data = pickle.dumps(job(MAKERS[name]([1, "two"])), 4)
        assert reader().dumps(copy.deepcopy(reader().loads(data))) == data


class TestPickle:
    @pytest.mark.parametrize("protocol", range(6))
    @pytest.mark.parametrize("value", [named(), named((1,)), [named(())]], ids=str)
    def test_refused(self, value, protocol):
        """Pickle itself can't write a placeholder, and says which one."""
        with pytest.raises(PlaceholderFoundError, match=r"a placeholder of app\.models\.User"):
            pickle.dumps(value, protocol)
        with pytest.raises(pickle.PicklingError):
            pickle._dumps(value, protocol)

    @pytest.mark.parametrize("protocol", [0, 1])
    def test_old_protocols(self, protocol):
        """Protocols that can't make an object as its placeholder says refuse to write it."""
        with pytest.raises(JobSerializationError, match="PicklingError"):
            PickleCodec(protocol=protocol).dumps(job(named((), form="new")))

    def test_only_where_placeholders_are_read(self):
        """A codec that reads no placeholder sends none; a result is stored with what it has."""
        strict = RestrictedPickleCodec()
        with pytest.raises(JobSerializationError, match="RestrictedPickleCodec can't encode this"):
            strict.dumps(job(named(())))
        assert reader().loads(strict.dumps({**RESULT, "r": named(())}))["r"] == named(())

    @pytest.mark.parametrize("protocol", PROTOCOLS)
    def test_made_by_hand(self, protocol):
        """One that was read from nowhere is written as what it says."""
        made = [Placeholder("tests.payloads.outlaws", "Reduced", (number,)) for number in (5, 6)]
        data = PickleCodec(protocol=protocol).dumps({"r": made, "n": Placeholder("os", "sep")})
        assert pickle.loads(data) == {"r": [outlaws.Reduced(5), outlaws.Reduced(6)], "n": os.sep}
        assert data.count(b"outlaws") == 1


class TestSameBytes:
    @pytest.mark.parametrize("protocol", PROTOCOLS)
    @pytest.mark.parametrize("name", MAKERS)
    def test_class(self, name, protocol):
        """A job with an object of any class comes back as the same bytes."""
        check_same_bytes(job(MAKERS[name]([1, "two"])), protocol)

    @pytest.mark.parametrize("protocol", PROTOCOLS)
    @pytest.mark.parametrize("named", NAMED, ids=lambda named: named.__qualname__)
    def test_name(self, named, protocol):
        """So does one that only names a class or a function."""
        check_same_bytes(job(named, [named]), protocol)

    @pytest.mark.parametrize("name", MAKERS)
    def test_all_within_another(self, name):
        """So does an object that holds one of every class, and is held by one of every class."""
        inner = MAKERS[name]([make(5) for make in MAKERS.values()])
        check_same_bytes(job(inner, [make(inner) for make in MAKERS.values()]), 4)

    @pytest.mark.parametrize("name", [name for name in MAKERS if name not in IN_ARGS])
    def test_held_by_itself(self, name):
        """So does an object whose state holds it."""
        box = []
        box.append(MAKERS[name](box))
        check_same_bytes(job(box, box[0]), 4)
        check_same_bytes(job(box[0], box), 4)

    @pytest.mark.parametrize("protocol", PROTOCOLS)
    def test_tuple_that_holds_itself(self, protocol):
        """So does a tuple with an object whose arguments hold that tuple."""
        box = []
        whole = (box, outlaws.Reduced(box))
        box.append(whole)
        check_same_bytes(job(whole), protocol)

    @pytest.mark.parametrize("size", [999, 1000, 1001, 2000, 2001])
    @pytest.mark.parametrize(
        "make",
        [
            lambda size: [None] * size,
            lambda size: dict.fromkeys(range(size)),
            lambda size: set(range(size)),
            lambda size: frozenset(range(size)),
            lambda size: outlaws.DequeOf(range(size)),
            lambda size: outlaws.OrderedDictOf.fromkeys(range(size)),
        ],
        ids=["list", "dict", "set", "frozenset", "outlawed list", "outlawed dict"],
    )
    def test_batches(self, make, size):
        """So does one with more items than pickle writes at once."""
        check_same_bytes(job(Plain(), make(size)), 4)

    @pytest.mark.parametrize("size", [65_000, 65_535, 65_536, 200_000])
    @pytest.mark.parametrize("kind", ["bytes", "texts"])
    def test_frames(self, kind, size):
        """So does one that is larger than a frame."""
        large = b"x" * size if kind == "bytes" else [f"text {n}" for n in range(size // 10)]
        check_same_bytes(job(Plain(), large, Plain(), [Plain(large)]), 4)

    def test_beside_an_allowed_class(self):
        """Beside an object of an allowed class of the same module it comes back as an equal one.

        The bytes may differ: the class that is here has other texts for its names.
        """
        codec = RestrictedPickleCodec([outlaws.Reduced], "placeholder")
        data = pickle.dumps(job(outlaws.Reduced(5), outlaws.Data(6)), 4)
        envelope = codec.loads(data)
        assert codec.loads(codec.dumps(envelope)) == envelope
        assert pickle.loads(codec.dumps(envelope)) == pickle.loads(data)


PARTS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False)
# Texts are longer than one character, since Python may have two of those where it reads one, and
# are no names that classes have. Sets have one member: their order may change as they are made.
PARTS |= st.binary(min_size=2) | st.text().map("text {}".format)
PARTS |= st.sampled_from(["", b"", (), *KNOWN, *NAMED])
FREE = set(MAKERS) - set(IN_ARGS)
NODES = st.tuples(st.sampled_from(sorted(MAKERS)), PARTS, st.lists(st.integers(0, 9), max_size=4))


@settings(deadline=None, max_examples=200)
@given(st.lists(NODES, min_size=1, max_size=8), st.sampled_from(PROTOCOLS))
@example([("Plain", None, [0, 0]), ("ListOf", "text", [0, 1, 1])], 5)
def test_any_arrangement(nodes, protocol):
    """Objects of all classes that hold themselves and each other come back as the same bytes."""
    boxes = [[part] for _, part, _ in nodes]
    made = [MAKERS[name](box) for (name, _, _), box in zip(nodes, boxes, strict=True)]
    # Arguments hold earlier objects alone, which hold no later one: see test_held_by_arguments.
    first_in_args = [number for number, (name, _, _) in enumerate(nodes) if name in IN_ARGS]
    for number, (name, _, others) in enumerate(nodes):
        last = len(made) if name in FREE and not any(n > number for n in first_in_args) else number
        boxes[number] += [made[other] for other in others if other < last]
    check_same_bytes(job(*made, boxes), protocol)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", [name for name in IN_ARGS if name != "methodcaller"])
def test_held_by_arguments(name, protocol):
    """An object whose own arguments hold it is the same for a worker, unless it is not written."""
    # Not the same bytes: each time that Python comes to it, it pickles new arguments.
    box = []
    box.append(MAKERS[name](box))
    for envelope in (job(box[0]), job(box)):
        found = reader(protocol).loads(pickle.dumps(envelope, protocol))
        data = b""
        with contextlib.suppress(JobSerializationError):
            data = PickleCodec(protocol=protocol).dumps(found)
        if not data:
            continue
        again = pickle.loads(data)
        made = again["a"][0][0] if envelope["a"][0] is box else again["a"][0]
        assert type(made) is type(box[0])
        assert pickle.dumps(again, 4) == pickle.dumps(pickle.loads(pickle.dumps(envelope)), 4)


def check_worker_makes(value, protocol, written):
    """Have a worker read a job that was read and written back, unless that is refused."""
    data = pickle.dumps(job(value), protocol)
    try:
        again = PickleCodec(protocol=written).dumps(reader().loads(data))
    except JobSerializationError:
        if written >= protocol:
            raise
        # Older ones may lack a way to say it.
        return
    # Not by ==, which says nothing of a partial. What a pickle says of equal objects is equal.
    assert pickle.dumps(pickle.loads(again)) == pickle.dumps(pickle.loads(data))


@pytest.mark.parametrize(("protocol", "written"), CHANGES)
@pytest.mark.parametrize("name", [name for name in MAKERS if name not in UNMADE])
def test_worker_that_has_the_class(name, protocol, written):
    """A worker makes equal objects of what was written back, with the same protocol or another."""
    check_worker_makes([MAKERS[name]([1, "two"]), MAKERS[name]("text")], protocol, written)


@pytest.mark.parametrize(("protocol", "written"), CHANGES)
@pytest.mark.parametrize("named", NAMED, ids=lambda named: named.__qualname__)
def test_worker_that_finds_the_name(named, protocol, written):
    """A worker finds what was only named; Python's own, too, which old protocols rename."""
    check_worker_makes(named, protocol, written)
