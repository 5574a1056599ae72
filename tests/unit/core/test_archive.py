"""What is kept of what crossed: nothing, unless the operator wants it, and nothing of who does not."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import insert

from bridge.archive import KEEP_NOTHING, Archive, Keeping
from bridge.model.address import Place
from bridge.model.event import Event
from bridge.model.message import Gap, Message, Retraction, Text
from bridge.rules import Pattern, Rules
from bridge.store import Store, archive
from bridge.store.archive import Choice, Kept
from bridge.store.tables import unkept
from tests.unit.core.bench import HOME, LIBERA, person, running, said
from tests.unit.core.test_conversations import KESTREL, private, with_ana_at_home
from tests.unit.stores import store_url

YEAR = 365 * 86_400
FOR_LONG = 100 * YEAR
"""Messages of these tests are of 2001, and a gateway that starts looks for what is old."""
ANA, BO = person("Ana"), person("Bo")
ELSEWHERE = Place("home", "#elsewhere:example.org")


async def crossed(folder: Path, keeping: Keeping, *events: Event, rules: Rules | None = None) -> list[Kept]:
    """What is in the archive after a gateway took these events in."""
    nets = with_ana_at_home()
    async with running(folder, nets, rules, keeping):
        for event in events:
            await nets[event.origin.network].core.accept(event)
    return await kept(folder)


async def kept(folder: Path, choice: Choice | None = None) -> list[Kept]:
    store = Store(store_url(folder))
    await store.open()
    try:
        return await store.read(lambda connection: list(archive.read(connection, choice or Choice())))
    finally:
        await store.close()


def texts(found: list[Kept]) -> list[str]:
    return [each.content.body.text for each in found if isinstance(each.content, Message)]


async def test_nothing_is_kept_by_default(tmp_path: Path) -> None:
    assert await crossed(tmp_path, KEEP_NOTHING, said("hi", ANA)) == []


async def test_what_crossed_is_kept_in_the_order_it_was_said(tmp_path: Path) -> None:
    later = said("second", KESTREL, LIBERA, when=2e9 - 10)
    found = await crossed(tmp_path, Keeping(FOR_LONG), later, said("first", ANA, native_id="$1", when=1e9))
    assert texts(found) == ["first", "second"]
    first = found[0]
    assert (first.network, first.native_id, first.place, first.room) == ("home", "$1", HOME.native, "tea")
    assert (first.sender, first.sender_name, first.recipient, first.when) == (ANA.address, "Ana", None, 1e9)


async def test_what_went_nowhere_is_not_kept(tmp_path: Path) -> None:
    rules = Rules(deny=(Pattern.parse("bo"),))
    found = await crossed(
        tmp_path,
        Keeping(FOR_LONG),
        said("refused", BO),
        said("heard by nobody", ANA, ELSEWHERE),
        said("hi", ANA),
        rules=rules,
    )
    assert texts(found) == ["hi"]


async def test_an_event_that_is_pushed_again_is_kept_once(tmp_path: Path) -> None:
    twice = said("hi", ANA, native_id="$1")
    assert texts(await crossed(tmp_path, Keeping(FOR_LONG), twice, twice)) == ["hi"]


async def test_a_room_can_be_left_out(tmp_path: Path) -> None:
    assert await crossed(tmp_path, Keeping(FOR_LONG, frozenset({"tea"})), said("hi", ANA)) == []


@pytest.mark.parametrize("wanted", [True, False])
async def test_what_is_said_in_private_is_kept_only_if_that_is_wanted(tmp_path: Path, wanted: bool) -> None:
    found = await crossed(tmp_path, Keeping(FOR_LONG, private=wanted), private("psst", person("ana"), KESTREL.address))
    assert [(each.room, each.recipient) for each in found] == ([(None, KESTREL.address)] if wanted else [])


async def test_what_somebody_takes_back_is_kept_no_longer(tmp_path: Path) -> None:
    back = replace(said("", ANA, native_id="$2"), content=Retraction("$1"))
    found = await crossed(tmp_path, Keeping(FOR_LONG), said("hi", ANA, native_id="$1"), said("ho", ANA), back)
    assert texts(found) == ["ho"]
    assert [each.content for each in found if isinstance(each.content, Retraction)] == [Retraction("$1")]


async def test_nobody_takes_back_what_another_said_unless_the_network_vouches_for_it(tmp_path: Path) -> None:
    said_by_ana = said("hi", ANA, native_id="$1")
    false = replace(said("", BO, native_id="$2"), content=Retraction("$1"))
    assert texts(await crossed(tmp_path, Keeping(FOR_LONG), said_by_ana, false)) == ["hi"]
    moderation = replace(said("", BO, native_id="$3"), content=Retraction("$1", vouched=True))
    assert texts(await crossed(tmp_path, Keeping(FOR_LONG), moderation)) == []


async def test_with_a_message_its_edits_are_taken_back(tmp_path: Path) -> None:
    first = said("hi", ANA, native_id="$1")
    edit = replace(said("", ANA, native_id="$2"), content=Message(Text("hi, my password is x"), replaces="$1"))
    false = replace(said("", BO, native_id="$3"), content=Message(Text("Ana lies"), replaces="$1"))
    back = replace(said("", ANA, native_id="$4"), content=Retraction("$1"))
    assert texts(await crossed(tmp_path, Keeping(FOR_LONG), first, edit, false, back)) == ["Ana lies"]


async def test_what_was_on_its_way_when_somebody_opted_out_is_not_kept(tmp_path: Path) -> None:
    store, mine = await opened(tmp_path, Keeping(FOR_LONG, private=True))
    by_her, to_her = said("hi", ANA), private("psst", BO, ANA.address)
    on_the_way = mine.keeps([replace(each, id=f"{number:026}") for number, each in enumerate((by_her, to_her))])
    assert len(on_the_way) == 2
    await mine.opt_out(ANA.address)
    await store.write(partial(archive.keep, events=on_the_way))
    await store.close()
    assert await kept(tmp_path) == []


async def opened(folder: Path, keeping: Keeping = Keeping(FOR_LONG)) -> tuple[Store, Archive]:  # noqa: B008 - it is frozen
    store = Store(store_url(folder))
    await store.open()
    opted_out = await store.read(archive.opted_out)
    return store, Archive(store, keeping, lambda place: "tea" if place == HOME else None, opted_out)


async def test_who_does_not_want_to_be_kept_is_not_from_then_on_and_not_from_before(tmp_path: Path) -> None:
    await crossed(tmp_path, Keeping(FOR_LONG), said("before", ANA), said("hi", BO))
    store, mine = await opened(tmp_path)
    assert await mine.opt_out(ANA.address) == 1
    assert not mine.is_kept(ANA.address)
    await store.close()
    assert texts(await crossed(tmp_path, Keeping(FOR_LONG), said("after", ANA))) == ["hi"], "over a restart"
    store, mine = await opened(tmp_path)
    await mine.opt_in(ANA.address)
    assert mine.is_kept(ANA.address)
    await store.close()
    assert texts(await crossed(tmp_path, Keeping(FOR_LONG), said("again", ANA, when=1e9 + 5))) == ["hi", "again"]


async def test_what_is_said_in_private_to_one_who_does_not_want_it_is_not_kept(tmp_path: Path) -> None:
    store, mine = await opened(tmp_path, Keeping(FOR_LONG, private=True))
    await mine.opt_out(KESTREL.address)
    assert mine.keeps([private("psst", ANA, KESTREL.address)]) == []
    await store.close()


async def test_a_gap_is_nothing_that_was_said(tmp_path: Path) -> None:
    store, mine = await opened(tmp_path)
    assert mine.keeps([replace(said("", ANA), content=Gap(1.0, 2.0))]) == []
    await store.close()


async def test_what_is_old_is_erased(tmp_path: Path) -> None:
    await crossed(tmp_path, Keeping(FOR_LONG), said("old", ANA, when=1e9), said("new", ANA, when=1e9 + 100))
    store, mine = await opened(tmp_path, Keeping(YEAR))
    assert await mine.forget(1e9 + YEAR + 50) == 1
    assert await mine.forget(1e9 + YEAR + 50) == 0
    await store.close()
    assert texts(await kept(tmp_path)) == ["new"]


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        (Choice(), ["a", "b", "c"]),
        (Choice(rooms=("tea",)), ["a", "b"]),
        (Choice(rooms=("lobby",)), []),
        (Choice(people=(ANA.address,)), ["a"]),
        (Choice(people=(KESTREL.address,)), ["c"]),
        (Choice(since=1e9 + 1), ["b", "c"]),
        (Choice(until=1e9 + 1), ["a"]),
        (Choice(rooms=("tea",), people=(BO.address, ANA.address), since=1e9 + 1, until=1e9 + 2), ["b"]),
    ],
)
async def test_what_is_chosen(tmp_path: Path, choice: Choice, wanted: list[str]) -> None:
    whisper = replace(private("c", person("cy"), KESTREL.address), when=1e9 + 2)
    store = Store(store_url(tmp_path))
    await store.open()
    rows = [(said("a", ANA, when=1e9), "tea"), (said("b", BO, when=1e9 + 1), "tea"), (whisper, None)]
    numbered = [(replace(event, id=f"id{number}"), room) for number, (event, room) in enumerate(rows)]
    await store.write(partial(archive.keep, events=numbered))
    assert texts(await store.read(lambda connection: list(archive.read(connection, choice)))) == wanted
    assert await store.read(partial(archive.count, choice=choice)) == len(wanted)
    await store.close()


@pytest.mark.conforms("RFC2779:2.3.6")
async def test_people_tell_the_bot(tmp_path: Path) -> None:
    await crossed(tmp_path, Keeping(FOR_LONG), said("before", ANA))
    store, mine = await opened(tmp_path, Keeping(30 * 86_400, private=True))
    offer, run = mine.command()
    assert offer.usage == "archive [on|off]"
    assert await run(ANA, "") == (
        "The bridge keeps what is said in its rooms and in private for 30 days. "
        'If you do not want to be kept, say "archive off".'
    )
    off = (
        "Nothing that you say as home:ana is kept in the bridge's archive from now on. "
        "Erased from it: 1 of your messages."
    )
    assert await run(ANA, " OFF ") == off
    nothing = 'Nothing that you say as home:ana is kept in the bridge\'s archive. To change that, say "archive on".'
    assert await run(ANA, "") == nothing
    assert "for 30 days" in await run(ANA, "on")
    with pytest.raises(ValueError, match="archive off"):
        await run(ANA, "maybe")
    await store.close()


@pytest.mark.parametrize(
    ("seconds", "words"), [(86_400, "for 24 hours."), (43_200, "for 12 hours."), (172_800, "for 2 days.")]
)
async def test_people_are_told_for_how_long(tmp_path: Path, seconds: int, words: str) -> None:
    store, mine = await opened(tmp_path, Keeping(seconds))
    _, run = mine.command()
    assert words in await run(ANA, "")
    await store.close()


async def test_without_an_archive_people_learn_that(tmp_path: Path) -> None:
    store, mine = await opened(tmp_path, KEEP_NOTHING)
    assert "has no archive" in await mine.command()[1](ANA, "")
    await store.close()


async def test_one_who_opted_out_and_cannot_be_read_back_bars_no_start(tmp_path: Path) -> None:
    store, mine = await opened(tmp_path)
    await mine.opt_out(ANA.address)
    await store.write(lambda connection: connection.execute(insert(unkept), {"owner": "nobody"}))
    assert await store.read(archive.opted_out) == [ANA.address]
    await store.close()
    assert await crossed(tmp_path, Keeping(FOR_LONG), said("hi", ANA)) == []
