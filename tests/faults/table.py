"""All faults, in the order in which they are made: the rows of the table."""

from bridge.crashpoints import Point
from tests.faults.channel import mode, nick_taken, nobody_invited, puppet_killed, puppet_not_invited
from tests.faults.faults import (
    Fault,
    component_kicked,
    crash,
    cut,
    half_open,
    kills,
    nothing,
    pushes,
    restart_ircd,
    restart_prosody,
    restart_synapse,
    slow,
    trouble,
    waiting,
)
from tests.faults.inside import a_day_passes, clock_moved, store_full, store_locked
from tests.faults.relay import Trouble
from tests.faults.scene import FAST, SLOW
from tests.networks.cable import DOWN, UP


def table(*, sizes: int = 10_000, kill_times: int = 20) -> list[Fault]:
    """The whole table. `sizes` is how many messages wait in the rows that have them wait (a tenth toward Matrix)."""
    irc = frozenset({"irc"})
    xmpp = frozenset({"xmpp"})
    both = xmpp | irc
    rows = [
        Fault("none", "nothing happens", nothing),
        # Before the IRC server is killed: who comes first after that is the channel's operator.
        Fault("moderated", "+m on the IRC channel for 2 s", mode("+m", undo="-m"), refuses=True),
        Fault("banned", "+b on a puppet for 2 s", mode("+b {puppet}!*@*", undo="-b {puppet}!*@*"), refuses=True),
        Fault("puppet-not-invited", "+i on the IRC channel, and a puppet killed", puppet_not_invited, cuts=irc),
        Fault("nobody-invited", "+i on the IRC channel, and all connections cut", nobody_invited, cuts=irc),
    ]
    rows += [
        Fault(f"crash-{point}-{network}", f"the bridge dies at `{point}` ({network})", crash(point, network), True)
        for point in Point
        for network in ("office", "home", "libera")
    ]
    rows += [
        Fault(
            "kills",
            f"`kill -9` of the bridge, {kill_times} times",
            lambda scene: kills(scene, kill_times),
            crashes=True,
            within=900.0,
        ),
        Fault("prosody-killed", "`kill -9` of Prosody, back after 2 s", restart_prosody, cuts=xmpp, server="xmpp"),
        Fault("ircd-killed", "`kill -9` of the IRC server, back after 2 s", restart_ircd, cuts=irc, server="irc"),
        Fault("synapse-killed", "`kill -9` of Synapse, back after 2 s", restart_synapse, server="matrix"),
        Fault("component-kicked", "Prosody restarts, and says good-bye", component_kicked, cuts=xmpp, server="xmpp"),
        Fault("xmpp-cut", "TCP to Prosody reset, 3 times", cut("office"), cuts=xmpp),
        Fault("irc-cut", "TCP to the IRC server reset, 3 times", cut("libera"), cuts=irc),
        Fault("xmpp-half-open", "bytes to Prosody swallowed for 3 s", half_open("office", UP), cuts=xmpp),
        Fault("xmpp-deaf", "bytes to and from Prosody swallowed", half_open("office", UP, DOWN), cuts=xmpp),
        Fault("irc-half-open", "bytes to the IRC server swallowed for 3 s", half_open("libera", UP), cuts=irc),
        Fault("xmpp-slow", "Prosody slow", slow("office")),
        Fault("irc-slow", "the IRC server slow", slow("libera")),
        Fault("matrix-429", "429 with Retry-After, 10 times", trouble(Trouble.LIMIT, 10)),
        Fault("matrix-500", "500, 10 times", trouble(Trouble.FAIL, 10)),
        Fault("matrix-hang", "no answer, and no send, twice", trouble(Trouble.HANG, 2, 5.0)),
        Fault("matrix-lost-answers", "10 sends succeed, their answers are lost", trouble(Trouble.LOSE, 10)),
        Fault("push-repeated", "10 transactions three times", pushes(Trouble.REPEAT, 10)),
        Fault(
            "push-overlapping",
            "10 transactions twice at the very same time, every other one under two ids",
            pushes(Trouble.OVERLAP, 10),
        ),
        Fault("push-lost-answers", "the answers to 5 transactions are lost", pushes(Trouble.LOSE, 5)),
        Fault("push-failed", "5 transactions do not arrive", pushes(Trouble.FAIL, 5)),
        Fault("puppet-killed", "a puppet's IRC connection ended by an operator", puppet_killed, cuts=irc),
        Fault("nick-taken", "the bot killed, and its nick taken", nick_taken, cuts=irc),
        Fault(
            "waiting-xmpp",
            f"{sizes:,} messages wait for Prosody",
            waiting("xmpp", FAST, sizes),
            cuts=xmpp,
            server="xmpp",
            within=600.0,
        ),
        Fault(
            "waiting-irc",
            f"{sizes:,} messages wait for IRC",
            waiting("irc", FAST, sizes),
            cuts=irc,
            server="irc",
            within=600.0,
        ),
        Fault(
            "waiting-matrix",
            f"{sizes // 10:,} messages wait for Synapse",
            waiting("matrix", SLOW, sizes // 10),
            server="matrix",
            within=600.0,
        ),
        Fault(
            "clock-ahead", "the bridge's clock an hour ahead, and back", clock_moved(3600.0), False, both, handles=True
        ),
        Fault(
            "clock-behind",
            "the bridge's clock an hour behind, and back",
            clock_moved(-3600.0),
            False,
            both,
            handles=True,
        ),
        Fault(
            "clock-day",
            "the bridge's clock 25 hours ahead while messages wait for IRC, and back",
            a_day_passes,
            cuts=irc,
            server="irc",
            refuses=True,
            handles=True,
        ),
        Fault("store-full", "the store has no room (`max_page_count`), then it has", store_full, handles=True),
        Fault("store-locked", "the store locked by another program, for some 8 s", store_locked),
    ]
    return rows
