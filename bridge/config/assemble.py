"""What keys mean for each other: networks that would collide, places that are bridged twice, patterns over people."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, SecretStr

from bridge.archive import Keeping
from bridge.config.mistakes import guess
from bridge.config.model import Attachment
from bridge.config.schema import FEDERATED, ArchiveSection, PeopleSection, PlaceSection, RulesSection
from bridge.config.shape import Loc
from bridge.contract import Factory
from bridge.directory import Directory
from bridge.model.address import NETWORK_NAME, Address, Place
from bridge.model.room import Member, Room
from bridge.model.rule import ANONYMOUS, Decision, RuleKind
from bridge.names import Kind
from bridge.rules import Pattern, Policy, Rules

Problem = tuple[Loc, str]

_UNIQUE: Mapping[str, Mapping[str, str]] = {
    Kind.XMPP: {"domain": "each component needs a domain of its own"},
    Kind.MATRIX: {
        "domain": "one network for each homeserver",
        "as_token": "the homeserver tells application services apart by it",
        "hs_token": "each network needs a token of its own",
    },
    Kind.IRC: {"server": "one network is enough for all channels of a server"},
}
"""Keys that no two networks of a kind may share, and why."""


_PATHS = frozenset({"api", "dashboard", "healthz", "im", "media", "metrics", "presence", "readyz"})
"""Names that no network may have: its part of the HTTP server lies below its name, and these are the server's own."""


def network_name(name: str) -> str | None:
    """What is wrong with a network's name, None if nothing is."""
    if not NETWORK_NAME.fullmatch(name):
        return "a network's name has 1 to 16 lower-case letters and digits, the first a letter"
    if name in _PATHS:
        return "is a path of Rialto's own HTTP server; call the network something else"
    return None


def plain(value: Any) -> Any:
    """The value itself, of a secret too; compare and hand on only."""
    return value.get_secret_value() if isinstance(value, SecretStr) else value


class Assembly:
    """Builds the parts of a `Config` out of validated sections, and gathers what is wrong in `problems`."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def networks(self, sections: Mapping[str, BaseModel], factories: Mapping[str, Factory]) -> Mapping[str, Attachment]:
        """The attachments, in the order of the file. `factories`: by network."""
        kinds: dict[str, str] = {name: getattr(section, "kind") for name, section in sections.items()}  # noqa: B009  the model is made at run time
        owners = self._owners(sections, kinds)
        self._distinct(sections, kinds)
        return MappingProxyType(
            {
                name: Attachment(name, kinds[name], factories[name], section, owners.get(kinds[name]) == name)
                for name, section in sections.items()
            }
        )

    def _owners(self, sections: Mapping[str, BaseModel], kinds: Mapping[str, str]) -> dict[str, str]:
        """Which network of each federated kind owns the bare domains."""
        owners: dict[str, str] = {}
        flagged: dict[str, str] = {}
        for name, section in sections.items():
            kind = kinds[name]
            if kind not in FEDERATED:
                continue
            owners.setdefault(kind, name)
            if not getattr(section, "default", False):
                continue
            if kind in flagged:
                text = f"{flagged[kind]!r} is the default of kind {kind} already; there can be one"
                self.problems.append((("networks", name, "default"), text))
            flagged.setdefault(kind, name)
        return owners | flagged

    def _distinct(self, sections: Mapping[str, BaseModel], kinds: Mapping[str, str]) -> None:
        """No two networks that are one, and none that is named like a domain."""
        seen: dict[tuple[str, str, Any], str] = {}
        domains = {
            str(domain).casefold(): name
            for name, section in sections.items()
            if (domain := getattr(section, "domain", None)) is not None
        }
        for name, section in sections.items():
            if name in domains:
                text = f"is also the domain that {domains[name]!r} serves, so that names would be ambiguous; rename it"
                self.problems.append((("networks", name), text))
            for key, why in _UNIQUE.get(kinds[name], {}).items():
                value = plain(getattr(section, key, None))
                if value is None:
                    continue
                other = seen.setdefault((kinds[name], key, str(value).casefold()), name)
                if other != name:
                    self.problems.append((("networks", name, key), f"the same as of {other!r}; {why}"))

    def rooms(
        self,
        sections: Mapping[str, Mapping[str, Sequence[PlaceSection]]],
        networks: Mapping[str, Attachment],
        written: Mapping[str, Any],
    ) -> tuple[Room, ...]:
        """The rooms, their places canonical. `written` is the section as it stands in the file."""
        rooms = []
        taken: dict[Place, str] = {}
        for room, places in sections.items():
            members: list[Member] = []
            for network, entries in places.items():
                several = isinstance(written[room][network], list)
                for index, entry in enumerate(entries):
                    loc = ("rooms", room, network, index) if several else ("rooms", room, network)
                    member = self._member(networks[network], entry, loc)
                    if member is None:
                        continue
                    other = taken.setdefault(member.place, room)
                    if other != room or any(known.place == member.place for known in members):
                        where = "twice in this room" if other == room else f"in the room {other!r} already"
                        self.problems.append((loc, f"is {where}; a place belongs to one room, once"))
                    members.append(member)
            self._crossing(room, sum(map(len, places.values())), members)
            rooms.append(Room(room, tuple(members)))
        return tuple(rooms)

    def _member(self, attachment: Attachment, entry: PlaceSection, loc: Loc) -> Member | None:
        try:
            native = attachment.factory.place(entry.id, attachment.settings)
        except ValueError as error:
            self.problems.append((loc, str(error)))
            return None
        key = None if entry.key is None else entry.key.get_secret_value()
        return Member(Place(attachment.name, native), entry.direction, key, entry.members)

    def _crossing(self, room: str, written: int, members: Sequence[Member]) -> None:
        """A room bridges something: two places at least, and one that hears what another says."""
        if written < 2:
            self.problems.append((("rooms", room), "has fewer than two places; there is nothing to bridge"))
        elif len(members) == written and not any(
            here.speaks and there.hears for here in members for there in members if here is not there
        ):
            text = "nothing can cross: let one place be `direction: out` or `both`, and another `in` or `both`"
            self.problems.append((("rooms", room), text))

    def rules(self, section: RulesSection, networks: Mapping[str, Attachment]) -> Rules:
        """The access rules; a pattern that is limited to a network needs that network."""
        written = {"use": section.use, "deny": section.deny, "dm": section.dm, "bots": section.bots}
        for key, patterns in written.items():
            for index, text in enumerate(patterns or ()):
                self._pattern(text, ("rules", key, index), networks)
        for index, entry in enumerate(section.people):
            self._people(entry, ("rules", "people", index), networks)
        if self.problems:
            return Rules()
        parsed = {
            key: None if patterns is None else tuple(map(Pattern.parse, patterns)) for key, patterns in written.items()
        }
        return Rules(
            parsed["use"],
            parsed["deny"] or (),
            parsed["dm"],
            parsed["bots"] or (),
            dm_per_hour=section.dm_per_hour,
            people=tuple(policy for entry in section.people for policy in _policies(entry)),
        )

    def _pattern(self, text: str, loc: Loc, networks: Mapping[str, Attachment]) -> None:
        try:
            network = Pattern.parse(text).network
        except ValueError as error:
            self.problems.append((loc, str(error)))
            return
        if network is not None and network not in networks:
            words = f"no network is called {network!r}; " + guess(network, list(networks), "networks are")
            self.problems.append((loc, words))

    def _people(self, entry: PeopleSection, loc: Loc, networks: Mapping[str, Attachment]) -> None:
        self._pattern(entry.of, (*loc, "of"), networks)
        if entry.who != ANONYMOUS:
            self._pattern(entry.who, (*loc, "who"), networks)
        elif entry.delivery is not None or entry.visibility is not None:
            text = f"{ANONYMOUS} goes with `access` only: nobody writes, or is watched, without a name"
            self.problems.append(((*loc, "who"), text))
        if not any(getattr(entry, kind) for kind in RuleKind):
            self.problems.append((loc, "decides nothing; add access, delivery or visibility"))

    def archive(self, section: ArchiveSection, rooms: Collection[str]) -> Keeping:
        """What is kept of what was said; rooms to omit must be there."""
        for index, name in enumerate(section.omit):
            if name not in rooms:
                words = f"no room is called {name!r}; " + guess(name, list(rooms), "rooms are")
                self.problems.append((("archive", "omit", index), words))
        return Keeping(section.keep, frozenset(section.omit), section.private)

    def admins(self, written: Sequence[str], found: Directory) -> tuple[Address, ...]:
        """The people who are told what an operator must know."""
        addresses = []
        for index, text in enumerate(written):
            try:
                addresses.append(found.find(text))
            except ValueError as error:
                self.problems.append((("admins", index), str(error)))
        return tuple(addresses)

    def store(self, url: str, folder: Path) -> str:
        """The URL; a path in it made absolute."""
        if not url.startswith("sqlite:///"):
            return url
        path = folder / Path(url.removeprefix("sqlite:///")).expanduser()
        if not path.parent.is_dir():
            self.problems.append((("store",), f"there is no folder {path.parent}; make it, or name another"))
        return f"sqlite:///{path}"


def _policies(entry: PeopleSection) -> Iterator[Policy]:
    """What is decided by one entry."""
    for kind in RuleKind:
        word = getattr(entry, kind)
        if word is not None:
            yield Policy(Pattern.parse(entry.of), kind, entry.who, Decision.parse(word))
