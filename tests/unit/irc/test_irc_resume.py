"""A session that another one goes on with: what it knows, what it tells its owner, and whose answers it takes."""

from adapters.irc.protocol import events
from adapters.irc.protocol.events import Manner
from adapters.irc.protocol.message import Source
from adapters.irc.protocol.snapshot import Snapshot
from adapters.irc.protocol.states import State
from tests.unit.irc.test_irc_session import Talk, on_inspircd, on_ngircd


def resumed(old: Talk, **profile: object) -> tuple[Talk, list[events.Event]]:
    """Another process goes on, by what the first one left as bytes."""
    snapshot = Snapshot.model_validate_json(old.session.snapshot().model_dump_json())
    talk = Talk(**profile)
    return talk, list(talk.session.resume(snapshot, "later-"))


def test_it_knows_what_the_other_knew_and_tells_its_owner() -> None:
    old = on_ngircd()
    talk, told = resumed(old)
    assert talk.state() is State.READY
    me = Source("alice", "~alice", "127.0.0.1")
    assert told == [events.Registered("alice"), events.Ready(), events.Joined("#vec", me, own=True, stayed=True)]
    assert talk.session.me == old.session.me
    assert talk.session.isupport.tokens == old.session.isupport.tokens
    assert talk.session.caps.enabled == old.session.caps.enabled
    assert talk.session.standing == old.session.standing
    assert talk.sent() == ["NAMES #vec"]
    heard = talk.hear(":ng.test 353 alice = #vec :@alice bob\n:ng.test 366 alice #vec :End\n")
    assert heard == [events.Members("#vec", {"alice": "@", "bob": ""}, ())]  # and no topic that nobody told


def test_a_quiet_one_asks_for_nobody() -> None:
    talk, told = resumed(on_ngircd(), quiet=True)
    assert len(told) == 3
    assert talk.sent() == []


def test_the_other_ones_pong_confirms_nothing() -> None:
    old = on_ngircd()
    old.session.say(1, "#vec", Manner.TEXT, "before")
    fence = old.sent()[-1].removeprefix("PING ")
    talk, _ = resumed(old, quiet=True)
    talk.session.say(1, "#vec", Manner.TEXT, "after")
    mine = talk.sent()[-1].removeprefix("PING ")
    assert talk.hear(f":ng.test PONG ng.test {fence}\n") == []
    assert talk.hear(f":ng.test PONG ng.test {mine}\n") == [events.Delivered(1)]


def test_what_has_no_answer_of_its_own_is_asked_after() -> None:
    talk, _ = resumed(on_inspircd(), quiet=True)
    talk.session.ask()
    assert talk.sent() == [], "nothing is under way"
    talk.session.say(7, "#vec", Manner.TEXT, "said before by another", key="part-7")
    ((key, line),) = talk.session.pieces()
    assert (key, line) == ("part-7", b"@label=7 PRIVMSG #vec :said before by another\r\n")
    talk.session.ask()
    (ping,) = talk.sent()
    assert talk.hear(f":insp.test PONG insp.test {ping.removeprefix('PING ')}\n") == [events.Delivered(7)]


def test_every_change_that_matters_shows() -> None:
    talk = on_ngircd()
    seen = [talk.session.standing]
    for line in (
        ":alice!~alice@127.0.0.1 NICK :alice_\n",
        ":alice_!~alice@127.0.0.1 JOIN :#ops\n",
        ":ng.test 900 alice_ alice_!~alice@127.0.0.1 acc :You are now logged in\n",
        ":ng.test CAP alice_ DEL :multi-prefix\n",
        ":ng.test 005 alice_ EXTRA=1 :are supported on this server\n",
        ":bob!~b@127.0.0.1 KICK #ops alice_ :out\n",
    ):
        talk.hear(line)
        assert talk.session.standing not in seen, line
        seen.append(talk.session.standing)
    talk.hear(":bob!~b@127.0.0.1 PRIVMSG #vec :hello\n")
    assert talk.session.standing == seen[-1]
