"""Clients of the three networks as people use them, on libraries that the gateway's own adapters share nothing with.

They record what they see, all in the same words, so that what reached whom can be compared.
"""

from bridge.demo.clients.irc import IrcClient
from bridge.demo.clients.matrix import MatrixClient
from bridge.demo.clients.seen import Client, ClientError, Seen, Sight
from bridge.demo.clients.xmpp import XmppClient

__all__ = ["Client", "ClientError", "IrcClient", "MatrixClient", "Seen", "Sight", "XmppClient"]
