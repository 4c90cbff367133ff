"""One libtorrent process: makes a torrent, seeds a file, or downloads it. Run by download.ts with Debian's Python.

    libtorrent_peer.py make FILE TORRENT
    libtorrent_peer.py seed TORRENT FOLDER          prints "ready PORT" once every piece is checked
    libtorrent_peer.py get TORRENT FOLDER PORT...   ends when every piece is there

TCP on the loopback only; otherwise libtorrent as its defaults have it.
"""

import os
import sys
import time

import libtorrent

PIECE_LENGTH = 1 << 20


def make(file, torrent):
    storage = libtorrent.file_storage()
    libtorrent.add_files(storage, file)
    made = libtorrent.create_torrent(storage, piece_size=PIECE_LENGTH, flags=libtorrent.create_torrent.v1_only)
    libtorrent.set_piece_hashes(made, os.path.dirname(file))
    with open(torrent, "wb") as out:
        out.write(libtorrent.bencode(made.generate()))


def session():
    return libtorrent.session(
        {
            "listen_interfaces": "127.0.0.1:0",
            "enable_dht": False,
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "enable_outgoing_utp": False,
            "enable_incoming_utp": False,
            # Four seeders at one address are four peers.
            "allow_multiple_connections_per_ip": True,
            "alert_mask": libtorrent.alert.category_t.status_notification
            | libtorrent.alert.category_t.error_notification,
        }
    )


def add(peer, torrent, folder):
    params = libtorrent.add_torrent_params()
    params.ti = libtorrent.torrent_info(torrent)
    params.save_path = folder
    params.flags = libtorrent.torrent_flags.update_subscribe
    return peer.add_torrent(params)


def wait_until_seeding(peer, handle):
    while not handle.status().is_seeding:
        peer.wait_for_alert(50)
        for alert in peer.pop_alerts():
            if isinstance(alert, (libtorrent.torrent_error_alert, libtorrent.file_error_alert)):
                raise SystemExit(alert.message())


def seed(torrent, folder):
    peer = session()
    wait_until_seeding(peer, add(peer, torrent, folder))
    print("ready", peer.listen_port(), flush=True)
    while True:
        time.sleep(3600)


def get(torrent, folder, *ports):
    peer = session()
    handle = add(peer, torrent, folder)
    for port in ports:
        handle.connect_peer(("127.0.0.1", int(port)))
    wait_until_seeding(peer, handle)


{"make": make, "seed": seed, "get": get}[sys.argv[1]](*sys.argv[2:])
