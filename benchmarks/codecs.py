"""How many documents a second the codecs of the common model read and write, each beside a peer on the same octets.

    python benchmarks/codecs.py [--seconds N] [NAME ...]

Counts the time that this process computes, so that what else runs on the machine changes little. The best of three
alternating rounds is printed, with the ratio to the peer, which does less: Python's email package, for instance, splits
headers and looks at none. Exits with 1 where a goal is missed.

Another codec is another entry in `CODECS`.
"""

import argparse
import email
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from xml.parsers import expat

from bridge.model import cpim, pidf, watcherinfo
from bridge.model.address import Address
from bridge.model.presence import Activity, Basic, Presence, Show, Tuple
from bridge.model.watcherinfo import Event, Status, Watcher, WatcherInfo, WatcherList

CPIM = (
    b"From: kestrel <im:kestrel@oakleaf.irc.gw.example>\r\n"
    b"To: <im:ana@xmpp.example>\r\n"
    b"DateTime: 2024-05-06T07:08:09.010Z\r\n"
    b"NS: imdn <urn:ietf:params:imdn>\r\n"
    b"imdn.Message-ID: 7Qm2vXw0c1Zk9A\r\n"
    b"NS: gw <urn:example:impp-gateway>\r\n"
    b"gw.Origin-Network: irc\r\n"
    b"gw.Native-Id: msgid=abc123\r\n"
    b"gw.Hops: 99\r\n"
    b"\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"Content-ID: <7Qm2vXw0c1Zk9A@gw.example>\r\n"
    b"\r\n"
    b"good morning"
)
"""A bridged line as it would be archived: nine headers, two of MIME."""

AWAY = frozenset({Activity.AWAY})
LAPTOP = Tuple(
    "laptop", Basic.OPEN, AWAY, (("en", "feeding the hens"), ("de", "bei den Hühnern")), 0.102, 1.7e9, 1.69e9
)
ONE = Presence(Address("libera", "kestrel"), (LAPTOP,))
FIVE = Presence(
    Address("office", "ana@xmpp.example"),
    (
        LAPTOP,
        replace(LAPTOP, id="my phone", show=Show.XA),
        Tuple("desk", Basic.OPEN, frozenset(), (), 0.5, 1.7e9),
        Tuple("tablet", Basic.CLOSED, since=1.7e9),
        Tuple("bot", Basic.OPEN, show=Show.CHAT, since=1.7e9),
    ),
    (("en", "in Tokyo next week"),),
)
WATCHERS = WatcherInfo(
    7,
    True,
    (
        WatcherList(
            "pres:ana@gw.example",
            tuple(
                Watcher(f"pres:w{n}@gw.example", f"s{n}", Status.ACTIVE, Event.APPROVED, f"W {n}", "en", 600, 3000)
                for n in range(10)
            ),
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Codec:
    """What is measured: the ways through our codec and a peer's, and how many reads a second are to be reached."""

    read: Callable[[], object]
    write: Callable[[], object]
    peer: str
    peer_read: Callable[[], object]
    goal: int


def message_cpim() -> Codec:
    """``message/cpim``, in strict mode. What is written has no octets from its reading."""
    value = replace(cpim.loads(CPIM))
    return Codec(
        lambda: cpim.loads(CPIM),
        lambda: cpim.dumps(value),
        "email.message_from_bytes",
        lambda: email.message_from_bytes(CPIM),
        20_000,
    )


def nothing(*_: object) -> None:
    """A handler that does nothing: what is left is what calling one costs."""


def bare(data: bytes) -> None:
    """Expat alone, with namespaces."""
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = nothing
    parser.EndElementHandler = nothing
    parser.CharacterDataHandler = nothing
    parser.Parse(data, True)


def presence(known: Presence) -> Codec:
    """``application/pidf+xml``, from octets to a document and back."""
    document = pidf.Document.of(known)
    data = pidf.dumps(document)
    return Codec(lambda: pidf.loads(data), lambda: pidf.dumps(document), "expat alone", lambda: bare(data), 5_000)


def watchers() -> Codec:
    """``application/watcherinfo+xml``, of ten watchers."""
    data = watcherinfo.dumps(WATCHERS)
    return Codec(
        lambda: watcherinfo.loads(data),
        lambda: watcherinfo.dumps(WATCHERS),
        "expat alone",
        lambda: bare(data),
        5_000,
    )


CODECS: dict[str, Callable[[], Codec]] = {
    "message/cpim": message_cpim,
    "presence-1": lambda: presence(ONE),
    "presence-5": lambda: presence(FIVE),
    "watcherinfo-10": watchers,
}


def rate(work: Callable[[], object], seconds: float) -> float:
    """Times a second, of the time that this process computes."""
    count = 0
    began = time.process_time()
    while (spent := time.process_time() - began) < seconds:
        for _ in range(100):
            work()
        count += 100
    return count / spent


def measure(name: str, codec: Codec, seconds: float) -> bool:
    """Print a line. Is the goal reached?"""
    ways = (codec.read, codec.write, codec.peer_read)
    rounds = [[rate(way, seconds / 3) for way in ways] for _ in range(3)]
    read, write, peer = (max(each[way] for each in rounds) for way in range(len(ways)))
    print(
        f"{name:18} {read:8.0f} reads a second (goal {codec.goal}), {write:8.0f} writes; "
        f"{codec.peer} {peer:8.0f} reads, ratio {read / peer:.2f}"
    )
    return read >= codec.goal


def main(names: list[str], seconds: float) -> int:
    """Measure those codecs."""
    reached = [measure(name, CODECS[name](), seconds) for name in names]
    return 0 if all(reached) else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1.0, help="how long to measure each way (default 1)")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which of {', '.join(CODECS)} (default all)")
    arguments = parser.parse_args()
    for each in arguments.names:
        if each not in CODECS:
            parser.error(f"{each} is none of {', '.join(CODECS)}")
    sys.exit(main(arguments.names or list(CODECS), arguments.seconds))
