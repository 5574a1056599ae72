"""Commands: what people can tell the bot to do."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Offer:
    """A command that people may give the bot: its name, what stands behind it (capitals are to be replaced, brackets
    may be left out; empty where nothing does), and what it is for, in a few words."""

    name: str
    arguments: str
    about: str

    @property
    def usage(self) -> str:
        """What to write."""
        return f"{self.name} {self.arguments}".rstrip()
