import { MemorySwarmStore } from "../../../server/tracker/memory-swarm-store.ts";
import { swarmStoreContract } from "../../contract/swarm-store.ts";

swarmStoreContract("memory", (clock, limits) => new MemorySwarmStore(clock, limits));
