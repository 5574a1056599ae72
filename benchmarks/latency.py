"""One message at a time from an XMPP client to an IRC client: through Rialto and through biboumi, in turn.

    python benchmarks/latency.py [--messages N] [--rounds N] [--rate PER_SECOND] [--profile FILE]

Both bridges stand between the same Prosody and the same ngIRCd. The sender is a raw XMPP client and the receiver a raw
IRC client in this process, on one clock; latency is from the write of the stanza to the arrival of the line. Rounds
alternate, so that whatever else the machine does falls on both. Prints medians, the slowest, and the ratio of medians;
exits 1 if the ratio is above 2.
"""

import argparse
import asyncio
import base64
import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from xml.sax.saxutils import escape

import yaml

from benchmarks.biboumi import Biboumi
from bridge.demo.servers import NgIRCd, Prosody, free_ports

SECRET = "benchmark-secret"
LIMIT = 2.0


class XmppSender:
    """An XMPP client as small as it can be: what it costs is not in the figures."""

    def __init__(self, port: int, user: str, password: str) -> None:
        self._port, self._user, self._password = port, user, password
        self._heard = ""
        self._ids = iter(range(10**9))

    async def connect(self) -> None:
        """Log in with SASL PLAIN and bind."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        token = base64.b64encode(f"\0{self._user}\0{self._password}".encode()).decode()
        await self._open("</stream:features>")
        await self.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{token}</auth>", "<success")
        await self._open("</stream:features>")
        await self.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>", "type='result'")
        await self.send("<presence/>", "")

    async def _open(self, until: str) -> None:
        await self.send(
            "<?xml version='1.0'?><stream:stream to='localhost' xmlns='jabber:client' version='1.0' "
            "xmlns:stream='http://etherx.jabber.org/streams'>",
            until,
        )

    async def send(self, stanza: str, until: str) -> str:
        """Write, then read until the answer holds `until`."""
        self._heard = ""
        self._writer.write(stanza.encode())
        while until and until not in self._heard.replace('"', "'"):
            data = await asyncio.wait_for(self._reader.read(65536), 20)
            if not data:
                raise ConnectionError(f"Prosody hung up after {self._heard[-300:]}")
            self._heard += data.decode(errors="replace")
        return self._heard

    async def join(self, room: str, nick: str) -> None:
        """Join a room, making it if need be."""
        presence = f"<presence to='{room}/{nick}'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
        heard = await self.send(presence, "<subject")
        if "code='201'" in heard.replace('"', "'"):
            form = "<x xmlns='jabber:x:data' type='submit'/>"
            query = f"<query xmlns='http://jabber.org/protocol/muc#owner'>{form}</query>"
            await self.send(f"<iq type='set' id='c' to='{room}'>{query}</iq>", "type='result'")

    async def command(self, to: str, fields: dict[str, list[str]]) -> None:
        """Fill in biboumi's ad-hoc form `configure` (XEP-0050)."""
        node = "<command xmlns='http://jabber.org/protocol/commands' node='configure'"
        heard = await self.send(f"<iq type='set' id='a1' to='{to}'>{node} action='execute'/></iq>", "</iq>")
        session = heard.replace('"', "'").split("sessionid='", 1)[1].split("'", 1)[0]
        form = "".join(
            f"<field var='{var}'>" + "".join(f"<value>{value}</value>" for value in values) + "</field>"
            for var, values in fields.items()
        )
        submit = f"<x xmlns='jabber:x:data' type='submit'>{form}</x></command>"
        heard = await self.send(
            f"<iq type='set' id='a2' to='{to}'>{node} action='complete' sessionid='{session}'>{submit}</iq>", "</iq>"
        )
        if "completed" not in heard:
            raise RuntimeError(f"biboumi did not take its configuration: {heard}")

    def say(self, room: str, text: str) -> None:
        """Write one message, and do not wait."""
        head = f"<message type='groupchat' to='{room}' id='m{next(self._ids)}'>"
        self._writer.write(f"{head}<body>{escape(text)}</body></message>".encode())

    async def drain(self) -> None:
        """Read and forget whatever comes, until cancelled."""
        while await self._reader.read(65536):
            pass


class IrcReceiver:
    """An IRC client that notes when each text arrived."""

    def __init__(self, port: int, nick: str) -> None:
        self._port, self._nick = port, nick
        self._arrived: dict[str, asyncio.Future[float]] = {}

    async def connect(self, *channels: str) -> None:
        """Register and join."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writer.write(f"NICK {self._nick}\r\nUSER {self._nick} 0 * :{self._nick}\r\n".encode())
        await self._until(" 376 ")
        for channel in channels:
            self._writer.write(f"JOIN {channel}\r\n".encode())
            await self._until(" 366 ")

    async def _until(self, sign: str) -> None:
        while sign not in (line := (await asyncio.wait_for(self._reader.readline(), 20)).decode()):
            if not line:
                raise ConnectionError("ngIRCd hung up")

    async def listen(self) -> None:
        """Note what arrives, until cancelled."""
        while line := (await self._reader.readline()).decode().rstrip():
            now = time.perf_counter()
            if line.startswith("PING"):
                self._writer.write(f"PONG {line[5:]}\r\n".encode())
            elif " PRIVMSG " in line:
                waiter = self._arrived.pop(line.split(" :", 1)[1], None)
                if waiter is not None and not waiter.done():
                    waiter.set_result(now)

    def expect(self, text: str) -> asyncio.Future[float]:
        """When the text will have arrived."""
        self._arrived[text] = asyncio.get_running_loop().create_future()
        return self._arrived[text]


@contextlib.asynccontextmanager
async def rialto(folder: Path, prosody: Prosody, ircd: NgIRCd, profile: str | None) -> AsyncIterator[None]:
    """A Rialto process between the two."""
    config = {
        "http": {"listen": f"127.0.0.1:{free_ports(1)[0]}"},
        "networks": {
            "office": {
                "kind": "xmpp",
                "server": f"127.0.0.1:{prosody.component_port}",
                "domain": "rialto.localhost",
                "secret": SECRET,
            },
            "libera": {
                "kind": "irc",
                "server": f"irc://127.0.0.1:{ircd.port}",
                "nick": "rialto",
                "flood": {"burst": 10_000, "per_second": 100_000},
            },
        },
        "rooms": {"bench": {"office": f"bench@{prosody.muc}", "libera": "#rialto"}},
        "log": {"level": "warning"},
    }
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    how = ["-m", "cProfile", "-o", profile] if profile else []
    process = await asyncio.create_subprocess_exec(
        sys.executable, *how, "-m", "bridge", "run", "-c", str(folder / "config.yaml")
    )
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


async def one_round(
    sender: XmppSender, room: str, receiver: IrcReceiver, name: str, count: int, rate: float
) -> list[float]:
    """Say `count` messages, `rate` a second; the latencies in milliseconds."""
    latencies = []
    for number in range(count):
        text = f"{name} {number} {os.urandom(4).hex()}"
        arrival = receiver.expect(text)
        began = time.perf_counter()
        sender.say(room, text)
        latencies.append((await asyncio.wait_for(arrival, 20) - began) * 1000)
        await asyncio.sleep(1 / rate)
    return latencies


async def main(messages: int, rounds: int, rate: float, profile: str | None) -> int:
    """Run both. Returns the exit code."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o711)
        components = {"rialto.localhost": SECRET, "biboumi.localhost": SECRET}
        async with contextlib.AsyncExitStack() as stack:
            prosody = await stack.enter_async_context(Prosody(folder / "prosody", components=components))
            ircd = await stack.enter_async_context(NgIRCd(folder / "ngircd"))
            await prosody.register("ana", "password")
            await stack.enter_async_context(
                Biboumi(
                    folder / "biboumi",
                    domain="biboumi.localhost",
                    secret=SECRET,
                    port=prosody.component_port,
                    admin="ana@localhost",
                )
            )
            receiver = IrcReceiver(ircd.port, "listener")
            await receiver.connect("#rialto", "#biboumi")
            sender = XmppSender(prosody.c2s_port, "ana", "password")
            await sender.connect()
            room = {"rialto": f"bench@{prosody.muc}", "biboumi": "#biboumi%127.0.0.1@biboumi.localhost"}
            await sender.join(room["rialto"], "Ana")
            await stack.enter_async_context(rialto(folder / "rialto", prosody, ircd, profile))
            await sender.command(
                "127.0.0.1@biboumi.localhost",
                {"ports": [str(ircd.port)], "tls_ports": [""], "throttle_limit": ["-1"]},
            )
            await sender.join(room["biboumi"], "anab")
            tasks = [asyncio.create_task(sender.drain()), asyncio.create_task(receiver.listen())]
            # The first message brings the puppet; from then on both are warm.
            await one_round(sender, room["biboumi"], receiver, "warm", 5, rate)
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                warm = receiver.expect("warm up")
                sender.say(room["rialto"], "warm up")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(warm, 2)
                    break
            await one_round(sender, room["rialto"], receiver, "warm", 5, rate)
            latencies: dict[str, list[float]] = {"rialto": [], "biboumi": []}
            for number in range(rounds):
                for name in latencies:
                    found = await one_round(sender, room[name], receiver, f"{name} {number}", messages, rate)
                    latencies[name] += found
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    medians = {name: statistics.median(found) for name, found in latencies.items()}
    for name, found in latencies.items():
        print(f"{name:8} median {medians[name]:6.2f} ms, slowest {max(found):6.2f} ms, {len(found)} messages")
    ratio = medians["rialto"] / medians["biboumi"]
    print(f"Rialto takes {ratio:.2f} times what biboumi takes (at most {LIMIT:g} is wanted)")
    return 0 if ratio <= LIMIT else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=50, help="messages in a round (default 50)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each (default 3)")
    parser.add_argument("--rate", type=float, default=20.0, help="messages a second (default 20)")
    parser.add_argument("--profile", help="write cProfile data of Rialto to this file")
    options = parser.parse_args()
    sys.exit(asyncio.run(main(options.messages, options.rounds, options.rate, options.profile)))
