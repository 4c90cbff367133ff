"""A peer of the seed's contract: seed_peer.py DESCRIPTORS TRACKER TORRENT.json FILE PIECE_LENGTH [MODE].

Registers every piece of the torrent with the tracker at TRACKER (host:port), as "localhost:port", and only then begins
to serve, as the original does. MODE "rotten" gives wrong bytes, and "silent" has no DownloadPiece, as the original.
Prints its port, then one line a piece that it was asked for. Ends when its standard input does, and deregisters.
"""

import json
import sys
from concurrent import futures

import grpc

from seed_programs import Contract


def say(line):
    """In one write: calls are answered by several threads."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(descriptors, tracker, torrent_path, path, piece_length, mode="honest"):
    contract = Contract(descriptors)
    with open(torrent_path, encoding="utf-8") as file:
        torrent = json.load(file)
    with open(path, "rb") as file:
        content = file.read()
    length = int(piece_length)

    def has_piece(request, _context):
        known = request.file_name == torrent["file_name"]
        has = known and 1 <= request.piece_number <= torrent["total_pieces"]
        return contract.message("PieceResponse")(has_piece=has)

    def download_piece(request, context):
        say(f"asked for {request.piece_number}")
        if mode == "silent":
            # What a generated servicer does with a method that nobody wrote.
            context.set_code(grpc.StatusCode.UNIMPLEMENTED)
            context.set_details("Method not implemented!")
            raise NotImplementedError("Method not implemented!")
        start = (request.piece_number - 1) * length
        data = content[start : start + length]
        if mode == "rotten":
            data = bytes([data[0] ^ 1]) + data[1:]
        return contract.message("DownloadPieceResponse")(data=data)

    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    methods = {"HasPiece": has_piece, "DownloadPiece": download_piece}
    server.add_generic_rpc_handlers((contract.handlers("PeerService", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    registration = {
        "peer_address": f"localhost:{port}",
        "file_info": [
            contract.message("FileInfo")(
                file_name=torrent["file_name"],
                total=torrent["total_pieces"],
                pieces=[contract.message("FilePiece")(**piece) for piece in torrent["pieces"]],
            )
        ],
    }
    if not contract.call("TrackerService", "RegisterPeer", tracker, **registration).success:
        sys.exit("not registered")
    server.start()
    say(f"serving {port}")
    sys.stdin.read()
    left = contract.call("TrackerService", "DeregisterPeer", tracker, **registration).success
    say(f"deregistered {left}")
    server.stop(None)


main(*sys.argv[1:])
