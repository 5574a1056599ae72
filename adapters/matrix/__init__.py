"""Matrix: a homeserver attached as an application service."""

from typing import Any, ClassVar

from pydantic import BaseModel

from adapters.matrix.adapter import MatrixAdapter
from adapters.matrix.ids import room_reference
from adapters.matrix.registration import registration
from adapters.matrix.settings import MatrixSettings
from bridge.contract import Adapter, Context


class MatrixFactory:
    """Builds attachments to Matrix homeservers."""

    kind: ClassVar[str] = "matrix"
    settings: ClassVar[type[BaseModel]] = MatrixSettings

    def create(self, settings: Any, context: Context) -> Adapter:
        """The adapter of one homeserver."""
        return MatrixAdapter(settings, context)

    def place(self, native: str, settings: Any) -> str:
        """An alias ``#NAME:DOMAIN`` or a room id. Raises `ValueError`."""
        return room_reference(native)

    def registration(self, settings: Any, context: Context) -> str:
        """The registration file for the homeserver."""
        return registration(settings, context)


ADAPTER = MatrixFactory()
