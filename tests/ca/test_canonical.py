import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca import canonical
from ca.canonical import NotCanonical

KEYS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=8)
LEAVES = st.integers(0, canonical.LARGEST) | st.text(max_size=20)
THINGS = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4))


@given(THINGS)
def test_reading_what_was_written_gives_the_same(thing):
    assert canonical.decode(canonical.encode(thing)) == thing


def test_keys_are_sorted_and_text_is_utf8():
    assert canonical.encode({"b": 1, "a": ["达州"]}) == '{"a":["达州"],"b":1}'.encode()
    assert canonical.ascii_encode({"b": 1, "a": ["x"]}) == b'{"a":["x"],"b":1}'


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a": 1}', b'{"b":1,"a":2}', b'{"m":3,"m":2}', b'{"a":1.0}', b'{"a":1e3}', b'{"a":-1}',
        b'{"a":01}', b'{"a":true}', b'{"a":null}', b'{"a":NaN}', b'{"a":9007199254740992}',
        b'{"a":"\\u0041"}', b'{"a":1}\n', b"", b"\xff", b'{"a":"\\ud800"}', b"[" * 40 + b"]" * 40,
        b"[" * 100_000, b"9" * 5000, '{"ä":1}'.encode(), b'\xef\xbb\xbf{"a":1}',
    ],
)  # fmt: skip
def test_any_other_way_of_writing_is_refused(raw):
    with pytest.raises(NotCanonical):
        canonical.decode(raw)
    with pytest.raises(NotCanonical):
        canonical.ascii_decode(raw)


@pytest.mark.parametrize("text", ["达州", 'a"b', "a\\b", "a\nb", "\x7f"])
def test_the_ascii_form_takes_only_what_needs_no_escape(text):
    assert canonical.decode(canonical.encode([text])) == [text]
    with pytest.raises(NotCanonical):
        canonical.ascii_encode([text])
    with pytest.raises(NotCanonical):
        canonical.ascii_decode(canonical.encode([text]))


@pytest.mark.parametrize("thing", [1.0, True, None, {1: 2}, b"raw", [-1], {"": 1}, ("a",), "\ud800"])
def test_what_has_no_form_is_refused(thing):
    with pytest.raises(NotCanonical):
        canonical.encode(thing)


@given(st.binary(max_size=60))
def test_foreign_bytes_give_one_kind_of_error(raw):
    try:
        thing = canonical.decode(raw)
    except NotCanonical:
        return
    assert canonical.encode(thing) == raw
