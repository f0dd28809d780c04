"""The EDN reader and writer."""

import re
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duress.harness.errors import UserError
from duress.harness.formats import edn
from duress.harness.formats.edn import Plain, Reader, loads, write
from duress.harness.formats.edn_types import Char, FrozenMap, Keyed, Keyword, Symbol, Tagged

names = st.from_regex(
    r"[a-zA-Z*!_?<>=&%$][a-zA-Z0-9*!_?<>=.#'-]{0,6}(/[a-z]{1,3})?", fullmatch=True
)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
# Python holds 1, 1.0, True and Fraction(1) equal, so that only some kinds may meet as keys.
distinct = (
    st.none() | st.integers() | text | names.map(Keyword)
    | names.filter(lambda n: n not in ("nil", "true", "false")).map(Symbol)
    | st.characters(exclude_categories=["Cs"]).map(Char)
)  # fmt: skip
scalars = distinct | st.booleans() | st.floats(allow_nan=False) | st.fractions().filter(
    lambda f: f.denominator != 1
) | st.decimals(allow_nan=False, allow_infinity=False, places=3)  # fmt: skip
keys = distinct | st.lists(distinct, max_size=2).map(tuple) | st.frozensets(distinct, max_size=2)


def _collections(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(keys, inner, max_size=4)
        | st.frozensets(keys, max_size=4)
        | st.builds(Tagged, names.filter(lambda n: n[0].isalpha()), inner)
    )


@given(value=st.recursive(scalars, _collections, max_leaves=15))
@settings(max_examples=200, deadline=None)
def test_round_trip(value: Any) -> None:
    again = loads(write(value))
    assert again == value
    assert repr(again) == repr(value) or write(again) == write(value)


@given(values=st.lists(st.recursive(scalars, _collections, max_leaves=5), max_size=8))
@settings(max_examples=60, deadline=None)
def test_the_size_of_the_window_does_not_matter(values: list[Any]) -> None:
    written = "\n".join(f'#_ skipped {write(v)} ; comment ( " \n,' for v in values)
    original, edn.WINDOW_CHARS = edn.WINDOW_CHARS, 1
    try:
        assert list(Reader(written).forms()) == values
        assert list(Reader(f"[{written}\n]").forms(unwrap=True)) == values
    finally:
        edn.WINDOW_CHARS = original


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("nil", None),
        ("true", True),
        ("-0", 0),
        ("+7", 7),
        ("12345678901234567890123N", 12345678901234567890123),
        ("-3/6", Fraction(-1, 2)),
        ("1.50M", Decimal("1.50")),
        ("2M", Decimal(2)),
        ("6.02e23", 6.02e23),
        ("##-Inf", float("-inf")),
        ("0x1F", 31),
        ("017", 15),
        ("2r101", 5),
        ("0", 0),
        (r'"a\n\t\"\\\u00e9\ud83d\ude00"', 'a\n\t"\\é😀'),
        ('"two\nlines ; no comment"', "two\nlines ; no comment"),
        (r"[\a \newline \( \u00e9 \; \,]", [Char(c) for c in "a\n(é;,"]),
        ("(:a :b/c)", (Keyword("a"), Keyword("b/c"))),
        ("[d e/f / - ->]", [Symbol(name) for name in ("d", "e/f", "/", "-", "->")]),
        ("{:a 1,,, :b [1 2]}", {Keyword("a"): 1, Keyword("b"): [1, 2]}),
        ("#{1 2}", frozenset((1, 2))),
        ("#{[1 {2 3}]}", frozenset(((1, FrozenMap({2: 3})),))),
        ("[#_ 1 2 #_ #_ 3 4 5 #_6]", [2, 5]),
        ('#inst "2020-01-01"', Tagged("inst", "2020-01-01")),
        ("#a #_ x #b 1", Tagged("a", Tagged("b", 1))),
        ("#:ns{:a 1 :_/b 2 :c/d 3}", {Keyword("ns/a"): 1, Keyword("b"): 2, Keyword("c/d"): 3}),
        ('#object[a.Object 0x4d "x@4d"]', Tagged("object", [Symbol("a.Object"), 77, "x@4d"])),
        ("#<Object a b>", Tagged("unreadable", "#<Object a b>")),
        ('#"a.*"', Tagged("", "a.*")),
        ("^{:line 1} [x]", [Symbol("x")]),
        (" ; only\n 1 ; this", 1),
    ],
)  # fmt: skip
def test_every_form(source: str, expected: Any) -> None:
    value = loads(source)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("source", "place", "what"),
    [
        ("[1\n  (2 3", "2:7", r"\( is never closed; the last form at the top began on line 1"),
        ("1]", "1:2", "] where a form"),
        ("[1\n )", "2:2", r"\) where ] is expected"),
        ("{:a 1\n :b}", "2:4", "no value"),
        ("{:a 1 :a 2}", "1:11", "twice"),
        ("#{1 2 1}", "1:8", "twice"),
        ('[1\n "abc', "2:2", "string is never closed"),
        ("\n#_", "2:3", "followed by nothing"),
        ("[#foo]", "1:6", "followed by nothing"),
        ("#:a [1]", "1:7", "map"),
        ("1abc", "1:1", "not a number"),
        ("1_000", "1:1", "not a number"),
        ("09", "1:1", "not a number"),
        ("1/0", "1:1", "zero"),
        ("9" * 5000, "1:1", "5000 digits"),
        (r"\foo", "1:1", "not a character"),
        (r'"\q"', "1:1", "not an escape"),
        (r'"\ud800"', "1:1", "surrogate"),
        ("[1 2\n 3 @x]", "2:4", "not EDN"),
        (":", "1:1", "not EDN"),
        ("[" * 300, "1:257", "deeper"),
    ],
)
def test_errors_name_line_and_column(source: str, place: str, what: str) -> None:
    with pytest.raises(UserError, match=what) as caught:
        loads(source, "file.edn")
    assert re.match(rf"file\.edn:{place}: ", str(caught.value)), caught.value
    assert "\n" not in str(caught.value)


def test_errors_are_placed_right_beyond_the_first_window() -> None:
    source = '{:a "x\ny"}\n' * 20_000 + "  }"
    with pytest.raises(UserError, match=r"^EDN:40001:3: "):
        list(Reader(source).forms())


def test_plain_data() -> None:
    source = r"""{:a/b [:c sym \d (1 2) #{3 1 2} #{:x [1]}] 5 ##NaN, nil 1/3 [1] 2.5M
                 "s" #inst "t" true ##-Inf 1.5 0.1M}"""
    assert loads(source, types=Plain) == {
        "a/b": ["c", "sym", "d", [1, 2], [1, 2, 3], ["x", [1]]],
        "5": "NaN", "null": "1/3", "[1]": 2.5, "s": "t", "true": "-Inf", "1.5": "0.1",
    }  # fmt: skip
    keyed = loads("#jepsen.independent.MapEntry [1 nil]", types=Plain)
    assert type(keyed) is Keyed


def test_unwrap_streams_the_elements_of_one_vector_only() -> None:
    assert list(Reader("; hi\n [1 [2] {3 4}]", types=Plain).forms(True)) == [1, [2], {"3": 4}]
    assert list(Reader("#h [[1] #_ 2]", types=Plain).forms(True)) == [[1]]
    assert list(Reader("{1 2} [3]", types=Plain).forms(True)) == [{"1": 2}, [3]]
    assert list(Reader(" ").forms(True)) == []
    with pytest.raises(UserError, match="1:5: more after the end"):
        list(Reader("[1] [2]").forms(True))
    with pytest.raises(UserError, match="never closed"):
        list(Reader("[1 {2 3}").forms(True))


def test_the_line_of_a_form() -> None:
    reader = Reader("; c\n{1\n 2} {}\n 5\n\n#a [3] #b\n{} nil", types=Plain)
    assert [(reader.line(), form) for form in reader.forms()] == [
        (2, {"1": 2}), (3, {}), (4, 5), (6, [3]), (7, {}), (7, None),
    ]  # fmt: skip
    reader = Reader("\n[\n1\n{}\n 2 ]", types=Plain)
    assert [(reader.line(), form) for form in reader.forms(True)] == [(3, 1), (4, {}), (5, 2)]


def test_what_edn_cannot_say_is_refused() -> None:
    with pytest.raises(TypeError, match="object has no EDN form"):
        write(object())
