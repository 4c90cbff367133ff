"""Downloads a file with nothing but grpcio and the protos: grpc_client.py DESCRIPTORS CATALOG TRACKER NAME.

DESCRIPTORS is what `buf build -o` writes; CATALOG and TRACKER are host:port. Asks the peers that the tracker names for
every piece, checks each hash, and prints the SHA-256 of the whole.
"""

import hashlib
import sys

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

TIMEOUT_S = 30


def load_pool(path):
    files = descriptor_pb2.FileDescriptorSet()
    with open(path, "rb") as file:
        files.ParseFromString(file.read())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return pool


def message_class(descriptor):
    # The first is newer than Debian 12's protobuf, the second is gone from the newest.
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory().GetPrototype(descriptor)


class Client:
    """Calls the unary methods of one service at one address."""

    def __init__(self, pool, service, address):
        self._service = pool.FindServiceByName(f"pieza.v1.{service}")
        self._channel = grpc.insecure_channel(address)

    def call(self, method, **fields):
        descriptor = self._service.FindMethodByName(method)
        request = message_class(descriptor.input_type)(**fields)
        answer = message_class(descriptor.output_type)
        stub = self._channel.unary_unary(
            f"/{self._service.full_name}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )
        return stub(request, timeout=TIMEOUT_S)


def has_piece(peer, number):
    return peer.complete or peer.bitfield[(number - 1) >> 3] & (0x80 >> ((number - 1) & 7)) != 0


def main(descriptors, catalog, tracker, name):
    pool = load_pool(descriptors)
    torrent = Client(pool, "CatalogService", catalog).call("GetTorrent", name=name).torrent
    table = Client(pool, "TrackerService", tracker).call("LocatePieces", info_hash=torrent.info_hash)
    clients = {peer.url: Client(pool, "PeerService", peer.url.split("//")[1]) for peer in table.peers}
    whole = hashlib.sha256()
    for piece in torrent.pieces:
        holders = [peer for peer in table.peers if has_piece(peer, piece.number)]
        holder = holders[(table.turn + piece.number) % len(holders)]
        data = clients[holder.url].call("GetPiece", info_hash=torrent.info_hash, number=piece.number).data
        if hashlib.sha256(data).hexdigest() != piece.hash:
            sys.exit(f"piece {piece.number} from {holder.url} has the wrong hash")
        whole.update(data)
    print(whole.hexdigest())


main(*sys.argv[1:])
