"""Who broke the protocol: we, or the server."""


class ProtocolError(Exception):
    """Base of the two families below; never raised itself."""

    def __init__(self, text: str) -> None:
        if type(self) is ProtocolError:
            raise TypeError("ProtocolError is a base class: raise LocalProtocolError or RemoteProtocolError")
        super().__init__(text)


class LocalProtocolError(ProtocolError):
    """We asked for something that may not be sent, or not now. Nothing was sent and nothing changed."""


class RemoteProtocolError(ProtocolError):
    """The server sent something that cannot be understood. The line is passed over; the session lives on."""
