"""The scene of the proof: real servers, a bridge in a process of its own with proxies all around it, and people."""

import asyncio
import os
import shutil
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from pathlib import Path
from typing import Any

import aiohttp

from bridge.crashpoints import VARIABLE
from bridge.demo.clients import MatrixClient
from bridge.demo.servers import AppService, InspIRCd, NgIRCd, Prosody, Synapse, free_ports
from bridge.store.tables import IS_UNTOLD
from tests.faults.handles import Handles
from tests.faults.people import IrcPerson, MatrixPerson, Person, XmppPerson, settled
from tests.faults.relay import Relay
from tests.faults.tally import NUMBERED, Count, Line, Report, Sighting, count, lines
from tests.networks.cable import UP, Cable
from tests.networks.world import DOMAIN, FLOOD, end_keeper, write_config

FAST, SLOW = "fast", "slow"
"""The rooms: one of XMPP and IRC, and one of all three."""

PATHS = (
    (FAST, "xmpp", "irc"),
    (FAST, "irc", "xmpp"),
    *((SLOW, source, target) for source in ("xmpp", "matrix", "irc") for target in ("xmpp", "matrix", "irc")),
)
DIRECTIONS = tuple(path for path in PATHS if path[1] != path[2])

KESTREL, ONLOOKER = "kestrel", "onlooker"
GUESTS = 50
"""People of IRC who come and go: `guest0` and so on."""

ROOT = Path(__file__).parents[2]


class LongProsody(Prosody):
    """Whose rooms remember more than Prosody's 20 lines: as much as is said while a bridge starts."""

    def _prepare(self) -> None:
        super()._prepare()
        rooms = "  muc_room_default_history_length = 5000"
        self.config.write_text(self.config.read_text().replace("  max_history", f"{rooms}\n  max_history"))


class Bridge:
    """Rialto as an operator runs it; started, killed and started again."""

    def __init__(self, folder: Path, settings: dict[str, Any], port: int, token: str) -> None:
        self.folder = folder
        self.settings = settings
        self._url = f"http://127.0.0.1:{port}"
        self._token = token
        self._process: asyncio.subprocess.Process | None = None
        self.kills = 0
        self.handles: Handles | None = None
        """Where there are any, it is started with them."""

    @property
    def pid(self) -> int | None:
        """The process while it runs."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def start(self, crash_at: str | None = None) -> None:
        """Start the process, which ends itself where `crash_at` says (see `bridge.crashpoints`)."""
        assert self.pid is None
        file = await asyncio.to_thread(write_config, self.folder, self.settings)
        environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
        environment |= {} if crash_at is None else {VARIABLE: crash_at}
        program = ["bridge"] if self.handles is None else ["tests.faults.handles", str(self.handles.file)]
        with (self.folder / "rialto.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", *program, "run", "-c", str(file)),
                stdout=log,
                stderr=log,
                env=environment,
                cwd=ROOT,
            )

    async def ready(self, within: float = 60.0) -> bool:
        """Wait until every network is online; whether that came about, or the process ended before."""
        deadline = asyncio.get_running_loop().time() + within
        while self.pid is not None and asyncio.get_running_loop().time() < deadline:
            if (status := await self.status()) is not None:
                networks = status["networks"]
                if networks and all(each["online"] for each in networks.values()):
                    return True
            await asyncio.sleep(0.1)  # asked as a supervisor would ask
        return False

    async def ended(self, within: float) -> bool:
        """Wait for the process to end by itself; whether it did."""
        assert self._process is not None
        try:
            await asyncio.wait_for(self._process.wait(), within)
        except TimeoutError:
            return False
        self.kills += 1
        return True

    async def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
            self.kills += 1

    async def stop(self) -> int | None:
        """End it as an operator would; its status."""
        if self._process is None:
            return None
        if self._process.returncode is None:
            self._process.terminate()
        return await self._process.wait()

    async def status(self) -> dict[str, Any] | None:
        """What `rialto status` shows; None while nothing answers."""
        headers = {"Authorization": f"Bearer {self._token}"}
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session,
                session.get(f"{self._url}/api/status", headers=headers) as answer,
            ):
                found: dict[str, Any] = await answer.json()
                return found
        except (aiohttp.ClientError, TimeoutError):
            return None

    async def metrics(self) -> str:
        """What Prometheus reads."""
        async with aiohttp.ClientSession() as session, session.get(f"{self._url}/metrics") as answer:
            return await answer.text()

    def heard(self) -> set[tuple[str, str, int]]:
        """The numbered messages in its store: room, source and number."""
        found = set()
        with _reading(self.folder / "rialto.db") as connection:
            for (content,) in connection.execute("SELECT content FROM body"):
                text = content.decode(errors="replace") if isinstance(content, bytes) else str(content)
                found |= {(room, source, int(number)) for room, source, number in NUMBERED.findall(text)}
        return found

    def given_up(self) -> dict[tuple[str, str, int, str], str]:
        """The numbered messages of which senders are to be told that they were not delivered: the state of each, by
        room, source, number and the network it was to go to."""
        found: dict[tuple[str, str, int, str], str] = {}
        with _reading(self.folder / "rialto.db") as connection:
            # What may have arrived, and is told of as well, has a reason, too.
            rows = connection.execute(
                "SELECT body.content, delivery.network, delivery.state FROM delivery JOIN body USING (event_id) "
                "WHERE delivery.state IN ('failed', 'expired', 'uncertain') AND delivery.reason IS NOT NULL"
            )
            for content, network, state in rows:
                text = content.decode(errors="replace") if isinstance(content, bytes) else str(content)
                target = self.settings["networks"][network]["kind"]
                found |= {(room, source, int(number), target): state for room, source, number in NUMBERED.findall(text)}
        return found

    def states(self) -> dict[str, int]:
        """How many deliveries ended how."""
        with _reading(self.folder / "rialto.db") as connection:
            return dict(connection.execute("SELECT state, count(*) FROM delivery GROUP BY state"))

    def untold(self) -> int:
        """How many failures nobody has been told of."""
        with _reading(self.folder / "rialto.db") as connection:
            ((found,),) = connection.execute(f"SELECT count(*) FROM delivery WHERE {IS_UNTOLD}")
            return int(found)

    def log(self) -> str:
        """The end of its log."""
        return (self.folder / "rialto.log").read_text(errors="replace")[-6000:]


@contextmanager
def _reading(file: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        yield connection
    finally:
        connection.close()


@dataclass
class Talk:
    """Numbered messages: the pace, and how far each source has come in each room."""

    people: dict[str, Person]
    pace: dict[tuple[str, str], float]
    numbers: dict[tuple[str, str], int] = dataclass_field(default_factory=dict)

    def slow_down(self, times: float) -> None:
        """So many times as much is said from now on."""
        self.pace = {key: pace * times for key, pace in self.pace.items()}

    async def say(self, room: str, source: str) -> int:
        """The next number."""
        number = self.numbers[room, source] = self.numbers.get((room, source), 0) + 1
        await self.people[source].say(room, f"{room}-{source}-{number}")
        return number

    @asynccontextmanager
    async def going(self) -> AsyncIterator[None]:
        """All of them talk, as long as the block lasts."""
        speakers = [asyncio.create_task(self._talk(*key, pace)) for key, pace in self.pace.items()]
        try:
            yield
        finally:
            for speaker in speakers:
                speaker.cancel()
            await asyncio.gather(*speakers, return_exceptions=True)

    async def _talk(self, room: str, source: str, pace: float) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            if self.people[source].here.is_set():
                await self.say(room, source)
            # The pace is kept, but what a stall has cost is not made up for in a burst.
            due = max(due + 1 / pace, loop.time() - 1 / pace)
            await asyncio.sleep(max(0.0, due - loop.time()))


@dataclass
class Scene:
    """Everything a fault may be done to, and the counting afterwards."""

    prosody: Prosody
    synapse: Synapse
    ircd: NgIRCd | InspIRCd
    cables: dict[str, Cable]
    """By network: to the component port, and to the IRC server."""
    to_home: Relay
    """From the bridge to Synapse."""
    from_home: Relay
    """From Synapse to the bridge."""
    bridge: Bridge
    ana: XmppPerson
    bo: MatrixPerson
    kestrel: IrcPerson
    onlooker: IrcPerson
    talk: Talk

    @property
    def witnesses(self) -> dict[str, Person]:
        """Who tells what was said, and what arrived, on each network."""
        return {"xmpp": self.ana, "matrix": self.bo, "irc": self.onlooker}

    async def start_ircd(self) -> None:
        """Start the IRC server again, and let the bridge come in after those who look on: IRC tells nobody what was
        said before they came, and a line that nobody could see proves nothing."""
        self.cables["libera"].hold(UP)
        await self.ircd.start()
        async with asyncio.timeout(60.0):
            await asyncio.gather(self.onlooker.here.wait(), self.kestrel.here.wait())
        self.cables["libera"].release()

    def _bot_is_in(self) -> bool:
        bot = self.bridge.settings["networks"]["libera"]["nick"]
        return all(bot in self.onlooker.bridged(room) for room in (FAST, SLOW))

    async def quiet(self, within: float = 90.0) -> str:
        """Wait until everything has arrived: nothing waits in a lane, and a last message has come in each direction.

        Returns what did not come to pass in time, empty if all did.
        """
        people = (self.ana, self.bo, self.kestrel, self.onlooker)
        if not await settled(lambda: all(person.here.is_set() for person in people), within):
            return "a client did not come back"
        if not await self.bridge.ready(within):
            return "the bridge did not become ready"
        if not await settled(self._bot_is_in, within):
            return "the bot did not come into its channels"
        for room, source in sorted({(room, source) for room, source, _ in DIRECTIONS}):
            if not await self._fence(room, source, within):
                return f"a last message of {source} in {room} did not arrive everywhere"
        deadline = asyncio.get_running_loop().time() + within
        waiting: object = "no answer"
        while asyncio.get_running_loop().time() < deadline:
            if (status := await self.bridge.status()) is not None:
                waiting = {lane["place"]: lane["waiting"] for lane in status["lanes"] if lane["waiting"]}
                if not waiting:
                    return ""
            await asyncio.sleep(0.1)  # asked as an operator would ask
        return f"lanes did not become empty: {waiting}"

    async def _fence(self, room: str, source: str, within: float) -> bool:
        """One more message of each source, until one has come everywhere: the server may have eaten the first."""
        targets = [target for where, who, target in DIRECTIONS if (where, who) == (room, source)]
        deadline = asyncio.get_running_loop().time() + within
        while asyncio.get_running_loop().time() < deadline:
            number = await self.talk.say(room, source)
            if await settled(lambda number=number: self._arrived(room, source, number, targets), within / 3):  # type: ignore[misc]
                return True
        return False

    def _arrived(self, room: str, source: str, number: int, targets: Iterable[str]) -> bool:
        return all(number in lines(room, source, self.witnesses[target].sightings()) for target in targets)

    def count(self, since: Mapping[tuple[str, str], int]) -> list[Count]:
        """Every number after those of `since` (by room and source), at every receiver."""
        heard, given_up = self.bridge.heard(), self.bridge.given_up()

        def newer(sighting: Sighting) -> bool:
            return not isinstance(sighting, Line) or sighting.number > since.get((sighting.room, sighting.source), 0)

        seen = {network: list(filter(newer, person.sightings())) for network, person in self.witnesses.items()}
        counts = []
        for room, source, target in DIRECTIONS:
            known = [number for where, who, number in heard if (where, who) == (room, source)]
            first = since.get((room, source), 0) + 1
            found = {
                number: state
                for (where, who, number, to), state in given_up.items()
                if (where, who, to) == (room, source, target) and number >= first
            }
            gone = [number for number, state in found.items() if state != "uncertain"]
            perhaps = [number for number, state in found.items() if state == "uncertain"]
            counts.append(count(room, source, target, seen[source], seen[target], known, gone, perhaps))
        return counts

    def to_be_told(self, since: Mapping[tuple[str, str], int]) -> Counter[str]:
        """Of how many messages their senders are to be told that they were not delivered, by the senders' network."""
        found = self.bridge.given_up()
        return Counter(source for room, source, number, _ in found if number > since.get((room, source), 0))

    def told(self) -> Counter[str]:
        """Of how many they were told so far; who is told of one twice counts twice."""
        found: Counter[str] = Counter()
        for person in (self.ana, self.bo, self.kestrel):
            for sighting in person.sightings():
                if isinstance(sighting, Report):
                    found[person.network] += sighting.messages
        return found

    async def with_handles(self, wanted: bool) -> str:
        """See to it that the bridge is one with handles, or without; returns what did not come to pass."""
        if wanted == (self.bridge.handles is not None):
            return ""
        await self.bridge.stop()
        file = self.bridge.folder / "handles"
        self.bridge.handles = await asyncio.to_thread(Handles, file) if wanted else None
        await self.bridge.start()
        return await self.quiet()


@asynccontextmanager
async def servers(echo: bool = False) -> AsyncIterator[tuple[Path, Prosody, Synapse, NgIRCd | InspIRCd]]:
    """The servers of a scene; with `echo`, an IRC server that confirms each line."""
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="rialto-faults-"))
    folder.chmod(0o711)
    try:
        async with AsyncExitStack() as stack:
            components = {DOMAIN: "component-secret"}
            prosody = LongProsody(folder / "prosody", components=components, locking=False, history=5000)
            (push,) = free_ports(1)
            service = AppService(port=push, as_token="as-token", hs_token="hs-token", path="/home")
            synapse = Synapse(folder / "synapse", appservice=service)
            ircd = InspIRCd(folder / "ircd") if echo else NgIRCd(folder / "ircd")
            for server in (prosody, synapse, ircd):
                await stack.enter_async_context(server)
            yield folder, prosody, synapse, ircd
    finally:
        await asyncio.to_thread(shutil.rmtree, folder)


@asynccontextmanager
async def scene(
    folder: Path, prosody: Prosody, synapse: Synapse, ircd: NgIRCd | InspIRCd, word: str, *, keeper: bool = False
) -> AsyncIterator[Scene]:
    """People in two rooms, warm, with a bridge between them. `word` tells this scene's rooms from another's; `keeper`,
    whether a process of its own holds the bridge's connections."""
    home = folder / f"rialto-{word}"
    await asyncio.to_thread(home.mkdir)
    (port, homeserver) = free_ports(2)
    channels = {room: f"#{word}{room}" for room in (FAST, SLOW)}
    mucs = {room: f"{word}{room}@{prosody.muc}" for room in (FAST, SLOW)}
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        office, libera = await enter(Cable(prosody.component_port)), await enter(Cable(ircd.port))
        to_home = await enter(Relay(synapse.url, listen=homeserver))
        from_home = await enter(Relay(f"http://127.0.0.1:{port}", listen=synapse.appservice.port, gateway=True))
        guests = {f"guest{number}" for number in range(GUESTS)}
        names = frozenset({KESTREL + word, ONLOOKER + word} | guests)
        ana = XmppPerson(prosody, await prosody.register(f"ana{word}", "password"), f"Ana{word}", mucs)
        token = await synapse.register(f"bo{word}", "password")
        bo_client = await enter(MatrixClient(synapse.url, f"@bo{word}:{synapse.server_name}", token))
        bo = MatrixPerson(bo_client, {SLOW: await bo_client.create_room(f"{word}{SLOW}")})
        onlooker = IrcPerson(ircd.port, ONLOOKER + word, channels, names)
        kestrel = IrcPerson(ircd.port, KESTREL + word, channels, names)
        for person in (ana, bo, onlooker, kestrel):
            stack.push_async_callback(person.stop)
            await person.start()
        settings = _settings(synapse, office, libera, homeserver, port, word)
        settings["rooms"] = {
            FAST: {"office": mucs[FAST], "libera": channels[FAST]},
            SLOW: {"office": mucs[SLOW], "libera": channels[SLOW], "home": f"#{word}{SLOW}:{synapse.server_name}"},
        }
        settings["keeper"] = keeper
        bridge = Bridge(home, settings, port, "admin-token")
        stack.push_async_callback(end_keeper, home)
        stack.push_async_callback(bridge.stop)
        pace = {(FAST, "xmpp"): 20.0, (FAST, "irc"): 20.0} | {(SLOW, who): 3.0 for who in ("xmpp", "matrix", "irc")}
        talk = Talk({"xmpp": ana, "matrix": bo, "irc": kestrel}, pace)
        made = Scene(
            prosody, synapse, ircd, {"office": office, "libera": libera}, to_home, from_home, bridge,
            ana, bo, kestrel, onlooker, talk,
        )  # fmt: skip
        await bridge.start()
        assert not (trouble := await made.quiet()), f"{trouble}\n{bridge.log()}"
        yield made


def _settings(synapse: Synapse, office: Cable, libera: Cable, homeserver: int, port: int, word: str) -> dict[str, Any]:
    service = synapse.appservice
    return {
        "store": "sqlite:///rialto.db",
        "http": {"listen": f"127.0.0.1:{port}", "admin_token": "admin-token"},
        "networks": {
            "office": {
                "kind": "xmpp",
                "server": f"127.0.0.1:{office.port}",
                "domain": DOMAIN,
                "secret": "component-secret",
            },
            "home": {
                "kind": "matrix",
                "homeserver": f"http://127.0.0.1:{homeserver}",
                "domain": synapse.server_name,
                "id": service.id,
                "as_token": service.as_token,
                "hs_token": service.hs_token,
            },
            "libera": {"kind": "irc", "server": f"irc://127.0.0.1:{libera.port}", "nick": "rialto", "flood": FLOOD},
        },
    }
