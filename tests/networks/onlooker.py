"""What an adapter's own tests use for the core's view of presence and of people: everything is kept to be looked at."""

from bridge.addressed import command_name
from bridge.model.address import Address, Person
from bridge.model.command import Offer
from bridge.model.presence import Presence


class Onlooker:
    """The part of `bridge.contract.Core` that has to do with presence and with finding people.

    `shown` is what an adapter told of its own people; `presences` is what it is told of others, set by the test.
    Commands are answered, unless they end with a question mark.
    """

    def __init__(self) -> None:
        self.shown: list[Presence] = []
        self.presences: dict[Address, Presence] = {}
        self.watches: list[tuple[Address, Address, bool]] = []
        self.commands = {"help": Offer("help", "", "what I can do"), "block": Offer("block", "WHO", "a rule")}
        self.commanded: list[tuple[Person, str]] = []
        self.crashes: list[BaseException] = []

    def presence(self, presence: Presence) -> None:
        self.shown.append(presence)

    def presence_of(self, address: Address) -> Presence:
        return self.presences.get(address, Presence(address))

    def watch(self, watched: Address, watcher: Address, *, wanted: bool) -> None:
        self.watches.append((watched, watcher, wanted))

    def crashed(self, error: BaseException) -> None:
        self.crashes.append(error)

    def identity(self, person: Person) -> str:
        return person.stands_for or f"test:{person.address.native}"

    def find(self, text: str) -> Address:
        return Address.parse(text)

    async def command(self, person: Person, text: str) -> str | None:
        self.commanded.append((person, text))
        return (
            None
            if command_name(text) not in self.commands or text.endswith("?")
            else f"Answer to {text}.\nIn two lines."
        )

    def written(self, address: Address) -> str:
        return str(address)
