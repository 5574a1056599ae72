"""Documents made to be slow, deep or large: each has an answer, for work linear in its length."""

import sys
from collections.abc import Callable

import pytest

from bridge.model import pidf, watcherinfo
from bridge.model.elements import LONGEST, LONGEST_NAMESPACE
from bridge.model.pidf import PidfError
from bridge.model.watcherinfo import WatcherInfoError
from tests.unit.model.documents import HEAD, PIDF, document


def elements(count: int) -> bytes:
    return document("".join(f'<tuple id="a{n}"><status><basic>open</basic></status></tuple>' for n in range(count)))


def attributes(count: int) -> bytes:
    return document(f"<x:a{''.join(f' b{n}={chr(34)}{chr(34)}' for n in range(count))}/>")


def nested(count: int) -> bytes:
    return document("<x:a>" * count + "</x:a>" * count)


def nested_unknown(count: int) -> bytes:
    return document("<y>" * count + "</y>" * count)


def nested_known(count: int) -> bytes:
    return document('<tuple id="a">' * count + "</tuple>" * count)


def namespaces(count: int) -> bytes:
    return document("".join(f'<b xmlns="urn:{n}">' for n in range(count)) + "</b>" * count)


def long_text(count: int) -> bytes:
    return document(f"<note>{'&lt;' * count}</note>")


def same_ids(count: int) -> bytes:
    """None is the same, but each is the start of the next."""
    return document("".join(f'<x:b/><dm:person id="{"a" * (n % 50)}{n}"/>' for n in range(count)))


def notes(count: int) -> bytes:
    return document("<note>a</note>" * count)


def comments(count: int) -> bytes:
    return document(f"<note>{'a<!-- -->' * count}</note>")


SHAPES: list[Callable[[int], bytes]] = [
    elements,
    attributes,
    nested,
    nested_unknown,
    nested_known,
    namespaces,
    long_text,
    same_ids,
    notes,
    comments,
]


def steps(data: bytes) -> int:
    """How many functions, Python's and C's, are called to read a document and to write it."""
    count = 0

    def called(_: object, event: str, __: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(called)
    try:
        pidf.dumps(pidf.loads(data))
    except PidfError:
        pass
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("shape", SHAPES)
def test_work_is_linear(shape: Callable[[int], bytes]) -> None:
    """Ten times as much takes ten times the steps; that each step is short, the large ones below would show."""
    assert 20 < steps(shape(3_000)) <= 10.5 * steps(shape(300))


@pytest.mark.parametrize("shape", [elements, nested, nested_unknown])
def test_much_of_it_is_read(shape: Callable[[int], bytes]) -> None:
    found = pidf.loads(shape(100_000))
    assert len(found.services) == (100_000 if shape is elements else 0)
    assert pidf.loads(pidf.dumps(found)) == found


def test_ten_megabytes_in_one_place() -> None:
    text = "a" * 10_000_000
    assert pidf.loads(document(f"<note>{text}</note>")).notes == (("", text),)
    assert pidf.loads(document(f'<note junk="{text}">b</note>')).notes == (("", "b"),)
    assert pidf.loads(document("", entity=f"pres:{text}@b")).entity == f"pres:{text}@b"
    with pytest.raises(PidfError):
        pidf.loads(b"<" * 10_000_000)
    with pytest.raises(PidfError):
        pidf.loads(document("<tuple id='a'>" * 700_000)[:-50])


def test_too_much_is_refused_unread() -> None:
    data = document("<note/>").ljust(LONGEST + 1)
    with pytest.raises(PidfError, match="longer than"):
        pidf.loads(data)
    assert pidf.loads(data[:-1]).notes == (("", ""),)
    with pytest.raises(WatcherInfoError, match="longer than"):
        watcherinfo.loads(data)


def test_long_namespaces_do_not_make_much_out_of_little() -> None:
    def prefixed(length: int, count: int) -> bytes:
        return document(f'<b xmlns="urn:b" xmlns:c="urn:{"c" * (length - 4)}">{"<c:d/><e/>" * count}</b>')

    with pytest.raises(PidfError, match="a namespace of 1001 characters"):
        pidf.loads(prefixed(LONGEST_NAMESPACE + 1, 1))
    assert pidf.loads(prefixed(LONGEST_NAMESPACE, 1_000)).extensions
    with pytest.raises(PidfError, match="the extensions are longer"):
        pidf.loads(prefixed(LONGEST_NAMESPACE, 20_000))


@pytest.mark.parametrize("count", [3, 100])
def test_entities_do_not_multiply(count: int) -> None:
    lines = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(count))
    text = (
        f'{HEAD}<!DOCTYPE l [<!ENTITY l0 "ha">{lines}]><presence xmlns="{PIDF}" entity="pres:a@b">&l{count};</presence>'
    )
    with pytest.raises(PidfError, match="document type"):
        pidf.loads(text.encode())
    with pytest.raises(WatcherInfoError, match="document type"):
        watcherinfo.loads(text.encode())
