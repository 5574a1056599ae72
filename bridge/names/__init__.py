"""What a foreign person or room is called on each kind of network: pure, deterministic, reversible (design section 5).

Names on XMPP and Matrix can be read back; nicks on IRC are candidates only, of which the adapter keeps the winner.
"""

from bridge.names.names import Names
from bridge.names.scheme import Kind, Named

__all__ = ["Kind", "Named", "Names"]
