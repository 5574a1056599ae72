"""What somebody is told whose private message a server did not take. Pure.

The numerics are RFC 2812's and those that caller-id (716) and the servers' filters brought; the server's own words
follow where they tell more than ours.
"""

from typing import Final

from adapters.irc.protocol.events import Refused

_WORDS: Final = {
    "401": "{nick} is not online",
    "404": "the server did not take the message to {nick}: {text}",
    "406": "{nick} is not online",
    "415": "{nick} does not take this message: {text}",
    "477": "{nick} takes messages from registered users of the network only",
    "486": "{nick} takes messages from registered users of the network only",
    "531": "{nick} does not take this message: {text}",
    "716": "{nick} has to allow messages from you first, and has been told that you wrote",
}


def direct_words(refused: Refused) -> str | None:
    """The refusal in words for a person; None where there are none better than the server's."""
    words = _WORDS.get(refused.numeric)
    return words.format(nick=refused.target, text=refused.text) if words and refused.target else None
