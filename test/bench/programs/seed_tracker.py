"""A tracker as the seed's was, by its description: seed_tracker.py DESCRIPTORS.

Knows pieces by their number alone, and the peers of a piece by the order in which they registered; GetFilePieces looks
at no file name and names one peer for each piece, the next at every call. Ten threads, as grpc's own examples have.
Prints the port that it listens at.
"""

import sys
import threading
from concurrent import futures
from pathlib import Path

import grpc

sys.path.insert(0, str(Path(__file__).parents[2] / "python"))
from seed_programs import Contract  # noqa: E402


def main(descriptors):
    contract = Contract(descriptors)
    registered = contract.message("RegisterPeerResponse")
    answer = contract.message("GetFilePiecesResponse")
    lock = threading.Lock()
    peers_of = {}
    turn_of = {}

    def register_peer(request, _context):
        with lock:
            for file in request.file_info:
                for piece in file.pieces:
                    peers_of.setdefault(piece.number, []).append(request.peer_address)
                    turn_of.setdefault(piece.number, 0)
        return registered(success=True)

    def get_file_pieces(_request, _context):
        response = answer()
        with lock:
            for number, peers in peers_of.items():
                turn = turn_of[number]
                response.pieces[number].addresses.append(peers[turn % len(peers)])
                turn_of[number] = turn + 1
        return response

    server = grpc.server(futures.ThreadPoolExecutor(max_workers=10))
    methods = {"RegisterPeer": register_peer, "GetFilePieces": get_file_pieces}
    server.add_generic_rpc_handlers((contract.handlers("TrackerService", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"listening at http://127.0.0.1:{port}\n")
    sys.stdout.flush()
    server.wait_for_termination()


main(*sys.argv[1:])
