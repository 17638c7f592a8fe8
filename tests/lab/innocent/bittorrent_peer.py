"""One BitTorrent peer: ``seed|leech OWN_ADDRESS FOLDER PORT PIECE [SEED_ADDRESS]``; uTP only.

A program of its own, because libtorrent opens its sockets in the namespace of its process.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import libtorrent

_DEADLINE = 20.0


def _session(address: str, port: int) -> libtorrent.session:
    endpoint = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    return libtorrent.session(
        {
            "listen_interfaces": endpoint,
            "enable_outgoing_tcp": False,
            "enable_incoming_tcp": False,
            "enable_outgoing_utp": True,
            "enable_incoming_utp": True,
            "enable_dht": False,
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "allow_multiple_connections_per_ip": True,
        }
    )


def _torrent(folder: Path, piece: int) -> libtorrent.torrent_info:
    files = libtorrent.file_storage()
    libtorrent.add_files(files, str(folder / "seed" / "file.bin"))
    creator = libtorrent.create_torrent(files, piece)
    libtorrent.set_piece_hashes(creator, str(folder / "seed"))
    return libtorrent.torrent_info(creator.generate())


def main() -> None:
    """Seed until ended, or download and print the pieces had so far."""
    role, address, folder, port, piece = (
        sys.argv[1],
        sys.argv[2],
        Path(sys.argv[3]),
        int(sys.argv[4]),
        int(sys.argv[5]),
    )
    session = _session(address, port)
    parameters = libtorrent.add_torrent_params()
    parameters.ti = _torrent(folder, piece)
    parameters.save_path = str(folder / role)
    handle = session.add_torrent(parameters)
    began = time.monotonic()
    if role == "leech":
        handle.connect_peer((sys.argv[6], port))
    announced = False
    while role == "seed" or time.monotonic() - began < _DEADLINE:
        status = handle.status()
        if role == "seed" and status.is_seeding and not announced:
            announced = True
            print("ready", flush=True)
        if role == "leech":
            print(json.dumps({"pieces": status.num_pieces, "peers": status.num_peers}), flush=True)
            if status.is_seeding:
                print("done", flush=True)
                return
        time.sleep(0.1)


if __name__ == "__main__":
    main()
