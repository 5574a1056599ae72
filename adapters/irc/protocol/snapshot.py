"""What must be known of a connection that stands, so that another process can go on with it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Snapshot(BaseModel):
    """A session that is `READY`. Whoever owns the connection adds to `owner` what it needs to know it again.

    Members and topics of channels are not in it: the server tells them when it is asked.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    version: Literal[1] = 1
    nick: str
    user: str | None
    host: str | None
    secure: bool
    account: str | None
    support: dict[str, str]
    offered: dict[str, str]
    enabled: list[str]
    channels: list[str]
    owner: dict[str, str] = {}
