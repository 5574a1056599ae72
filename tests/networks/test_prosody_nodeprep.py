"""Names through the nodeprep of the real Prosody: its own library, called through the Lua that runs it."""

import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.model.address import Address, Place
from bridge.names import Kind, Named, Names

PROSODY = Path("/usr/lib/prosody")
NAMES = Names(
    [
        Named("office", Kind.XMPP),
        Named("home", Kind.MATRIX, default=True),
        Named("home2", Kind.MATRIX),
        Named("libera", Kind.IRC),
    ]
)

# A name a line, as hex; back come what nodeprep makes of it and what its strict form does, which a JID arriving from
# elsewhere passes, or "-" where it is refused.
SCRIPT = """
package.cpath = arg[1] .. "/?.so;" .. package.cpath
local nodeprep = require "util.encodings".stringprep.nodeprep
local function hex(text)
    return text and (text:gsub(".", function (c) return ("%02x"):format(c:byte()) end)) or "-"
end
for line in io.lines() do
    local name = line:gsub("..", function (h) return string.char(tonumber(h, 16)) end)
    print(hex(nodeprep(name)) .. " " .. hex(nodeprep(name, true)))
end
"""


def prepare(names: list[str], folder: Path) -> list[tuple[str | None, str | None]]:
    """What Prosody's nodeprep, plain and strict, makes of each."""
    lua = next((found for found in map(shutil.which, ("lua5.4", "lua5.3", "lua5.2", "lua")) if found), None)
    assert lua, "no Lua found; install the package prosody"
    assert (PROSODY / "util/encodings.so").exists(), "Prosody's library is not there; install the package prosody"
    script = folder / "nodeprep.lua"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [lua, script, PROSODY],
        input="".join(f"{name.encode().hex()}\n" for name in names),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    pairs = [line.split(" ") for line in done.stdout.splitlines()]
    assert len(pairs) == len(names)
    plain, strict = zip(
        *[[None if x == "-" else bytes.fromhex(x).decode() for x in pair] for pair in pairs], strict=True
    )
    return list(zip(plain, strict, strict=True))


def people_and_rooms() -> Iterator[Address | Place]:
    """Every 60th character between others, and hostile mixtures from a fixed seed."""
    dice = random.Random(2778)
    no_line_end = [code for code in range(1, 0x600) if chr(code) not in "\r\n"]  # no native id holds one
    for code in [*no_line_end, *range(0x600, 0xD800, 20), *range(0xE000, sys.maxunicode + 1, 600)]:
        yield Address("libera", f"a{chr(code)}b")
    marks = (
        "eEaA\u0301\u0323\u0327\u0345\u1100\u1161\u11a8\u09c7\u09be\u0bc6\u0bbeאب1ςßﬁⅣ^%\\@:/ &\"'<>\x01\u200d\u2126"
    )
    for _ in range(3000):
        text = "".join(
            dice.choice(marks)
            if dice.random() < 0.8
            else chr(dice.choice([dice.randrange(14, 0xD800), 0x1F600, 0x10400]))
            for _ in range(dice.randint(1, 12))
        )
        yield Address("libera", text)
        yield Place("home", f"!{text}:{text}.org")
        yield Address("home2", f"@{text}:example.org")
        yield Address("office", f"{text}@conf.example.org/{text}")
    yield Address("libera", "x" * 2000)


def test_names_come_back_as_they_went(tmp_path: Path) -> None:
    named = {NAMES.xmpp_local(who): who for who in people_and_rooms()}
    assert len(named) > 10_000
    for local, prepared in zip(named, prepare(list(named), tmp_path), strict=True):
        assert prepared == (local, local), f"{named[local]!r} is {local!r}"
        assert NAMES.from_xmpp_local(prepared[0]) == named[local]


@pytest.mark.parametrize(("text", "prepared"), [("Ana", "ana"), ("ß", "ss"), ("e\u0301", "é"), ("a b", None)])
def test_it_is_nodeprep_that_was_asked(text: str, prepared: str | None, tmp_path: Path) -> None:
    assert prepare([text], tmp_path)[0][0] == prepared
