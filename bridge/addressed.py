"""Lines to the bot that are meant for somebody: ``bo@example.org hello``. Pure.

Where a person has no puppet, on IRC beyond the limit of connections, or in a network attached through an ordinary
account, people write to the bot instead, and say for whom.
"""


def addressed(text: str) -> tuple[str, str]:
    """Whom a line to the bot is for, as written, and what is to be said. Both empty if there is nothing of the kind.

    A colon or comma behind the address, as people put it behind names, is no part of it.
    """
    words = text.strip().split(maxsplit=1)
    who = words[0] if words else ""
    if len(who) > 1 and who[-1] in ":,":
        who = who[:-1]
    return who, words[1] if len(words) > 1 else ""


def usage(example: str) -> str:
    """What somebody is told who wrote to the bot otherwise. `example` is an address in the form that is understood."""
    return (
        "To write to somebody on another network, begin with their address: "
        f'"{example} hello". Addresses look like bo@example.org, @ana:example.org or NETWORK:NICK.'
    )


def how_to_answer(name: str, written: str) -> str:
    """What somebody is told whom the bot brings a message of `name`, whose address is `written`."""
    return f'To answer {name}, write to me: "{written} your text".'
