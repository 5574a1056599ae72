"""The log of a conversation over real servers: one id from end to end, and never a word of what was said."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bridge.demo.servers import InspIRCd, Prosody, Synapse
from tests.networks.conftest import appservice
from tests.networks.world import DOMAIN, Stage, cast

NewFolder = Callable[[str], Path]


def entries(stage: Stage) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (stage.folder / "rialto.log").read_text().splitlines()]


async def test_a_message_is_followed_by_its_id_and_neither_words_nor_secrets_are_logged(
    prosody: Prosody, inspircd: InspIRCd, new_folder: NewFolder, unique: str
) -> None:
    said = {name: f"zanzibar-{name}-{unique}" for name in ("xmpp", "matrix", "irc")}
    whispered = f"zanzibar-whispered-{unique}"
    async with Synapse(new_folder("synapse"), appservice=appservice(path="/home")) as synapse:
        logs = {"level": "debug", "format": "json"}
        stage = Stage(new_folder("rialto"), unique, prosody, synapse, inspircd, logs=logs)
        async with cast(stage) as people, stage.process() as process:
            for source, text in said.items():
                await people.say(source, text)
                for client in people.all:
                    if not (source == "irc" and client is people.irc):  # which does not see its own
                        await client.wait_for(text=text, timeout=20)
            people.xmpp.tell(f"{people.irc.nick}%libera@{DOMAIN}", whispered)
            await people.irc.wait_for(text=whispered, timeout=20)
            people.xmpp.tell(f"nobody-{unique}%libera@{DOMAIN}", f"{whispered} to nobody")
            await people.xmpp.wait_for(lambda seen: "nobody" in seen.text or "nobody" in seen.who, timeout=20)
            process.terminate()
            async with asyncio.timeout(30):
                assert await process.wait() == 0
        whole = (stage.folder / "rialto.log").read_text()
        assert "zanzibar" not in whole
        service = synapse.appservice
        for secret in (stage.admin_token, service.as_token, service.hs_token, prosody.components[DOMAIN]):
            assert secret not in whole
        told = entries(stage)
        accepted = [each for each in told if each["event"] == "accepted" and each["place"] == f"office:{stage.muc()}"]
        assert len(accepted) == 1, accepted
        ends = [each for each in told if each["event"] == "ended" and each["msg"] == accepted[0]["msg"]]
        assert {(each["place"], each["state"]) for each in ends} == {
            (f"home:{stage.alias()}", "confirmed"),
            (f"libera:{stage.channel()}", "confirmed"),
        }
