"""Real servers, started on loopback in a folder of their own: for the demonstration and for the tests."""

from bridge.demo.servers.certificates import Certificate, make_certificate
from bridge.demo.servers.hybrid import HybridIrcd
from bridge.demo.servers.inspircd import InspIRCd
from bridge.demo.servers.ngircd import NgIRCd
from bridge.demo.servers.postgresql import PostgreSQL, postgresql_program
from bridge.demo.servers.process import Server, ServerError, free_ports
from bridge.demo.servers.prosody import Prosody
from bridge.demo.servers.services import NAME as SERVICES_NAME
from bridge.demo.servers.services import Services
from bridge.demo.servers.synapse import AppService, Synapse, synapse_python
from bridge.demo.servers.znc import Znc

__all__ = [
    "SERVICES_NAME",
    "AppService",
    "Certificate",
    "HybridIrcd",
    "InspIRCd",
    "NgIRCd",
    "PostgreSQL",
    "Prosody",
    "Server",
    "ServerError",
    "Services",
    "Synapse",
    "Znc",
    "free_ports",
    "make_certificate",
    "postgresql_program",
    "synapse_python",
]
