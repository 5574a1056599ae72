"""What the IRC servers have in common: they answer when a client can register."""

from collections.abc import Sequence

from bridge.demo.servers.process import Server, conversation


class IrcServer(Server):
    """`port` takes clients, without TLS."""

    user = "irc"
    port: int

    def _greeting(self) -> bytes:
        """What has to be sent before a client registers."""
        return b""

    def _ports(self) -> Sequence[int]:
        return [self.port]

    async def _answers(self) -> None:
        # A nick of at most nine characters is legal everywhere (RFC 2812 section 1.2.1).
        await conversation(
            self.port, self._greeting() + b"NICK rtprobe\r\nUSER rtprobe 0 * :probe\r\n", b" 001 rtprobe "
        )
