"""Having the homeserver call us: application service API, specification v1.19, "Pinging"."""

import secrets

from adapters.matrix.client import Client
from adapters.matrix.errors import MatrixError


async def ping(client: Client, appservice: str) -> None:
    """Have the homeserver reach us. Raises `MatrixError` if it cannot.

    It is asked twice before it is believed that it cannot connect: the first time it may have taken a connection out
    of its pool that had ended with whoever listened here before (seen with Synapse: "AlreadyCalled").
    """
    for last in (False, True):
        body = {"transaction_id": secrets.token_hex(8)}
        try:
            await client.request("POST", "/_matrix/client/v1/appservice", appservice, "ping", body=body)
        except MatrixError as error:
            if last or error.errcode != "M_CONNECTION_FAILED":
                raise
        else:
            return
