"""What the test's Python programs share: messages and calls of the seed's contract, from descriptors alone.

No generated code: what protoc's plug-in for Python would have written is looked up when the program runs, from the
descriptors that `buf build -o` writes.
"""

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

TIMEOUT_S = 30


class Contract:
    """The package `tracker`."""

    def __init__(self, path):
        files = descriptor_pb2.FileDescriptorSet()
        with open(path, "rb") as file:
            files.ParseFromString(file.read())
        self._pool = descriptor_pool.DescriptorPool()
        for file in files.file:
            self._pool.Add(file)

    def message(self, name):
        return message_class(self._pool.FindMessageTypeByName(f"tracker.{name}"))

    def call(self, service, method, address, **fields):
        """One unary call to the server at host:port."""
        descriptor = self._pool.FindServiceByName(f"tracker.{service}").FindMethodByName(method)
        request = message_class(descriptor.input_type)(**fields)
        with grpc.insecure_channel(address) as channel:
            stub = channel.unary_unary(
                f"/tracker.{service}/{method}",
                request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=message_class(descriptor.output_type).FromString,
            )
            return stub(request, timeout=TIMEOUT_S)

    def handlers(self, service, methods):
        """Server-side: the methods that there are, by name; calls of others are answered with UNIMPLEMENTED."""
        descriptor = self._pool.FindServiceByName(f"tracker.{service}")
        return grpc.method_handlers_generic_handler(
            descriptor.full_name,
            {
                name: grpc.unary_unary_rpc_method_handler(
                    method,
                    request_deserializer=message_class(descriptor.FindMethodByName(name).input_type).FromString,
                    response_serializer=lambda message: message.SerializeToString(),
                )
                for name, method in methods.items()
            },
        )


def message_class(descriptor):
    # The first is newer than Debian 12's protobuf, the second is gone from the newest.
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory().GetPrototype(descriptor)
