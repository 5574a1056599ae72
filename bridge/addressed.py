"""Lines to the bot that are meant for somebody: ``bo@example.org hello``. Pure.

Where a person has no puppet, on IRC beyond the limit of connections, or in a network attached through an ordinary
account, people write to the bot instead, and say for whom.
"""

from bridge.split import cut, split


def addressed(text: str) -> tuple[str, str]:
    """Whom a line to the bot is for, as written, and what is to be said. Both empty if there is nothing of the kind.

    A colon or comma behind the address, as people put it behind names, is no part of it.
    """
    words = text.strip().split(maxsplit=1)
    who = words[0] if words else ""
    if len(who) > 1 and who[-1] in ":,":
        who = who[:-1]
    return who, words[1] if len(words) > 1 else ""


def command_name(text: str) -> str:
    """The first word of a line to the bot: the name of a command (`bridge.contract.Core.commands`), if it is one."""
    words = text.split(maxsplit=1)
    return words[0].lower() if words else ""


def in_lines(text: str, limit: int, most: int) -> list[str]:
    """An answer of several lines for a network where each is a message: run on, in at most so many lines of at most
    so many bytes of UTF-8. What is longer ends with an ellipsis."""
    lines = [line.removeprefix("- ") for line in text.splitlines() if line.strip()]
    pieces = split("; ".join(lines).replace(":; ", ": ").replace(".; ", ". "), limit)
    if len(pieces) > most:
        pieces[most - 1 :] = [cut(pieces[most - 1], max(limit - 3, 0)) + "…"]
    return pieces


def usage(example: str) -> str:
    """What somebody is told who wrote to the bot otherwise. `example` is an address in the form that is understood."""
    return (
        "To write to somebody on another network, begin with their address: "
        f'"{example} hello". Addresses look like bo@example.org, @ana:example.org or NETWORK:NICK. '
        'What else I can do: "help".'
    )


def how_to_answer(name: str, written: str) -> str:
    """What somebody is told whom the bot brings a message of `name`, whose address is `written`."""
    return f'To answer {name}, write to me: "{written} your text".'
