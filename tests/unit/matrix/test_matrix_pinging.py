"""How often a homeserver is asked to call us."""

import pytest

from adapters.matrix.errors import MatrixError
from adapters.matrix.pinging import ping
from tests.unit.matrix.homeserver import homeserver


@pytest.mark.parametrize(("errcode", "times"), [("M_CONNECTION_FAILED", 4), ("M_BAD_STATUS", 1), ("M_FORBIDDEN", 1)])
async def test_a_failed_connection_is_tried_again(errcode: str, times: int) -> None:
    async with homeserver() as (server, client):
        server.refuse["/ping"] = (400, {"errcode": errcode, "error": "no"})
        with pytest.raises(MatrixError) as error:
            await ping(client, "rialto")
        assert error.value.errcode == errcode
        assert server.count("/ping") == times


async def test_a_connection_that_fails_once_only() -> None:
    async with homeserver() as (server, client):
        server.refuse_once["/ping"] = [(400, {"errcode": "M_CONNECTION_FAILED", "error": "AlreadyCalled"})]
        await ping(client, "rialto")
        assert server.count("/ping") == 2
