/**
 * Reading all modules takes the better part of a second, in which a signal would end
 * the process as if it had been killed. Nothing has begun by then, so there is nothing
 * to stop: it ends in order. Imported before all else, so it imports nothing.
 */
const signals = ['SIGTERM', 'SIGINT'] as const;
const leave = (): void => process.exit(0);

export function leaveOnSignal(): void {
  for (const signal of signals) process.on(signal, leave);
}

/** Somebody else stops the process from now on. */
export function handOverSignals(): void {
  for (const signal of signals) process.off(signal, leave);
}
