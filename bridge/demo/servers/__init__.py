"""Real servers, started on loopback in a folder of their own: for the demonstration and for the tests."""

from bridge.demo.servers.inspircd import InspIRCd
from bridge.demo.servers.ngircd import NgIRCd
from bridge.demo.servers.process import Server, ServerError, free_ports
from bridge.demo.servers.prosody import Prosody
from bridge.demo.servers.synapse import AppService, Synapse, synapse_python

__all__ = [
    "AppService",
    "InspIRCd",
    "NgIRCd",
    "Prosody",
    "Server",
    "ServerError",
    "Synapse",
    "free_ports",
    "synapse_python",
]
