from __future__ import annotations

import base64
import dataclasses
import json
import sys
from collections import OrderedDict, deque
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import attrs
import msgpack
import pytest

from arqade.codecs import JSONCodec, MsgpackCodec, Unencodable
from arqade.codecs._tagged import CODES
from arqade.exceptions import JobDeserializationError, JobSerializationError
from tests.harness.canary import CANARY
from tests.payloads import models
from tests.payloads.golden import MODELS, TAGGED
from tests.payloads.models import (
    Cat,
    Colour,
    Dog,
    Holder,
    Home,
    Item,
    Key,
    Level,
    Nameless,
    Node,
    Order,
    Point,
    Point3D,
    Words,
)
from tests.payloads.values import job, result, shape, through_job, through_result

KINDS = [JSONCodec, MsgpackCodec]
MOMENT = datetime(2026, 1, 2)  # noqa: DTZ001 - fields take any

pytestmark = pytest.mark.parametrize("kind", KINDS)


def forged(kind, tag, body):
    """Give a result that holds a tag with some body, as an attacker may write it."""
    if kind is JSONCodec:
        return json.dumps(result({f"${tag}": body})).encode()
    extension = msgpack.ExtType(CODES[tag], msgpack.packb(body))
    return msgpack.packb(result(extension))


def refusal(codec, value):
    """Give the reason for which a codec refuses a job."""
    with pytest.raises(JobSerializationError) as caught:
        codec.dumps(job(value))
    assert CANARY not in str(caught.value)
    return str(caught.value).partition("encode this: ")[2]


def assert_kept(codec, value):
    """A value comes back as it was, as argument and as result."""
    assert shape(through_job(codec, value)) == shape(value)
    assert shape(through_result(codec, value)) == shape(value)


# --- what is kept --------------------------------------------------------------------------


@pytest.mark.parametrize("label", MODELS)
def test_model_is_kept(kind, label):
    """Models, enums and what they hold come back as they were."""
    assert_kept(kind(**TAGGED), [MODELS[label], {"a": (MODELS[label],)}])


@pytest.mark.parametrize(
    "value",
    [
        Node(1, Node(2), [Node(3, None, [Node((4, {5}))])]),
        Node(Colour.BLUE, None, []),
        Node(Node(None)),
        Holder([Point(1), {"a": Point3D(1)}]),
        Order(
            id=UUID(int=1), when=MOMENT, items=[], path=(Point3D(1),), corners=frozenset({Point(2)})
        ),
        Holder(None),
        Holder((1, {2}, frozenset({3}), [(4,)])),
        Holder({1: {(2, 3): b"4"}}),
        Holder(UUID(int=5)),
        Holder(ValueError(6)),
        Words(),
        Words(2, "s", "w", [1], [2], 1.5, {1: "a"}, (3, "b"), Point(4)),
        Words(either=(1, 2), members={3}, whole=4, thing=5),
        Home(Dog("d")),
        Home(Cat("c")),
        Level.LOW,
        models.Word.YES,
        models.Right.READ | models.Right.WRITE,
        {Point(1): Point(2)},
        {Point(1), Point3D(2)},
    ],
    ids=lambda value: repr(value)[:40],
)
def test_registered_models_are_kept(kind, value):
    """So do models in models, in all the types that fields may have."""
    kinds = [Node, Colour, Holder, Point, Point3D, Order, Words, Home, Cat, Dog, Level]
    assert_kept(kind([*kinds, models.Word, models.Right]), value)


@pytest.mark.parametrize(
    "value",
    [
        # A set's members would have to be made before the set.
        attrs.evolve(MODELS["models in each other"], extra=None, corners=frozenset()),
        Order(id=UUID(int=1), when=MOMENT, items=[], path=(Point(1), Point(2))),
        Order(id=UUID(int=1), when=MOMENT, items=[], where=Item("i", Decimal(1))),
        Order(id=UUID(int=1), when=MOMENT, items=[], note=5),
        Words(either=(1, 2)),
        Words(members=[1]),
        Node(1, Node(2), [Node(3)]),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_models_in_fields_need_no_name(kind, value):
    """A field's class makes what it holds, so that it need not be registered itself."""
    assert_kept(kind([type(value)]), value)


def test_number_is_kept(kind):
    """A whole number in a field for floats stays one."""
    value = Order(id=UUID(int=1), when=MOMENT, items=[], ratio=1)
    assert_kept(kind([Order]), value)


def test_state_beside_fields(kind):
    """What a model holds beside what its constructor takes is not lost: kept, or refused."""

    @attrs.define
    class Count:
        start: int
        count: int = attrs.field(default=0, init=False)

    codec = kind({"Count": Count})
    assert_kept(codec, Count(1))
    changed = Count(1)
    changed.count = 5
    try:
        kept = through_job(codec, changed)
    except JobSerializationError:
        return
    assert kept == changed


# --- what is refused -----------------------------------------------------------------------

WRONG = {
    "text for integer": (int, "5"),
    "float for integer": (int, 1.0),
    "boolean for integer": (int, True),
    "None for integer": (int, None),
    "integer for text": (str, 5),
    "bytes for text": (str, b"5"),
    "text for bytes": (bytes, "5"),
    "list for bytes": (bytes, [1]),
    "integer for bytes": (bytes, 3),
    "integer for boolean": (bool, 1),
    "text for float": (float, "1.5"),
    "boolean for float": (float, True),
    "datetime for date": (date, MOMENT),
    "integer for timedelta": (timedelta, 5),
    "float for Decimal": (Decimal, 1.5),
    "text for UUID": (UUID, str(UUID(int=1))),
    "text for optional integer": (int | None, "5"),
    "boolean for union": (int | str, True),
    "tuple for list": (list[int], (1, 2)),
    "text for list": (list[str], "ab"),
    "dict for list": (list[str], {"a": 1}),
    "set for list": (list[int], {1}),
    "deque for list": (list[int], deque([1])),
    "list for tuple": (tuple[int, ...], [1]),
    "list for pair": (tuple[int, str], [1, "a"]),
    "short pair": (tuple[int, str], (1,)),
    "list for set": (set[int], [1]),
    "set for frozenset": (frozenset[int], {1}),
    "OrderedDict for dict": (dict[str, int], OrderedDict(a=1)),
    "list for dict": (dict[str, int], [("a", 1)]),
    "text in list": (list[int], [1, "2"]),
    "text in dict": (dict[str, int], {"a": "1"}),
    "integer as key": (dict[str, int], {1: 1}),
    "tuple for bare list": (list, (1,)),
    "dict for model": (Point, {"x": 1}),
    "other model": (Point, Cat("x")),
    "subclass of a model": (Point, Point3D(1, 2, 3)),
    "second of a union": (Cat | Dog, Dog("x")),
    "text for enum": (Colour, "red"),
    "model in Any": (Any, Cat("x")),
    "enum in list of Any": (list[Any], [Colour.RED]),
    "model in bare dict": (dict, {"a": Cat("x")}),
    "model in object": (object, Cat("x")),
    "text subclass": (str, models.Text("x")),
    "model of wrong fields": (Point, Point("1")),
}


def model_of(field_type):
    """Give a class with a field of a type."""
    return attrs.make_class("Model", {"field": attrs.field(type=field_type)})


@pytest.mark.parametrize("label", WRONG)
def test_wrong_field_is_refused(kind, label):
    """A job is refused for a model whose field does not hold what its class says."""
    field_type, value = WRONG[label]
    model = model_of(field_type)
    try:
        kept = through_job(kind([model]), model(value))
    except JobSerializationError:
        return
    # That it comes back as it was would be right, too.
    assert shape(kept) == shape(model(value))


FORGED = {
    label: pair
    for label, pair in WRONG.items()
    if type(pair[1]) in (str, float, bool, int, bytes, type(None), list, dict)
    and label
    not in ("dict for model", "text for enum", "enum in list of Any", "model in bare dict")
}


@pytest.mark.parametrize("label", FORGED)
def test_forged_field_is_refused(kind, label):
    """A payload is refused for a field that does not hold what its class says."""
    field_type, value = FORGED[label]
    if kind is JSONCodec and type(value) is bytes:
        value = {"$bytes": base64.b64encode(value).decode()}
    elif kind is JSONCodec and label == "integer as key":
        value = {"$dict": list(value.items())}
    data = forged(kind, "model", ["Model", {"field": value}])
    with pytest.raises(JobDeserializationError, match="Model can't be made"):
        kind([model_of(field_type)]).loads(data)


def nested_fields(levels, mark):
    """Give what models hold that hold each other."""
    fields = None
    for _ in range(levels):
        fields = {"child": fields, "mark": mark}
    return fields


def test_models_that_look_alike_in_each_other(kind):
    """Each is tried once, however deep it lies: to try all in all would take for ever."""
    codec = kind([models.Tree])
    tree = None
    for _ in range(60):
        tree = models.RightTwin(tree, "x")
    assert through_job(codec, models.Tree(tree)) == models.Tree(tree)
    with pytest.raises(JobDeserializationError, match="Tree can't be made"):
        codec.loads(forged(kind, "model", ["Tree", {"root": nested_fields(60, 0.5)}]))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (["os.system", ["true"]], "no model is registered as 'os.system'"),
        (["antigravity.fly", {}], "no model is registered as 'antigravity.fly'"),
        (["builtins.dict", {}], "no model is registered as 'builtins.dict'"),
        (["ValueError", {}], "no model is registered as 'ValueError'"),
        (["TwoError", {}], "no model is registered as 'TwoError'"),
        ([f"<{CANARY}>", {}], "no model is registered as '?'"),
        ([["Point"], {"x": 1}], "no model is registered as '?'"),
        ([None, {}], "no model is registered as '?'"),
        (["Point", {}], "Point can't be made"),
        (["Point", {"y": 1}], "Point can't be made"),
        (["Point", [1, 2]], "Point can't be made"),
        (["Point", None], "Point can't be made"),
        (["Point", {"x": [1]}], "Point can't be made"),
        (["Colour", "green"], "Colour can't be made"),
        (["Colour", ["red"]], "Colour can't be made"),
        (["Colour", {}], "Colour can't be made"),
        (["Point"], "ValueError"),
        (["Point", {"x": 1}, 3], "ValueError"),
        ({"Point": {"x": 1}}, "found dict where list belongs"),
        ("Point", "found str where list belongs"),
    ],
    ids=repr,
)
def test_forged_model(kind, body, message):
    """A payload makes no class but those that are registered, of their fields, and imports none."""
    codec = kind([Point, Colour], [models.TwoError])
    codec.dumps(job(Point(1)))
    before = set(sys.modules)
    with pytest.raises(JobDeserializationError) as caught:
        codec.loads(forged(kind, "model", body))
    assert message in str(caught.value)
    assert CANARY not in str(caught.value)
    assert set(sys.modules) == before


# --- results -------------------------------------------------------------------------------

HALF_GOOD = {
    "datetime with a zone without name": (datetime, datetime(1, 1, 2, tzinfo=models.Zone())),
    "inner model with a wrong field": (Point, Point("x")),
    "inner model in list": (list[Point], [Point(1), Point("x")]),
    "error of no registered class": (models.SimpleError, models.SimpleError("x")),
    "error of a derived class": (ValueError, json.JSONDecodeError("x", "y", 0)),
    "enum of a value of no type": (Nameless, Nameless.ONE),
    "object in Any": (Any, models.Plain(1)),
    "text subclass": (str, models.Text("x")),
}


@pytest.mark.parametrize("label", HALF_GOOD)
@pytest.mark.parametrize("registered", [[], [Point, Nameless]], ids=["alone", "with-others"])
def test_result_is_always_read(kind, label, registered):
    """Whatever a model holds, its result is written and read; something stands for it, or in it."""
    field_type, value = HALF_GOOD[label]
    model = model_of(field_type)
    codec = kind([model, *registered])
    envelope = codec.loads(codec.dumps(result([1, model(value)])))
    assert envelope["s"] is True
    one, kept = envelope["r"]
    assert one == 1
    assert type(kept) in (Unencodable, model)


@pytest.mark.parametrize("label", HALF_GOOD)
def test_job_that_is_written_is_read(kind, label):
    """A job with such a model is refused, or read: no worker meets one that it can't read."""
    field_type, value = HALF_GOOD[label]
    model = model_of(field_type)
    codec = kind([model, Point, Nameless])
    try:
        data = codec.dumps(job(model(value)))
    except JobSerializationError:
        return
    assert type(codec.loads(data)["a"][0]) is model


def test_enum_without_a_value_of_its_own(kind):
    """A result with an enum whose value can't be encoded is read."""
    codec = kind([Nameless])
    assert type(through_result(codec, Nameless.ONE)) is Unencodable
    assert "object is not registered" in refusal(codec, Nameless.ONE)


def test_failing_constructor(kind):
    """A model that can't be made again is refused in a job, and in a result something stands in."""

    @attrs.define
    class Once:
        value: str

        def __attrs_post_init__(self):
            if self.value == CANARY:
                raise ValueError(CANARY)

    once = Once("x")
    once.value = CANARY
    codec = kind({"Once": Once})
    assert refusal(codec, once) == "Once could not be made again of its fields (ValueError)"
    assert type(through_result(codec, once)) is Unencodable


# --- readers of other versions -------------------------------------------------------------


@attrs.define
class Before:
    a: int


@attrs.define
class After:
    a: int
    b: list[str] = attrs.field(factory=lambda: ["new"])


@dataclasses.dataclass
class DataAfter:
    a: int
    b: list[str] = dataclasses.field(default_factory=lambda: ["new"])


@pytest.mark.parametrize("after", [After, DataAfter])
def test_reader_with_one_more_field(kind, after):
    """A class that has got a field with a default reads what an older one wrote."""
    data = kind({"Model": Before}).dumps(job(Before(1)))
    assert kind({"Model": after}).loads(data)["a"] == (after(1, ["new"]),)


@pytest.mark.parametrize("after", [After, DataAfter])
def test_reader_with_one_field_less(kind, after):
    """A class that lacks a field reads what one with it wrote."""
    data = kind({"Model": after}).dumps(job(after(1, ["x"])))
    assert kind({"Model": Before}).loads(data)["a"] == (Before(1),)


def test_reader_with_one_more_field_without_default(kind):
    """A new field without a default makes older payloads unreadable: the error names the model."""
    data = kind({"Model": Before}).dumps(job(Before(1)))
    with pytest.raises(JobDeserializationError, match="Model can't be made"):
        kind({"Model": Key}).loads(data)


# --- hooks ---------------------------------------------------------------------------------


def hook(codec, seen):
    """Let fields hold a `Plain`."""
    codec.converter.register_unstructure_hook(
        models.Plain, lambda plain: (seen.append(1), plain.value)[1]
    )
    codec.converter.register_structure_hook(models.Plain, lambda value, _: models.Plain(value))


@pytest.mark.parametrize("when", ["before", "after", "in-use"])
def test_hooks(kind, when):
    """Hooks of the converter make fields of further types, whenever they are registered."""
    model = model_of(models.Plain)
    seen = []
    codec = kind()
    if when == "before":
        hook(codec, seen)
    codec.register(model)
    if when == "in-use":
        assert "StructureHandlerNotFound" in refusal(codec, model(models.Plain(5)))
    if when != "before":
        hook(codec, seen)
    kept = through_job(codec, model(models.Plain(5)))
    assert (type(kept.field), kept.field.value) == (models.Plain, 5)
    # Each value is encoded once.
    assert seen == [1]
