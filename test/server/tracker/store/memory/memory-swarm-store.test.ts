import { MemorySwarmStore } from "../../../../../server/tracker/store/memory/memory-swarm-store.ts";
import { legacyPeersContract } from "../../../../contract/legacy-peers.ts";
import { orderStoreContract } from "../../../../contract/order-store.ts";
import { swarmCopiesContract } from "../../../../contract/swarm-copies.ts";
import { type MakeSwarmStore, swarmStoreContract } from "../../../../contract/swarm-store.ts";

const make: MakeSwarmStore = (clock, limits) => new MemorySwarmStore(clock, limits);
swarmStoreContract("memory", make);
legacyPeersContract("memory", make);
swarmCopiesContract("memory", make);
orderStoreContract("memory", make);
