"""What presence costs: 1,000 changes a second, and memory for everybody known.

    python benchmarks/presence.py [--people N] [--rate N] [--seconds N]

N people of one IRC network are known, each watched by one XMPP user, and each with a puppet that shows its presence on
Matrix. They go away and come back: the lines are read by the IRC adapter's session, told to the presence service, and
shown by the XMPP and the Matrix adapter's tasks, up to the octets of the stanza and the request, which are counted and
go nowhere. Half of the changes are of a hundred people, the others of anybody. No server takes part, so that what is
counted is Rialto's alone.

Printed are the CPU seconds that a second of that takes (goal: under 1), what the other networks were told, the cost of
a change at full speed beside a loop that takes the same lines apart and puts them into a dict, and the bytes that are
allocated for each of the people (`tracemalloc`; goal: under 4 kB). Exits with 1 where a goal is missed.
"""

import argparse
import asyncio
import gc
import logging
import random
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import structlog

from adapters.irc.monitor import Why
from adapters.irc.protocol.sender import Profile
from adapters.irc.protocol.session import Session
from adapters.irc.whereabouts import Whereabouts
from adapters.matrix import showing as matrix
from adapters.xmpp import showing as xmpp
from adapters.xmpp.presence import appearance
from adapters.xmpp.subscriptions import Subscriptions
from bridge.contract import Adapter
from bridge.model.address import Address
from bridge.model.presence import Presence
from bridge.model.subscription import Notify, Subscribe
from bridge.permissions import Permissions
from bridge.presence_service import PresenceService
from bridge.store import Store
from bridge.store import rules as stored_rules

CPU_GOAL = 1.0
BYTES_GOAL = 4096
HOT = 100
PER_WATCHER = 1000
TICK = 0.01
GREETING = (
    ":s CAP * LS :away-notify extended-join\r\n:s CAP gate ACK :away-notify extended-join\r\n"
    ":s 001 gate :Welcome gate!g@h\r\n"
    ":s 005 gate CASEMAPPING=ascii CHANTYPES=# NICKLEN=30 MONITOR=1000000 :are supported\r\n"
    ":s 376 gate :End\r\n:gate!g@h JOIN #tea * :gate\r\n"
)


class Irc:
    """The network that presence comes from: its session and whereabouts, without a connection."""

    def __init__(self) -> None:
        self.session = Session(Profile(iter(["gate"]), "gate", "gate"), time.monotonic)
        self.whereabouts = Whereabouts(
            "libera",
            ask=lambda command: None,
            tell=lambda presence, *, passing=False: self.tell(presence, passing=passing),
            own=lambda source: source.nick == "gate",
            gone=lambda nick, now: None,
            clock=time.monotonic,
        )
        self.service: PresenceService | None = None
        self.told = 0

    def begin(self) -> None:
        """The bot is in its channel."""
        self.session.start()
        self.read(GREETING.encode())
        self.whereabouts.begin(self.session)

    def read(self, octets: bytes) -> None:
        """These came from the server."""
        for event in self.session.receive(octets):
            self.whereabouts.heard(event)

    def tell(self, presence: Presence, *, passing: bool) -> None:
        """What the adapter tells the core."""
        self.told += 1
        if self.service is not None:
            self.service.heard(presence, passing=passing)

    def watch(self, address: Address, *, wanted: bool) -> None:
        """See `bridge.contract.Watchable`."""
        self.whereabouts.follow(address.native, Why.PRESENCE, wanted=wanted)


class Xmpp:
    """The network whose users watch. `complete` is set when as many stanzas were written as there are people."""

    def __init__(self, people: int) -> None:
        self.people = people
        self.complete = asyncio.Event()
        self.stanzas = 0
        self.octets = 0
        nothing = Subscriptions({})
        self.showing = xmpp.Showing(self, Presence, {}, nothing, "gateway.example")

    def write(self, stanza: str) -> None:
        """See `adapters.xmpp.showing.Way`."""
        self.stanzas += 1
        if self.stanzas == self.people:
            self.complete.set()
        self.octets += len(stanza.encode())

    def puppet_jid(self, address: Address) -> str:
        """See `adapters.xmpp.showing.Way`."""
        return f"{address.native}%libera@gateway.example/rialto"

    def show(self, presence: Presence) -> None:
        """See `bridge.contract.Showing`."""
        self.showing.changed(presence.presentity)

    def notify(self, notify: Notify) -> None:
        """See `bridge.contract.Notifying`."""
        person, address = notify.watcher.native, notify.target
        self.showing.want(person, address, appearance(notify.presence))
        self.showing.show(person, address)


class Matrix:
    """The network whose rooms see all. It is its own client, core, and knowledge of puppets and users."""

    network = "home"
    bot_id = "@rialto:example.org"
    pushed = True

    def __init__(self) -> None:
        self.requests = 0
        self.presences: dict[Address, Presence] = {}
        itself = cast(Any, self)
        self.showing = matrix.Showing(
            itself, itself, itself, itself, itself, lambda user: True, lambda user: None, registration=""
        )

    async def request(self, method: str, *path: str, **rest: object) -> dict[str, str]:
        """See `adapters.matrix.client.Client`."""
        self.requests += 1
        await asyncio.sleep(0)
        return {"presence": "online"}

    def known(self, address: Address) -> str:
        """See `adapters.matrix.puppets.Puppets`."""
        return f"@_rialto_libera_{address.native}:example.org"

    def forget(self) -> None:
        """See `adapters.matrix.hearing.Heard`."""

    def show(self, presence: Presence) -> None:
        """See `bridge.contract.Showing`."""
        self.showing.show(presence)


class Everybody:
    """Whoever asks may watch."""

    def may_watch(self, watcher: Address, watched: Address) -> bool:
        """See `bridge.presence_service.Admits`."""
        return True

    def may_still_watch(self, watcher: Address, watched: Address) -> bool:
        return True


def nick(number: int) -> str:
    """What somebody is called."""
    return f"person{number}"


def everybody_enters(people: int) -> bytes:
    """The names in the channel, and who they are."""
    nicks = [nick(number) for number in range(people)]
    lines = [f":s 353 gate = #tea :{' '.join(nicks[start : start + 20])}" for start in range(0, people, 20)]
    lines += [":s 366 gate #tea :End"]
    lines += [f":s 352 gate #tea user{each} host{each}.example s {each} H :0 Somebody called {each}" for each in nicks]
    return "".join(f"{line}\r\n" for line in lines).encode()


def changes(people: int) -> Iterator[bytes]:
    """Lines that tell of a change, each really one, without end."""
    draw = random.Random(3859)  # the same for every run
    away: dict[int, bool] = {}
    serial = 0
    while True:
        number = draw.randrange(min(HOT, people) if draw.random() < 0.5 else people)
        away[number] = not away.get(number, False)
        serial += 1
        text = f" :tea, cup {serial}" if away[number] else ""
        yield f":{nick(number)}!user{nick(number)}@host{nick(number)}.example AWAY{text}\r\n".encode()


async def watched(service: PresenceService, people: int) -> None:
    """Everybody is watched by one XMPP user, each of whom watches a thousand."""
    for start in range(0, people, PER_WATCHER):
        watcher = Address("office", f"watcher{start // PER_WATCHER}@example.org")
        numbers = range(start, min(start + PER_WATCHER, people))
        await asyncio.gather(
            *(
                service.subscribe(Subscribe(watcher, Address("libera", nick(number)), None, f"id{number}", "t"))
                for number in numbers
            )
        )


async def paced(irc: Irc, lines: Iterator[bytes], rate: int, seconds: float) -> tuple[float, float]:
    """Changes at that rate. The CPU seconds that a second took, and how many changes a second there were."""
    began, spent, told = time.perf_counter(), time.process_time(), irc.told
    given = 0
    while (passed := time.perf_counter() - began) < seconds:
        due = int(passed * rate) - given
        irc.read(b"".join(next(lines) for _ in range(due)))
        given += due
        await asyncio.sleep(TICK)
    passed = time.perf_counter() - began
    return (time.process_time() - spent) / passed, (irc.told - told) / passed


def flat_out(irc: Irc, some: list[bytes]) -> float:
    """CPU seconds for a change, taken in as fast as they can be."""
    spent = time.process_time()
    for line in some:
        irc.read(line)
    return (time.process_time() - spent) / len(some)


def plain(some: list[bytes]) -> float:
    """CPU seconds for a change that only is taken apart and put into a dict."""
    known: dict[str, str] = {}
    spent = time.process_time()
    for line in some:
        source, _, rest = line.decode().rstrip("\r\n")[1:].partition(" ")
        known[source.partition("!")[0].lower()] = rest.partition(":")[2]
    return (time.process_time() - spent) / len(some)


async def main(people: int, rate: int, seconds: float, folder: Path) -> int:
    """Measure memory while everything is built, then time."""
    store = Store(f"sqlite:///{folder / 'presence.db'}")
    await store.open()
    irc, office, home = Irc(), Xmpp(people), Matrix()
    irc.begin()
    adapters = cast(dict[str, Adapter], {"libera": irc, "office": office, "home": home})
    irc.service = service = PresenceService(
        store,
        adapters,
        Permissions(store, await store.read(stored_rules.known)),
        Everybody(),
        exists=lambda address: True,
        denies=lambda address: False,
        is_online=lambda network: True,
        say=lambda address, text: None,
        written=str,
    )
    await service.start()
    tasks = [asyncio.create_task(each) for each in (office.showing.run(), home.showing.run())]
    office.showing.opened()
    home.showing.online((), ())

    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    irc.read(everybody_enters(people))
    await watched(service, people)
    await office.complete.wait()
    gc.collect()
    each = (tracemalloc.get_traced_memory()[0] - before) / people
    tracemalloc.stop()
    assert irc.told == people, "everybody is known, and told of once"
    print(f"{people} people known, watched and shown: {each:.0f} bytes each (goal: under {BYTES_GOAL})")

    lines = changes(people)
    stanzas, requests = office.stanzas, home.requests
    cpu, real = await paced(irc, lines, rate, seconds)
    stanzas, requests = office.stanzas - stanzas, home.requests - requests
    print(
        f"{real:.0f} changes a second in: {cpu:.2f} CPU seconds a second (goal: under {CPU_GOAL:.0f}); "
        f"out {stanzas / seconds:.0f} stanzas and {requests / seconds:.0f} requests a second"
    )
    some = [next(lines) for _ in range(10_000)]
    ours, theirs = flat_out(irc, some), plain(some)
    print(
        f"at full speed {1 / ours:.0f} a second, {ours * 1e6:.0f} us each; "
        f"into a dict {theirs * 1e6:.2f} us each (ratio {ours / theirs:.0f})"
    )
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await store.close()
    return 0 if cpu < CPU_GOAL and each < BYTES_GOAL and real > 0.95 * rate else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=20_000, help="how many are known (default 20000)")
    parser.add_argument("--rate", type=int, default=1000, help="changes a second (default 1000)")
    parser.add_argument("--seconds", type=float, default=10.0, help="for how long (default 10)")
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(asyncio.run(main(arguments.people, arguments.rate, arguments.seconds, Path(folder))))
