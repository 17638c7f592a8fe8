"""BitTorrent over uTP (BEP 29) with libtorrent: one peer seeds 4 MB, the other downloads it."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

from tests.lab.innocent.setting import Setting
from tests.lab.traffic import Exchange

_PORT = 6881
_PIECE = 64 * 1024
_PIECES = 64
_PEER = Path(__file__).with_name("bittorrent_peer.py")


def bittorrent(setting: Setting) -> Exchange:
    """Pieces downloaded over uTP alone."""
    folder = setting.client.lab.new_folder("bittorrent")
    (folder / "seed").mkdir()
    (folder / "leech").mkdir()
    (folder / "seed" / "file.bin").write_bytes(random.Random(1).randbytes(_PIECE * _PIECES))
    common = [str(folder), str(_PORT), str(_PIECE)]
    seed = setting.server.popen([sys.executable, str(_PEER), "seed", setting.address, *common], "bittorrent-seed")
    with seed:
        seed.require("ready", 10)
        leech = setting.client.popen(
            [
                *(sys.executable, str(_PEER), "leech", setting.client.address(setting.version), *common),
                setting.address,
            ],
            "bittorrent-leech",
        )
        with leech:
            leech.wait_for("done", 20)
            lines = leech.log().splitlines()
    have = max((json.loads(line)["pieces"] for line in lines if line.startswith("{")), default=0)
    return Exchange("BitTorrent uTP", _PIECES, _PIECES - have, note="pieces of 64 kB")
