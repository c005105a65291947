/** Where "now" comes from. Rules take a Date as an argument and never read it. */
export type Clock = { now(): Date };

export const systemClock: Clock = { now: () => new Date() };
