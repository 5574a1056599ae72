"""docs/presence.md says what the code does: its tables are made here, out of what the adapters show."""

import re
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest

from adapters.irc import presence as irc
from adapters.irc.people import Known
from adapters.matrix import presence as matrix
from adapters.xmpp import outbound
from adapters.xmpp import presence as xmpp
from bridge.model import pidf
from bridge.model.address import Address
from bridge.model.presence import ABSENCES, SHOWN, Absence, Activity, Basic, Presence, Show, Tuple, declared

PAGE = Path(__file__).parents[2] / "docs" / "presence.md"
ANA = Address("office", "ana@xmpp.example")
STEPS = {
    Absence.NONE: "here",
    Absence.AWAY: "away",
    Absence.LONG: "away for long",
    Absence.BUSY: "busy",
    Absence.GONE: "gone",
}
NOW = 1_700_000_000.0


def of(*activities: Activity, basic: Basic = Basic.OPEN) -> Presence:
    return Presence(ANA, (Tuple("a", basic, frozenset(activities)),))


def on_xmpp(presence: Presence) -> str:
    shown = xmpp.appearance(presence)
    return (shown.show or "available") if shown.available else "unavailable"


def from_xmpp(word: str) -> Presence:
    """What is read of the stanza that shows a word."""
    if word == "unavailable":
        return of(basic=Basic.CLOSED)
    appearance = xmpp.Appearance(show="" if word == "available" else word)
    stanza = outbound.appear("a@b/c", "d@e", appearance).replace("<presence", "<presence xmlns='jabber:client'", 1)
    return Presence(ANA, (xmpp.read_tuple(fromstring(stanza), "a"),))


def from_matrix(status: matrix.Status) -> Presence:
    found = matrix.presence_of(ANA, {"presence": status.state, "status_msg": status.message}, NOW)
    assert found is not None
    return found


def from_irc(away: str) -> Presence:
    """What is read of a puppet's AWAY; one that says it is offline is away to everybody."""
    return irc.online(ANA, Known("ana", away=bool(away), note=away))


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join([row(*head), row(*["---"] * len(head)), *(row(*cells) for cells in rows)])


def bracketed(word: str) -> str:
    return f" ({word})" if word else ""


def steps() -> str:
    rows = []
    for absence, name in STEPS.items():
        presence = of(*[activity for activity, found in ABSENCES.items() if found is absence][:1])
        status, away = matrix.status_of(presence), irc.away_text(presence, 200)
        rows.append(
            [name, on_xmpp(presence), status.state + bracketed(status.message), f"AWAY ({away})" if away else "no AWAY"]
        )
    return table(["step", "XMPP", "Matrix", "IRC puppet"], rows)


def activities() -> str:
    rows = [
        [STEPS[absence], ", ".join(f"`{each}`" for each in Activity if ABSENCES[each] is absence)]
        for absence in Absence
    ]
    return table(["step", "activities"], rows)


WORDS = ["available", "chat", "away", "xa", "dnd", "unavailable"]


def through(word: str) -> tuple[str, str, str]:
    """What is seen of an XMPP user's word: through Matrix, through IRC, through a presence document."""
    presence = from_xmpp(word)
    document = pidf.loads(pidf.dumps(presence)).presence(ANA)
    away = irc.away_text(presence, 200)
    return on_xmpp(from_matrix(matrix.status_of(presence))), on_xmpp(from_irc(away)), on_xmpp(document)


def losses() -> str:
    rows = [[word, *(seen if seen == word else f"**{seen}**" for seen in through(word))] for word in WORDS]
    return table(["shown", "seen through Matrix", "seen through IRC", "through a presence document"], rows)


@pytest.mark.conforms("RFC3922:5.1.5", "RFC3922:5.2.9")
@pytest.mark.parametrize(("name", "made"), [("steps", steps()), ("activities", activities()), ("losses", losses())])
def test_the_page_has_the_tables(name: str, made: str) -> None:
    found = re.search(rf"<!-- {name} -->\n(.*?)\n<!-- end -->", PAGE.read_text(), re.DOTALL)
    assert found is not None
    assert found[1] == made, f"write this into {PAGE.name}:\n{made}"


@pytest.mark.parametrize("word", WORDS)
def test_a_second_trip_loses_nothing_more(word: str) -> None:
    for seen in through(word)[:2]:
        assert seen in through(seen)[:2]
    assert through(word)[2] == word


@pytest.mark.parametrize("state", ["online", "unavailable", "offline"])
def test_states_of_matrix_come_through_xmpp(state: str) -> None:
    assert matrix.status_of(from_xmpp(on_xmpp(from_matrix(matrix.Status(state))))).state == state


@pytest.mark.parametrize("away", ["", "Away"])
def test_states_of_irc_come_through_xmpp_and_matrix(away: str) -> None:
    presence = from_irc(away)
    assert irc.away_text(from_xmpp(on_xmpp(presence)), 200) == away
    assert irc.away_text(from_matrix(matrix.status_of(presence)), 200) == away


def test_the_scale_is_whole() -> None:
    assert set(ABSENCES) == set(Activity)
    assert {SHOWN[absence] for absence in SHOWN} == set(Show) - {Show.CHAT}
    assert declared(frozenset()) is Absence.NONE
    for absence in (Absence.AWAY, Absence.LONG, Absence.BUSY, Absence.GONE):
        weaker = frozenset(activity for activity, found in ABSENCES.items() if found <= absence)
        assert declared(weaker) is absence
