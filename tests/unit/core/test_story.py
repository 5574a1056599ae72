"""What can be asked of one message: by any of its ids, and without what it says."""

from pathlib import Path

from bridge.contract import SendError
from bridge.model.result import Reason
from tests.unit.core.bench import person, running, said
from tests.unit.core.loopback import Loopback, confirm

ANA = person("Ana")


async def test_a_message_is_found_by_each_of_its_ids_and_nobody_elses(tmp_path: Path) -> None:
    nets = {"home": Loopback(), "office": Loopback(), "libera": Loopback()}
    nets["office"].answer = lambda part: SendError.permanent(Reason.FORBIDDEN, "the room is moderated")
    async with running(tmp_path, nets) as service:
        await nets["home"].core.accept(said("a secret", ANA, native_id="$one"), said("another", ANA, native_id="$two"))
        await nets["home"].until(lambda: len(nets["home"].told) == 2)
        (story,) = await service.story("$one")
        assert (story["network"], story["native_id"], story["sender"]) == ("home", "$one", "ana")
        assert "a secret" not in str(story)
        assert story["body_kept"]
        libera, office = story["deliveries"]
        assert (libera["network"], libera["state"], libera["told"]) == ("libera", "confirmed", False)
        assert (office["network"], office["state"]) == ("office", "failed")
        assert (office["reason"], office["text"]) == ("forbidden", "the room is moderated")
        assert story["received"] <= libera["updated"]
        sent = nets["libera"].sent[0]
        receipt = confirm(sent)
        for wanted in (story["id"], story["id"].upper(), sent.id, receipt.native_id):
            assert [found["id"] for found in await service.story(str(wanted))] == [story["id"]], wanted
        assert await service.story("$three") == []
        failure = service.status()["failures"][0]
        assert (failure["id"], failure["place"]) == (story["id"], "office:tea@conference.example.org")
        assert "moderated" in failure["why"]
        assert await service.healthy()
    assert not await service.healthy(), "the store is closed"
