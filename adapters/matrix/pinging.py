"""Having the homeserver call us: application service API, specification v1.19, "Pinging"."""

import asyncio
import secrets

from adapters.matrix.client import Client
from adapters.matrix.errors import MatrixError

PAUSES = (0.0, 0.2, 1.0)
"""Seconds before each further attempt."""


async def ping(client: Client, appservice: str) -> None:
    """Have the homeserver reach us. Raises `MatrixError` if it cannot.

    It is asked again before it is believed that it cannot connect: it may have taken connections out of its pool that
    had ended with whoever listened here before (seen with Synapse: "AlreadyCalled", "AlreadyCancelled").
    """
    for pause in (*PAUSES, None):
        body = {"transaction_id": secrets.token_hex(8)}
        try:
            await client.request("POST", "/_matrix/client/v1/appservice", appservice, "ping", body=body)
        except MatrixError as error:
            if pause is None or error.errcode != "M_CONNECTION_FAILED":
                raise
            await asyncio.sleep(pause)
        else:
            return
