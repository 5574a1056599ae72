"""How fast presence documents and watcher information are read and written, beside the bare XML parsers.

    python benchmarks/pidf_codec.py [--seconds S]

The same octets are read by `pidf.loads` (or `watcherinfo.loads`), by expat with handlers that do nothing, and by
ElementTree, in turns within one run. Rates are per second of processor time, so that what else the machine does counts
less; each is the best of five rounds, of S seconds in all.
"""

import argparse
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from xml.parsers import expat

from bridge.model import pidf, watcherinfo
from bridge.model.address import Address
from bridge.model.presence import Activity, Basic, Presence, Show, Tuple
from bridge.model.watcherinfo import Event, Status, Watcher, WatcherInfo, WatcherList

ROUNDS = 5
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


def rate(work: Callable[[], object], seconds: float) -> float:
    """How often something can be done in a second of processor time."""
    count, began = 0, time.process_time()
    while (spent := time.process_time() - began) < seconds:
        for _ in range(50):
            work()
        count += 50
    return count / spent


def measure(name: str, data: bytes, loads: Callable[[], object], dumps: Callable[[], object], seconds: float) -> None:
    """Print a line: rates, and how many times as long as the bare parsers reading takes."""
    works = [loads, dumps, lambda: bare(data), lambda: ET.fromstring(data)]
    rounds = [[rate(work, seconds / ROUNDS / len(works)) for work in works] for _ in range(ROUNDS)]
    read, written, alone, tree = (max(column) for column in zip(*rounds, strict=True))
    print(
        f"{name:28} {len(data):5} bytes: read {read:7.0f}/s, written {written:7.0f}/s; "
        f"expat {alone:7.0f}/s ({alone / read:.1f} times), ElementTree {tree:7.0f}/s ({tree / read:.1f} times)"
    )


def main(seconds: float) -> None:
    """Measure a small document, a large one, and watcher information."""
    for name, known in (("presence, one device", ONE), ("presence, five devices", FIVE)):
        found = pidf.Document.of(known)
        data = pidf.dumps(found)
        measure(name, data, lambda data=data: pidf.loads(data), lambda found=found: pidf.dumps(found), seconds)  # type: ignore[misc]
    data = watcherinfo.dumps(WATCHERS)
    measure(
        "watcher information, ten",
        data,
        lambda: watcherinfo.loads(data),
        lambda: watcherinfo.dumps(WATCHERS),
        seconds,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8.0, help="how long each line takes (default 8)")
    main(parser.parse_args().seconds)
