"""Hand-over between observers: whatever each has seen when, nothing is reported twice and nothing is left out."""

from hypothesis import given
from hypothesis import strategies as st

from adapters.irc.observer import Observation


def test_the_one_before_is_kicked_and_the_successor_sees_it_first() -> None:
    out: list[str] = []
    observation: Observation[str] = Observation(out.append)
    observation.begin("bot")
    observation.say("bot", "1")
    observation.say("puppet", "1")
    observation.begin("puppet")
    observation.say("puppet", "3")
    observation.say("bot", "2")
    assert out == ["1", "2"]
    observation.end("bot")
    observation.say("puppet", "4")
    observation.say("bot", "never")
    assert out == ["1", "2", "3", "4"]
    assert observation.holder == "puppet"


def test_the_successor_is_late() -> None:
    out: list[str] = []
    observation: Observation[str] = Observation(out.append)
    observation.begin("bot")
    observation.say("bot", "1")
    observation.say("bot", "2")
    observation.end("bot")
    observation.begin("puppet", tentative=True)
    assert not observation.vacant
    observation.say("puppet", "2")
    observation.begin("puppet")
    observation.say("puppet", "3")
    assert out == ["1", "2", "3"]


def test_nobody_shows_the_absence() -> None:
    out: list[str] = []
    observation: Observation[str] = Observation(out.append)
    observation.begin("bot")
    observation.end("bot")
    observation.begin("puppet", tentative=True)
    observation.say("puppet", "1")
    assert out == []
    observation.settle()
    observation.say("puppet", "2")
    assert out == ["1", "2"]


def test_the_successor_goes_too() -> None:
    out: list[str] = []
    observation: Observation[str] = Observation(out.append)
    observation.begin("bot")
    observation.begin("puppet")
    observation.say("puppet", "lost with it")
    observation.end("puppet")
    observation.say("bot", "1")
    observation.end("bot")
    assert observation.vacant
    assert out == ["1"]
    assert not observation.reads(None)


LINES = st.integers(0, 12)


@given(LINES, LINES, LINES, st.data())
def test_out_and_in_again_at_any_pace(before: int, without: int, after: int, data: st.DataObject) -> None:
    """Two connections see one history: lines, the bot's removal, lines, its return, lines. Each at its own pace."""
    numbers = iter(range(before + without + after))
    history: list[int | str] = [next(numbers) for _ in range(before)]
    history += ["out", *(next(numbers) for _ in range(without)), "in", *(next(numbers) for _ in range(after))]
    out: list[int] = []
    observation: Observation[int] = Observation(out.append)
    observation.begin("bot")
    inside = True
    seen = {"bot": 0, "puppet": 0}

    def possible(reader: str) -> bool:
        """The bot asks to come in again only after its own connection has shown the kick, and more than `PATIENCE`
        after that: neither sees the return before the other has seen the kick."""
        position = seen[reader]
        other = seen["puppet" if reader == "bot" else "bot"]
        return position < len(history) and (history[position] != "in" or other > before)

    while ready := [reader for reader in seen if possible(reader)]:
        reader = data.draw(st.sampled_from(ready))
        item = history[seen[reader]]
        seen[reader] += 1
        match reader, item:
            case "bot", "out":
                inside = False
                observation.end("bot")
                if observation.vacant:
                    observation.begin("puppet", tentative=True)
            case "bot", "in":
                inside = True
                observation.begin("bot")
            case "bot", int():
                if inside:
                    observation.say("bot", item)
            case "puppet", "out":
                observation.begin("puppet")
            case "puppet", "in":
                observation.end("puppet")
            case "puppet", int():
                observation.say("puppet", item)
    assert seen == dict.fromkeys(seen, len(history))
    assert out == list(range(before + without + after))
    assert observation.holder == "bot"
