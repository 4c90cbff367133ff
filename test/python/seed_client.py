"""A client of the seed's contract: seed_client.py DESCRIPTORS CATALOG TRACKER NAME.

Takes the torrent NAME.json from the catalog (host:port), asks the tracker for the file's pieces, then asks the peers of
each piece in the order in which they are named, until one has the right bytes. Prints the SHA-256 of the whole, and
which address gave each piece.
"""

import hashlib
import json
import sys
import urllib.request

import grpc

from seed_programs import TIMEOUT_S, Contract


def fetch(contract, addresses, file_name, piece):
    request = {"file_name": file_name, "piece_number": piece["number"]}
    for address in addresses:
        try:
            if not contract.call("PeerService", "HasPiece", address, **request).has_piece:
                continue
            data = contract.call("PeerService", "DownloadPiece", address, **request).data
        except grpc.RpcError:
            continue
        if hashlib.sha256(data).hexdigest() == piece["hash"]:
            return address, data
    sys.exit(f"nobody gave piece {piece['number']}")


def main(descriptors, catalog, tracker, name):
    contract = Contract(descriptors)
    with urllib.request.urlopen(f"http://{catalog}/files/{name}.json", timeout=TIMEOUT_S) as answer:
        torrent = json.load(answer)
    file_name = torrent["file_name"]
    pieces = contract.call("TrackerService", "GetFilePieces", tracker, file_name=file_name).pieces
    whole = hashlib.sha256()
    for piece in torrent["pieces"]:
        address, data = fetch(contract, pieces[piece["number"]].addresses, file_name, piece)
        print(piece["number"], address)
        whole.update(data)
    print(whole.hexdigest())


main(*sys.argv[1:])
