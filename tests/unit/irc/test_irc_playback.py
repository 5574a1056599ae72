"""What a bouncer repeats, with lines as ZNC 1.8.2 sent them: when we stayed in a channel, and what of it is news."""

from typing import Any

from adapters.irc.playback import PRIVATE, Playback
from adapters.irc.protocol import events
from adapters.irc.protocol.events import Said
from bridge.gaps import Gaps
from bridge.model.address import Place, PlaceKind
from tests.unit.irc.test_irc_session import Talk

ZNC = """\
:irc.znc.in CAP unknown-nick LS :batch cap-notify server-time znc.in/batch znc.in/self-message znc.in/server-time-iso
@time=2026-11-27T21:01:58.611Z :irc.znc.in CAP unknown-nick ACK :batch cap-notify server-time
@time=2026-11-27T21:01:53.777Z :insp.localhost 001 rialto :Welcome to the InspNet IRC Network rialto!someone@127.0.0.1
@time=2026-11-27T21:01:53.777Z :insp.localhost 422 rialto :Message of the day file is missing.
"""
ATTACHED = """\
@time=2026-11-27T21:01:58.612Z :rialto!someone@127.0.0.1 JOIN #tea
@time=2026-11-27T21:01:58.612Z :insp.localhost 353 rialto = #tea :@kim rialto
@time=2026-11-27T21:01:58.612Z :insp.localhost 366 rialto #tea :End of /NAMES list.
@time=2026-11-27T21:01:58.612Z :znc.in BATCH +4797ad znc.in/playback #tea
@batch=4797ad;time=2026-11-27T21:01:57.804Z :kim!kim@127.0.0.1 PRIVMSG #tea :missed
@time=2026-11-27T21:01:58.612Z :znc.in BATCH -4797ad
@time=2026-11-27T21:01:59.113Z :kim!kim@127.0.0.1 PRIVMSG #tea :live
"""
TEA = Place("libera", "#tea")
KIM = Place("libera", "kim", PlaceKind.USER)


def test_a_channel_that_is_told_before_the_pong_was_stayed_in_and_one_after_it_was_not() -> None:
    talk = Talk("rialto")
    talk.session.start()
    talk.hear(ZNC)
    assert "PING attaching" in talk.sent()
    told = talk.hear(ATTACHED)
    assert [event.stayed for event in told if isinstance(event, events.Joined)] == [True]
    assert [(event.text, event.history, event.asked) for event in told if isinstance(event, Said)] == [
        ("missed", True, None),
        ("live", False, None),
    ]
    talk.hear("@time=2026-11-27T21:01:59.200Z :irc.znc.in PONG irc.znc.in attaching\n")
    told = talk.hear("@time=2026-11-27T21:01:59.300Z :rialto!someone@127.0.0.1 JOIN #other\n")
    assert [event.stayed for event in told if isinstance(event, events.Joined)] == [False]


def test_a_server_that_is_no_bouncer_is_not_asked() -> None:
    talk = Talk("rialto")
    talk.session.start()
    talk.hear(ZNC.replace("znc.in/", "other/"))
    assert "PING attaching" not in talk.sent()
    (joined,) = (event for event in talk.hear(ATTACHED) if isinstance(event, events.Joined))
    assert not joined.stayed


class Listener:
    """A gateway that remembers, behind a bouncer."""

    def __init__(self, memory: dict[str, str], seen: dict[Place, float], first: float) -> None:
        self.memory = memory
        self.gaps = Gaps([TEA], {"attended/#tea": f"{first} {first}"}, lambda event: None, longest=10, now=lambda: 0.0)
        self.playback = Playback(
            self.gaps, [TEA], last_seen=seen.get, recall=lambda prefix: self.memory, remember=self.remember
        )

    def remember(self, values: Any) -> None:
        self.memory.update(values)


def test_news_is_what_is_newer_than_what_was_known_when_we_attached() -> None:
    seen = {TEA: 100.0}
    playback = Listener({}, seen, 50.0).playback
    playback.begin()
    assert not playback.is_news(TEA, 100.0)
    assert playback.is_news(TEA, 100.001)
    seen[TEA] = 100.001
    assert playback.is_news(TEA, 100.001), "said in the same millisecond as another line that is repeated"
    playback.begin()
    assert not playback.is_news(TEA, 100.001)


def test_what_was_said_before_we_came_first_is_none() -> None:
    playback = Listener({}, {}, 50.0).playback
    playback.begin()
    assert [playback.is_news(place, when) for place in (TEA, KIM) for when in (50.0, 51.0)] == [False, True] * 2


def test_a_line_to_us_alone_is_remembered_though_it_was_not_accepted() -> None:
    memory: dict[str, str] = {}
    playback = Listener(memory, {}, 50.0).playback
    playback.begin()
    playback.heard_alone(60.0)
    playback.heard_alone(59.0)
    assert memory == {PRIVATE: "60.000"}
    assert playback.is_news(KIM, 59.0), "as long as we are attached, it is what was known before that counts"
    playback = Listener(memory, {}, 50.0).playback
    playback.begin()
    assert [playback.is_news(KIM, when) for when in (60.0, 60.001)] == [False, True]


def test_it_says_for_how_long_it_was_lost() -> None:
    playback = Listener({}, {}, 50.0).playback
    playback.complained(10.0)
    playback.complained(20.0)
    assert playback.lost_for(30.0) == 20.0
    playback.heard()
    assert playback.lost_for(30.0) == 0.0
