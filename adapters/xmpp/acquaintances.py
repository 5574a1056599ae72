"""Whom we have had to do with in this run, in memory and bounded: what they call themselves, and who wrote to whom."""

from adapters.xmpp import ids
from adapters.xmpp.known import Recent
from adapters.xmpp.private import name_of


class Acquaintances:
    """People by bare JID, and their conversations with our puppets."""

    def __init__(self) -> None:
        self._names: Recent[str, str] = Recent()
        self._introduced: Recent[tuple[str, str], str] = Recent()
        self._conversations: Recent[tuple[str, str], bool] = Recent()

    def heard(self, person: str, nick: str = "") -> str:
        """Somebody wrote, and perhaps said what they are called, which clients do once; gives what they are called."""
        name = nick or self._names.get(person) or name_of(person)
        self._names[person] = name
        return name

    def exists(self, person: str) -> bool:
        """Whether there certainly is such a person: they have been heard of."""
        return self._names.get(person) is not None

    def introduces(self, puppet: str, person: str, name: str) -> bool:
        """Whether the puppet's name has to be told to the person, with this message, for the first time or anew."""
        new = self._introduced.get((puppet, person)) != name
        if new:
            self._introduced[puppet, person] = name
        return new

    def talk(self, person: str, puppet: str) -> None:
        """The two write to one another, in whichever direction. Full or bare JIDs."""
        self._conversations[ids.bare(person), ids.bare(puppet)] = True

    def in_touch(self, person: str, puppet: str) -> bool:
        """Whether they have written to one another."""
        return self._conversations.get((ids.bare(person), ids.bare(puppet))) is not None
