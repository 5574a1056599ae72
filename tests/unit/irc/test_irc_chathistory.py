"""Reading a history page by page, and what a session makes of the answers (IRCv3 draft/chathistory)."""

from collections.abc import Sequence
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.irc.protocol import events
from adapters.irc.protocol.chathistory import BEYOND, Reader
from adapters.irc.protocol.events import Manner, Said
from adapters.irc.protocol.isupport import ISupport
from adapters.irc.protocol.message import Source
from adapters.irc.protocol.servertime import timestamp, written
from tests.unit.irc.test_irc_session import INSPIRCD, Talk

BEGAN = 1_795_000_000.0
CAPS = "batch draft/chathistory echo-message labeled-response message-tags server-time"
UNLABELLED = "batch draft/chathistory message-tags server-time"


def support(limit: int, refs: str = "") -> ISupport:
    isupport = ISupport()
    isupport.update([f"CHATHISTORY={limit}", *([f"MSGREFTYPES={refs}"] if refs else [])])
    return isupport


def line(number: int, millisecond: int, *, named: bool = True) -> Said:
    when = written(BEGAN + millisecond / 1000)
    msgid = f"m{number}" if named else ""
    return Said(Source("kim", "k", "h"), "#tea", Manner.TEXT, str(number), True, False, msgid=msgid, when=when)


def page(lines: Sequence[Said], selector: str, limit: int) -> Sequence[Said]:
    """What a server answers to ``AFTER``."""
    kind, _, value = selector.partition("=")
    if kind == "msgid":
        place = next(number for number, said in enumerate(lines) if said.msgid == value)
        return lines[place + 1 :][:limit]
    moment = datetime.fromisoformat(value)
    return [said for said in lines if datetime.fromisoformat(said.when) > moment][:limit]


def read(lines: Sequence[Said], after: float, isupport: ISupport) -> list[str]:
    reader = Reader(after, isupport)
    texts: list[str] = []
    for _ in range(10 * len(lines) + 10):
        if reader.done:
            return texts
        texts += [said.text for said in reader.take(page(lines, reader.selector, reader.limit))]
    raise AssertionError("it never ends")


@given(st.lists(st.integers(0, 40), max_size=60), st.integers(1, 20), st.integers(-5, 45))
def test_by_msgid_all_is_read_once_and_in_order(times: list[int], limit: int, after: int) -> None:
    lines = [line(number, at) for number, at in enumerate(sorted(times))]
    expected = [said.text for said in lines if timestamp(said.when, 0) > BEGAN + after / 1000 + 1e-6]
    assert read(lines, BEGAN + after / 1000, support(limit, "msgid,timestamp")) == expected


@given(st.lists(st.integers(0, 200), max_size=60), st.integers(1, 20), st.booleans())
def test_by_time_too_where_a_page_holds_more_than_a_millisecond(times: list[int], limit: int, named: bool) -> None:
    lines = [line(number, at, named=named) for number, at in enumerate(sorted(times))]
    most = max((times.count(at) for at in times), default=0)
    isupport = support(limit + most)
    assert read(lines, BEGAN - 1, isupport) == [said.text for said in lines]


@given(st.lists(st.integers(0, 3), max_size=60), st.integers(1, 4))
def test_it_ends_and_repeats_nothing_whatever_a_page_holds(times: list[int], limit: int) -> None:
    lines = [line(number, at, named=False) for number, at in enumerate(sorted(times))]
    told = read(lines, BEGAN - 1, support(limit))
    assert told == sorted(set(told), key=int)


def test_a_server_that_always_says_the_same_is_not_read_for_ever() -> None:
    reader, same = Reader(BEGAN, support(2, "msgid")), [line(1, 1), line(2, 2)]
    for _ in range(5):
        reader.take(same)
    assert reader.done


@pytest.mark.parametrize(("limit", "asked"), [(0, BEYOND), (50, 50), (100_000, BEYOND)])
def test_no_more_is_asked_for_than_the_server_tells(limit: int, asked: int) -> None:
    assert Reader(BEGAN, support(limit)).limit == asked


def test_without_times_nobody_can_go_on() -> None:
    reader = Reader(BEGAN, support(2))
    said = Said(Source("kim"), "#tea", Manner.TEXT, "x", True, False)
    assert list(reader.take([said])) == [said]
    assert reader.done


@given(st.floats(0, 4e9))
def test_times_are_read_as_they_are_written(seconds: float) -> None:
    assert seconds - 0.0011 < timestamp(written(seconds), -1.0) <= seconds + 1e-6


def asking(caps: str) -> Talk:
    talk = Talk()
    talk.session.start()
    talk.hear(f":s CAP * LS :{caps}\n:s CAP alice ACK :{caps}\n" + INSPIRCD)
    talk.hear(":alice!alice@127.0.0.1 JOIN #tea\n")
    talk.sent()
    talk.session.history(7, "AFTER", "#tea", "msgid=a", 50)
    return talk


def test_what_was_asked_for_bears_the_token_and_ends() -> None:
    talk = asking(CAPS)
    assert talk.sent() == ["@label=7 CHATHISTORY AFTER #tea msgid=a 50"]
    told = talk.hear(
        "@label=7 :s BATCH +b chathistory #tea\n"
        "@batch=b;msgid=b;time=2026-11-22T17:00:00.000Z :kim!k@h PRIVMSG #tea :one\n"
        "@batch=b;msgid=c;+rialto-bridge/part=p-1 :alice!alice@127.0.0.1 PRIVMSG #tea :ours\n"
        "@msgid=d :kim!k@h PRIVMSG #tea :live\n"
        ":s BATCH -b\n"
    )
    said = [event for event in told if isinstance(event, Said)]
    assert [(each.text, each.history, each.asked, each.part) for each in said] == [
        ("one", True, 7, ""),
        ("ours", True, 7, "p-1"),
        ("live", False, None, ""),
    ]
    assert told[-1] == events.Delivered(7)
    assert told.index(events.Delivered(7)) == len(told) - 1, "our own line in it confirms nothing"


def test_what_nobody_asked_for_bears_none() -> None:
    talk = asking(CAPS)
    (said,) = (
        event
        for event in talk.hear(":s BATCH +x chathistory #tea\n@batch=x :kim!k@h PRIVMSG #tea :unasked\n:s BATCH -x\n")
        if isinstance(event, Said)
    )
    assert said.history
    assert said.asked is None


def test_without_labels_the_target_and_a_pong_tell() -> None:
    talk = asking(UNLABELLED)
    asked, ping = talk.sent()[-2:]
    assert asked == "CHATHISTORY AFTER #tea msgid=a 50"
    told = talk.hear(
        ":s BATCH +b chathistory #tea\n@batch=b :kim!k@h PRIVMSG #Tea :one\n:s BATCH -b\n"
        f":s PONG s :{ping.removeprefix('PING ').removeprefix(':')}\n"
    )
    assert [event.asked for event in told if isinstance(event, Said)] == [7]
    assert told[-1] == events.Delivered(7)


@pytest.mark.parametrize(
    ("caps", "answer"),
    [
        (CAPS, "@label=7 :s FAIL CHATHISTORY INVALID_TARGET AFTER #tea :no"),
        (UNLABELLED, ":s FAIL CHATHISTORY INVALID_TARGET AFTER #tea :no"),
        (UNLABELLED, ":s 421 alice CHATHISTORY :unknown command"),
    ],
)
def test_a_refusal_is_told(caps: str, answer: str) -> None:
    talk = asking(caps)
    talk.sent()
    (refused,) = talk.hear(f"{answer}\n")
    assert isinstance(refused, events.Refused)
    assert refused.token == 7


def test_how_things_stood_does_not_change_how_they_stand() -> None:
    talk = asking(CAPS)
    talk.sent()
    talk.hear(
        "@label=7 :s BATCH +b chathistory #tea\n"
        "@batch=b :alice!alice@127.0.0.1 PART #tea\n"
        "@batch=b :alice!alice@127.0.0.1 NICK eve\n"
        ":s BATCH -b\n"
    )
    assert "#tea" in talk.session.channels
    assert talk.session.me.nick == "alice"
