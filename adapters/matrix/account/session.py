"""The account's session with its homeserver, on matrix-nio: the only module that knows that library.

nio carries the requests and begins the session. Patience is that of `Client`, for nio overlooks ``Retry-After`` and
hands 5xx answers out as values. What comes in is read from the JSON itself, by the translators that also read what is
pushed to an application service: nio's own event classes know no relations and no captions, and validate a whole
answer at once, so that one odd event would hold up everything behind it.
"""

import json
import logging
from collections.abc import Mapping
from typing import ClassVar

import aiohttp
from nio.api import Api
from nio.client.async_client import AsyncClient, AsyncClientConfig
from yarl import URL

from adapters.matrix.client import Client
from adapters.matrix.errors import MatrixError
from adapters.matrix.settings import TOKEN

# nio logs answers it does not like, people's words and tokens included.
logging.getLogger("nio").setLevel(logging.CRITICAL + 1)


class Session(Client):
    """Requests to one homeserver in an account's name.

    `use` sets the token; before that, only `login` can succeed.
    """

    privileged: ClassVar[bool] = False

    def __init__(
        self,
        homeserver: str,
        user_id: str,
        *,
        first_wait: float = 0.5,
        longest_wait: float = 30.0,
        timeout: float = 60.0,
    ) -> None:
        super().__init__(homeserver, "", first_wait=first_wait, longest_wait=longest_wait, timeout=timeout)
        self._below = URL(homeserver).raw_path.rstrip("/")
        config = AsyncClientConfig(
            encryption_enabled=False, store_sync_tokens=False, max_limit_exceeded=0, max_timeouts=0
        )
        self._nio = AsyncClient(homeserver, user_id, config=config, ssl=True)

    def open(self) -> None:
        """Open the session. Called once, on the event loop."""
        super().open()
        self._nio.client_session = self._session

    async def login(self, password: str, device_id: str, device_name: str) -> tuple[str, str]:
        """Begin a session, or go on with that of `device_id` where it is given; the token and the device's id.

        Client-server API, specification v1.19, "Login". Raises `MatrixError`.
        """
        method, path, data = Api.login(
            self._nio.user, password=password, device_name=device_name, device_id=device_id or None
        )
        answer = await self.request(method, path, body=json.loads(data))
        token, device = answer.get("access_token"), answer.get("device_id")
        if not isinstance(token, str) or not TOKEN.fullmatch(token) or not isinstance(device, str):
            raise MatrixError(502, "", "the homeserver's answer to the login has no token")
        self.use(token)
        return token, device

    def use(self, token: str) -> None:
        """From now on, be known by this token."""
        super().use(token)
        self._nio.access_token = token

    async def _exchange(
        self, session: aiohttp.ClientSession, method: str, url: URL, data: bytes | None, headers: Mapping[str, str]
    ) -> aiohttp.ClientResponse:
        answer: aiohttp.ClientResponse = await self._nio.send(
            method,
            url.raw_path_qs.removeprefix(self._below),
            data,
            dict(headers),
            timeout=session.timeout,  # nio hands it on to aiohttp, whose type this is
        )
        return answer
