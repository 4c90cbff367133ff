/** The parts of a peer that can be processes of their own, over one folder. */
export const roles = ["serve", "announce", "replicate"] as const;
export type Role = (typeof roles)[number];
