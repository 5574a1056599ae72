"""The store: one transaction for many, no one harmed by another's fault, a schema that migrations reach."""

import asyncio
import random
import string
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, create_engine, func, insert, inspect, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from bridge.delivery import Delivery, State, mint
from bridge.model.address import Address, Person, Place
from bridge.model.event import Cause, Event, Origin, PuppetGone, Roster, TopicSet
from bridge.model.message import Message, MessageKind, Span, Style, Text
from bridge.model.result import Failure, Reason, Receipt
from bridge.store import Store, StoreError, deliveries, events, states, story
from bridge.store.deliveries import Piece
from bridge.store.tables import body, event, memory, metadata, part, quarantine
from tests.unit.stores import store_url

HERE, THERE = Place("home", "#tea:example.org"), Place("libera", "#tea")


def put(connection: Connection, key: str, value: str = "value") -> str:
    connection.execute(insert(memory), {"network": "home", "key": key, "value": value})
    return key


def keys(connection: Connection) -> list[str]:
    return list(connection.execute(select(memory.c.key).order_by(memory.c.key)).scalars())


def said(native_id: str, now: float = 1000.0) -> Event:
    return Event(
        Origin("home", native_id), HERE, Person(Address("home", "ana"), "Ana"), now, Message(Text("hi")), id=mint(now)
    )


async def test_writes_take_effect_in_the_order_of_the_calls_and_share_commits(tmp_path: Path) -> None:
    store = Store(store_url(tmp_path))
    await store.open()
    done = [store.write(partial(put, key=f"key {number}")) for number in range(100)]
    assert await asyncio.gather(*done) == [f"key {number}" for number in range(100)]
    assert await store.read(keys) == sorted(f"key {number}" for number in range(100))
    await store.close()


async def test_commits_are_told_of_with_what_was_in_them(tmp_path: Path) -> None:
    told: list[tuple[int, float]] = []
    store = Store(store_url(tmp_path), lambda operations, seconds: told.append((operations, seconds)))
    await store.open()
    await asyncio.gather(*(store.write(lambda connection: None) for _ in range(20)))
    await store.close()
    assert sum(operations for operations, _ in told) == 20
    assert all(0 <= seconds < 60 for _, seconds in told)


async def test_a_write_that_fails_harms_nobody_but_its_caller(tmp_path: Path) -> None:
    store = Store(store_url(tmp_path))
    await store.open()
    writes = [store.write(partial(put, key=key)) for key in ("a", "b", "b", "c")]
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert [result if isinstance(result, str) else "failed" for result in results] == ["a", "b", "failed", "c"]
    assert await store.read(keys) == ["a", "b", "c"]
    await store.close()


async def test_an_error_does_not_quote_what_was_to_be_written(tmp_path: Path) -> None:
    """Errors are logged."""
    store = Store(store_url(tmp_path))
    await store.open()
    await store.write(partial(put, key="token", value="first-secret"))
    with pytest.raises(SQLAlchemyError) as error:
        await store.write(partial(put, key="token", value="second-secret"))
    assert "memory" in str(error.value)
    assert "secret" not in str(error.value)
    await store.close()


async def test_what_was_written_is_there_after_closing(tmp_path: Path) -> None:
    store = Store(store_url(tmp_path))
    await store.open()
    store.write(partial(put, key="last words"))
    await store.close()
    store = Store(store_url(tmp_path))
    await store.open()
    assert await store.read(keys) == ["last words"]
    await store.close()


async def test_migrations_lead_to_the_tables_as_they_are(tmp_path: Path) -> None:
    store = await opened(tmp_path)

    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    assert await store.read(differences) == []
    assert await store.read(lambda connection: set(inspect(connection).get_table_names())) == {
        *metadata.tables,
        "alembic_version",
    }
    await store.close()


async def test_a_migration_that_fails_leaves_the_schema_as_it_was(tmp_path: Path) -> None:
    store = await opened(tmp_path)

    def only_the_last(connection: Connection) -> None:
        """As if the first migration were still to come, with its last table in the way."""
        for table in (*reversed(metadata.sorted_tables), "alembic_version"):
            if str(table) != "part":
                connection.execute(text(f"DROP TABLE {table}" + " CASCADE" * (connection.dialect.name != "sqlite")))

    def beforehand() -> None:
        with engine.begin() as connection:
            only_the_last(connection)

    await store.close()
    engine = create_engine(store_url(tmp_path).replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool)
    await asyncio.to_thread(beforehand)
    with pytest.raises(StoreError, match="part"):
        await Store(store_url(tmp_path)).open()

    def tables() -> list[str]:
        with engine.connect() as connection:
            return inspect(connection).get_table_names()

    assert await asyncio.to_thread(tables) == ["part"]


async def test_a_newer_schema_is_refused_with_a_word_on_what_to_do(tmp_path: Path) -> None:
    store = Store(store_url(tmp_path))
    await store.open()
    await store.write(lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    await store.close()
    with pytest.raises(StoreError, match="newer than this version of Rialto knows"):
        await Store(store_url(tmp_path)).open()


async def test_bodies_are_erased_when_all_deliveries_ended_and_ids_later(tmp_path: Path) -> None:
    store = Store(store_url(tmp_path))
    await store.open()
    ended, waiting = said("$ended"), said("$waiting")
    todo = [Delivery(ended, THERE, 1), Delivery(waiting, THERE, 2)]
    await store.write(partial(events.record, events=[ended, waiting], deliveries=todo, received=1000.0))
    await store.write(partial(deliveries.end, each=todo[0], state=State.CONFIRMED, now=1001.0))

    def left(connection: Connection) -> tuple[list[str], int]:
        found = connection.execute(select(body.c.event_id).order_by(body.c.event_id)).scalars()
        return list(found), connection.execute(select(func.count()).select_from(event)).scalar_one()

    assert await store.write(partial(events.forget, bodies_before=1000.5, ids_before=0)) == (0, 0)
    assert await store.write(partial(events.forget, bodies_before=2000.0, ids_before=0)) == (1, 0)
    assert await store.read(left) == ([waiting.id], 2)
    assert await store.write(partial(events.forget, bodies_before=2000.0, ids_before=2000.0)) == (0, 1)
    assert await store.read(left) == ([waiting.id], 1)
    again = await store.write(partial(events.record, events=[said("$waiting")], deliveries=[], received=3000.0))
    assert again == frozenset()
    await store.close()


async def test_choices_hold_for_ever(tmp_path: Path) -> None:
    store = Store(store_url(tmp_path))
    await store.open()
    assert await store.write(partial(states.choose, key="default.matrix", value="home")) == "home"
    assert await store.write(partial(states.choose, key="default.matrix", value="other")) == "home"
    await store.close()


async def opened(folder: Path) -> Store:
    store = Store(store_url(folder))
    await store.open()
    return store


async def test_what_is_asked_for_after_the_end_is_refused_and_not_forgotten(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    closing = asyncio.create_task(store.close())
    await asyncio.sleep(0)
    late = store.write(partial(put, key="late"))
    await closing
    with pytest.raises(StoreError, match="being closed"):
        await asyncio.wait_for(late, 5)
    with pytest.raises(StoreError, match="not open"):
        store.write(partial(put, key="later"))


async def record(store: Store, *said_: Event, received: float = 1000.0) -> list[Delivery]:
    todo = [Delivery(each, THERE, number) for number, each in enumerate(said_, start=1)]
    await store.write(partial(events.record, events=said_, deliveries=todo, received=received))
    return todo


def parts(connection: Connection) -> list[tuple[int, str, str | None, bytes | None]]:
    rows = connection.execute(select(part.c.part, part.c.state, part.c.native_id, part.c.payload).order_by(part.c.part))
    return [(row[0], row[1], row[2], row[3]) for row in rows]


MARKED = Text("salut", (Span(0, 5, Style.LINK, "https://example.org/"),), "fr")


async def test_pieces_come_back_whole_and_end_with_their_delivery(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    [each] = await record(store, said("$1"))
    pieces = [Piece(index, index == 1, MessageKind.EMOTE, MARKED) for index in range(3)]
    await store.write(partial(deliveries.begin, each=each, pieces=pieces, now=1.0))
    assert await store.read(partial(deliveries.pieces, each=each)) == pieces
    await store.write(partial(deliveries.confirm, each=each, index=0, receipt=Receipt("n0"), state=State.CONFIRMED))
    failure = Failure(Reason.FORBIDDEN, "no")
    await store.write(partial(deliveries.end, each=each, state=State.FAILED, now=2.0, failure=failure))
    assert await store.read(parts) == [
        (0, "confirmed", "n0", None),
        (1, "failed", None, None),
        (2, "failed", None, None),
    ]
    for index in (0, 1):
        late = partial(
            deliveries.confirm_by_id, event_id=each.event.id, place=THERE, index=index, receipt=Receipt("late")
        )
        await store.write(partial(late, state=State.UNCERTAIN))
    assert [row[:3] for row in await store.read(parts)] == [
        (0, "confirmed", "n0"),
        (1, "uncertain", "late"),
        (2, "failed", None),
    ]
    await store.close()


async def test_a_delivery_begins_anew_with_other_pieces(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    [each] = await record(store, said("$1"))
    old = [Piece(index, True, MessageKind.TEXT, Text("old")) for index in range(3)]
    new = [Piece(0, False, MessageKind.TEXT, Text("new"))]
    await store.write(partial(deliveries.begin, each=each, pieces=old, now=1.0))
    await store.write(partial(deliveries.restart, each=each, pieces=new, now=2.0))
    assert await store.read(partial(deliveries.pieces, each=each)) == new
    await store.close()


@pytest.mark.parametrize("broken", ["UPDATE body SET content = :bytes", "DELETE FROM body", "payload"])
async def test_a_delivery_that_cannot_be_read_back_fails_alone(tmp_path: Path, broken: str) -> None:
    store = await opened(tmp_path)
    todo = await record(store, *(said(f"${number}") for number in range(4)))
    if broken == "payload":
        piece = Piece(0, True, MessageKind.TEXT, Text("x"))
        await store.write(partial(deliveries.begin, each=todo[1], pieces=[piece], now=1.0))
        broken = "UPDATE part SET payload = :bytes"
    bad = text(f"{broken} WHERE event_id = '{todo[1].event.id}'")
    values = {"bytes": b"poll {}"} if ":bytes" in broken else {}
    await store.write(lambda connection: connection.execute(bad, values))
    found = await store.read(partial(deliveries.waiting, place=THERE, after=-1, most=3, now=5.0))
    assert [each.seq for each in found] == [1, 3, 4]  # as many as were asked for: the lane goes on after them
    [untold] = await store.read(partial(deliveries.untold, since=0.0))
    assert (untold.event_id, untold.failure) == (todo[1].event.id, deliveries.UNREADABLE)
    aside = await store.read(lambda connection: connection.execute(select(quarantine.c.native_id)).scalars().all())
    assert list(aside) == ["$1"]
    await store.close()


async def test_what_cannot_be_said_in_unicode_is_set_aside_all_the_same(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await store.write(partial(events.set_aside, each=said("$\ud800"), error="\ud800?", now=1.0))
    rows = await store.read(lambda connection: connection.execute(select(quarantine)).all())
    assert [(row.native_id, row.error) for row in rows] == [("$\\ud800", "\\ud800?")]
    await store.close()


async def test_nothing_was_said_later_than_it_was_heard(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await record(store, said("$1", now=5000.0), said("$2", now=900.0), received=1000.0)
    both = [HERE, THERE]
    assert await store.read(partial(events.last_seen, places=both)) == {HERE: 1000.0}
    assert await store.read(partial(deliveries.numbers, places=both)) == {(THERE.network, THERE.native): 2}
    await store.close()


async def test_the_newest_of_every_place_is_found(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    places = [Place(network, name) for network in ("a", "b", "c") for name in ("#x", "#y", "#z")]
    one = said("$1")
    todo = [Delivery(one, place, number) for number, place in enumerate(places)]
    await store.write(partial(events.record, events=[one], deliveries=todo, received=1.0))
    wanted = {(place.network, place.native): number for number, place in enumerate(places)}
    nowhere = Place("c", "#nobody")
    assert await store.read(partial(deliveries.numbers, places=[*places, nowhere])) == wanted
    await store.close()


@pytest.mark.parametrize("rosters", [False, True])
async def test_removals_and_topics_are_kept_of_every_network(tmp_path: Path, rosters: bool) -> None:
    store = await opened(tmp_path)
    ana = Person(Address("home", "ana"), "Ana")
    kicked = PuppetGone(THERE, ana.address, Cause.KICKED, "noise", "op")
    topic = TopicSet(HERE, "x", ana)
    for state in (kicked, PuppetGone(THERE, Address("home", "bo"), Cause.QUIT), topic, Roster(HERE, (ana,))):
        await store.write(partial(states.keep, state=state, rosters=rosters))
    assert await store.read(states.absences) == [kicked]
    assert await store.read(states.topics) == [states.Topic(HERE, None, None, topic)]
    assert await store.read(states.rosters) == ({HERE: [ana]} if rosters else {})
    newer = TopicSet(HERE, "y", ana)
    await store.write(partial(states.keep, state=newer))
    noted = [states.Topic(HERE, "x", None)]
    await store.write(partial(states.note_topics, topics=noted, applied=topic))
    assert await store.read(states.topics) == [states.Topic(HERE, "x", None, newer)]
    await store.write(partial(states.note_topics, topics=noted, applied=newer))
    assert await store.read(states.topics) == noted
    await store.close()


async def test_what_is_erased_at_once_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "AT_ONCE", 2)
    store = await opened(tmp_path)
    for each in await record(store, *(said(f"${number}") for number in range(3))):
        await store.write(partial(deliveries.end, each=each, state=State.CONFIRMED, now=1001.0))
    forget = partial(events.forget, bodies_before=2000.0)
    assert [await store.write(partial(forget, ids_before=0.0)) for _ in range(3)] == [(2, 0), (1, 0), (0, 0)]
    assert [await store.write(partial(forget, ids_before=2000.0)) for _ in range(3)] == [(0, 2), (0, 1), (0, 0)]
    await store.close()


def random_id(seed: int, length: int = 10_000) -> str:
    """One that no database can make shorter."""
    draw = random.Random(seed)
    return "".join(draw.choices(string.ascii_letters + string.digits, k=length))


async def test_ids_of_any_length_are_kept_apart_and_found(tmp_path: Path) -> None:
    """An entry of PostgreSQL's index has some 2,700 bytes; what strangers call their messages may have more."""
    store = await opened(tmp_path)
    same = random_id(1)
    ids = [same, same + "x", random_id(2, 2048), random_id(3, 2049), "\u1234" * 2000]
    said_all = [said(native_id) for native_id in ids]
    todo = await record(store, *said_all)
    again = await store.write(
        partial(events.record, events=[said(native_id) for native_id in ids], deliveries=[], received=3.0)
    )
    assert again == frozenset()
    receipt = random_id(4)
    for number, each in enumerate(todo):
        pieces = [Piece(0, False, MessageKind.TEXT, Text("hi"))]
        await store.write(partial(deliveries.begin, each=each, pieces=pieces, now=2.0))
        confirmed = Receipt(f"{receipt}{number}")
        await store.write(partial(deliveries.confirm, each=each, index=0, receipt=confirmed, state=State.CONFIRMED))
    for number, native_id in enumerate(ids):
        for wanted in (native_id, f"{receipt}{number}"):
            found = await store.read(partial(story.stories, wanted=wanted, networks=["home", "libera"]))
            assert [each["id"] for each in found] == [said_all[number].id]
    await store.write(partial(events.set_aside, each=said_all[0], error="x", now=1.0))
    await store.close()


async def test_a_nul_harms_nobody(tmp_path: Path) -> None:
    """PostgreSQL takes none in text; Matrix names and reasons may hold any."""
    store = await opened(tmp_path)
    ana = Person(Address("home", "ana"), "A\0na")
    one, two = said("$\0one"), said("$two")
    todo = await record(store, replace(one, sender=ana, content=Message(Text("a\0b"))), two)
    failure = Failure(Reason.FORBIDDEN, "n\0o")
    await store.write(partial(deliveries.end, each=todo[1], state=State.FAILED, now=2.0, failure=failure))
    for state in (Roster(HERE, (ana,)), TopicSet(HERE, "t\0", ana), PuppetGone(THERE, ana.address, Cause.KICKED, "\0")):
        await store.write(partial(states.keep, state=state))
    await store.write(partial(states.remember, network="home", values={"a": "\0"}))
    await store.write(partial(events.set_aside, each=one, error="\0", now=1.0))
    await store.write(partial(states.note_topics, topics=[states.Topic(HERE, "s\0", "w\0")]))

    [waiting] = await store.read(partial(deliveries.waiting, place=THERE, after=-1, most=10))
    assert waiting.event.sender.name == "A\ufffdna"
    assert waiting.event.content == Message(Text("a\0b"))  # bytes, as it was said
    assert [each.failure.text for each in await store.read(partial(deliveries.untold, since=0.0))] == ["n\ufffdo"]
    assert await store.read(states.rosters) == {HERE: [Person(ana.address, "A\ufffdna")]}
    assert await store.read(states.memories) == {"home": {"a": "\ufffd"}}
    again = await store.write(partial(events.record, events=[said("$\0one")], deliveries=[], received=3.0))
    assert again == frozenset()  # it is known by what it is kept as
    await store.close()
