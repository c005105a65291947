import { setTimeout as sleep } from 'node:timers/promises';

/** At fixed times, whatever the answers take: a slow answer must not slow the questions. */
export async function paced(
  count: number,
  perSecond: number,
  send: (number: number) => Promise<void>,
): Promise<void> {
  const startedAt = performance.now();
  const sent: Promise<void>[] = [];
  for (let number = 0; number < count; number += 1) {
    const dueMs = startedAt + (number * 1_000) / perSecond - performance.now();
    if (dueMs > 0) await sleep(dueMs);
    const one = send(number);
    // A failure is heard of at the end, and is no unhandled one until then.
    one.catch(() => undefined);
    sent.push(one);
  }
  await Promise.all(sent);
}
