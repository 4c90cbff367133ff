import { type DescFile, type DescService, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  ServerReflection,
  type ServerReflectionRequest,
  type ServerReflectionResponseSchema,
} from "#gen/grpc/reflection/v1/reflection_pb.ts";
import { type ServedService, served } from "./served-service.ts";

type Answer = NonNullable<MessageInitShape<typeof ServerReflectionResponseSchema>["messageResponse"]>;

const NOT_FOUND = 5;
const UNIMPLEMENTED = 12;

/** grpc.reflection.v1: gives the descriptors of the services to tools such as `buf curl` and grpcurl. HTTP/2 only. */
export function reflectionOf(services: readonly DescService[]): ServedService {
  const index = new DescriptorIndex([...services, ServerReflection]);
  const implementation: ServiceImpl<typeof ServerReflection> = {
    async *serverReflectionInfo(requests) {
      for await (const request of requests) {
        yield { validHost: request.host, originalRequest: request, messageResponse: index.answer(request) };
      }
    },
  };
  return served(ServerReflection, implementation, { policies: { serverReflectionInfo: { changes: false } } });
}

class DescriptorIndex {
  readonly #services: readonly string[];
  readonly #byName = new Map<string, DescFile>();
  readonly #bySymbol = new Map<string, DescFile>();

  constructor(services: readonly DescService[]) {
    this.#services = services.map((service) => service.typeName);
    for (const service of services) this.#add(service.file);
  }

  answer({ messageRequest: asked }: ServerReflectionRequest): Answer {
    switch (asked.case) {
      case "listServices":
        return {
          case: "listServicesResponse",
          value: { service: this.#services.map((name) => ({ name })) },
        };
      case "fileByFilename":
        return file(this.#byName.get(asked.value));
      case "fileContainingSymbol":
        return file(this.#bySymbol.get(asked.value));
      case "fileContainingExtension":
      case "allExtensionNumbersOfType":
        return failure(NOT_FOUND, "this server has no extensions");
      default:
        return failure(UNIMPLEMENTED, "this request is not known");
    }
  }

  #add(file: DescFile): void {
    if (this.#byName.has(file.proto.name)) return;
    this.#byName.set(file.proto.name, file);
    for (const type of nestedTypes(file)) {
      if (type.kind === "extension") continue;
      this.#bySymbol.set(type.typeName, file);
      if (type.kind !== "service") continue;
      for (const method of type.methods) this.#bySymbol.set(`${type.typeName}.${method.name}`, file);
    }
    for (const dependency of file.dependencies) this.#add(dependency);
  }
}

/** The file, then every file that it imports, directly or not. */
function file(found: DescFile | undefined): Answer {
  if (!found) return failure(NOT_FOUND, "not found");
  const files = new Set([found]);
  for (const one of files) for (const dependency of one.dependencies) files.add(dependency);
  return {
    case: "fileDescriptorResponse",
    value: { fileDescriptorProto: [...files].map((one) => toBinary(FileDescriptorProtoSchema, one.proto)) },
  };
}

function failure(errorCode: number, errorMessage: string): Answer {
  return { case: "errorResponse", value: { errorCode, errorMessage } };
}
