"""Ids of any length become ids of a bounded one, and stay apart."""

from hypothesis import given
from hypothesis import strategies as st

from bridge.model.native import LONGEST, bounded

IDS = st.text(max_size=20) | st.text(st.characters(), min_size=500, max_size=900).map(lambda text: text * 4)


@given(IDS)
def test_it_is_short_enough_and_stays_as_it_is(native_id: str) -> None:
    kept = bounded(native_id)
    assert len(kept.encode(errors="surrogatepass")) <= LONGEST
    assert bounded(kept) == kept
    assert "\0" not in kept
    if len(native_id.encode(errors="surrogatepass")) <= LONGEST:
        assert kept == native_id.replace("\0", "\ufffd")


@given(IDS, IDS)
def test_different_ids_stay_different(one: str, other: str) -> None:
    same = one.replace("\0", "\ufffd") == other.replace("\0", "\ufffd")
    assert (bounded(one) == bounded(other)) == same


def test_the_longest_that_is_kept() -> None:
    assert bounded("x" * LONGEST) == "x" * LONGEST
    assert bounded("x" * (LONGEST + 1)).startswith("x" * 256 + "...sha-256:")
    assert bounded("\u1234" * LONGEST).startswith("\u1234" * 256 + "...")
