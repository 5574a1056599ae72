"""Queries of reconciliation: who was where, who was removed, which topic stands, what adapters remember."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import structlog
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection, case, delete, insert, null, select

from bridge.model.address import Address, Person, Place
from bridge.model.event import Cause, Joined, Left, PuppetGone, Renamed, Roster, State, TopicSet
from bridge.store.tables import barred, member, memory, setting, topic
from bridge.store.upsert import upsert

log = structlog.get_logger(__name__)

_TOPIC = TypeAdapter(TopicSet)


class Topic(NamedTuple):
    """What is known of one place's topic."""

    place: Place
    seen: str | None
    """As it was last seen there, None if it never was."""
    wanted: str | None
    """What is still to be set there, None if nothing is."""
    heard: TopicSet | None = None
    """What the place told that has not taken effect: it was made durable just before the process ended."""


def keep(connection: Connection, state: State, *, rosters: bool = True) -> None:
    """Note what the network will not say again: who was removed by whom, and the topic.

    With `rosters` also who is in a place, for networks that will not say that again either.
    """
    match state:
        case PuppetGone(cause=Cause.KICKED | Cause.BANNED):
            bar(connection, state)
        case TopicSet():
            _hear(connection, state)
        case _ if rosters:
            _keep_roster(connection, state)
        case _:
            pass


def _keep_roster(connection: Connection, state: State) -> None:
    match state:
        case Joined(place, person) | Renamed(place, person):
            connection.execute(
                upsert(connection, member)
                .values(**_key(place), address=person.address.native, name=person.name)
                .on_conflict_do_update(index_elements=list(member.primary_key), set_={"name": person.name})
            )
        case Left(place=place, address=address):
            connection.execute(
                delete(member).where(
                    member.c.network == place.network,
                    member.c.place == place.native,
                    member.c.address == address.native,
                )
            )
        case Roster(place, people):
            connection.execute(delete(member).where(member.c.network == place.network, member.c.place == place.native))
            if people:
                connection.execute(
                    insert(member),
                    [{**_key(place), "address": each.address.native, "name": each.name} for each in people],
                )
        case _:
            pass


def rosters(connection: Connection) -> dict[Place, list[Person]]:
    """Who was in each place when it was last told."""
    found: dict[Place, list[Person]] = {}
    for row in connection.execute(select(member)):
        person = Person(Address(row.network, row.address), row.name)
        found.setdefault(Place(row.network, row.place), []).append(person)
    return found


def bar(connection: Connection, gone: PuppetGone) -> None:
    """Note that somebody removed a puppet from a place."""
    values = {"cause": gone.cause.value, "reason": gone.reason, "by": gone.by}
    connection.execute(
        upsert(connection, barred)
        .values(**_key(gone.place), address=str(gone.address), **values)
        .on_conflict_do_update(index_elements=list(barred.primary_key), set_=values)
    )


def unbar(connection: Connection, place: Place, address: Address) -> None:
    """The person may have a puppet there again."""
    connection.execute(
        delete(barred).where(
            barred.c.network == place.network, barred.c.place == place.native, barred.c.address == str(address)
        )
    )


def absences(connection: Connection) -> list[PuppetGone]:
    """All absences with a cause."""
    return [
        PuppetGone(Place(row.network, row.place), Address.parse(row.address), Cause(row.cause), row.reason, row.by)
        for row in connection.execute(select(barred))
    ]


def note_topics(connection: Connection, topics: Sequence[Topic], applied: TopicSet | None = None) -> None:
    """Note these topics as they are; what else `heard` says stays. `applied` has taken effect, and is not kept."""
    for each in topics:
        values = {"seen": each.seen, "wanted": each.wanted}
        connection.execute(
            upsert(connection, topic)
            .values(**_key(each.place), **values)
            .on_conflict_do_update(index_elements=list(topic.primary_key), set_=values)
        )
    if applied is not None:
        connection.execute(
            topic.update()
            .where(topic.c.network == applied.place.network, topic.c.place == applied.place.native)
            # Something newer may have been heard meanwhile.
            .values(heard=case((topic.c.heard == _TOPIC.dump_json(applied), null()), else_=topic.c.heard))
        )


def _hear(connection: Connection, heard: TopicSet) -> None:
    values = {"heard": _TOPIC.dump_json(heard)}
    connection.execute(
        upsert(connection, topic)
        .values(**_key(heard.place), **values)
        .on_conflict_do_update(index_elements=list(topic.primary_key), set_=values)
    )


def topics(connection: Connection) -> list[Topic]:
    """The topics of all places. One that was heard and cannot be read back is left out, and logged."""
    found = []
    for row in connection.execute(select(topic)):
        place, heard = Place(row.network, row.place), None
        try:
            heard = _TOPIC.validate_json(row.heard) if row.heard is not None else None
        except ValidationError:
            log.error("a topic cannot be read back from the store", network=row.network, place=row.place)
        found.append(Topic(place, row.seen, row.wanted, heard))
    return found


def memories(connection: Connection) -> dict[str, dict[str, str]]:
    """What each network's adapter was told to remember."""
    found: dict[str, dict[str, str]] = {}
    for row in connection.execute(select(memory)):
        found.setdefault(row.network, {})[row.key] = row.value
    return found


def remember(connection: Connection, network: str, values: Mapping[str, str | None]) -> None:
    """Keep small values under their keys; None forgets."""
    for key, value in values.items():
        if value is None:
            connection.execute(delete(memory).where(memory.c.network == network, memory.c.key == key))
            continue
        connection.execute(
            upsert(connection, memory)
            .values(network=network, key=key, value=value)
            .on_conflict_do_update(index_elements=list(memory.primary_key), set_={"value": value})
        )


def choose(connection: Connection, key: str, value: str) -> str:
    """Make a choice that holds for ever. Returns the one that holds, which may be an earlier one."""
    connection.execute(upsert(connection, setting).values(key=key, value=value).on_conflict_do_nothing())
    return str(connection.execute(select(setting.c.value).where(setting.c.key == key)).scalar_one())


def _key(place: Place) -> dict[str, str]:
    return {"network": place.network, "place": place.native}
