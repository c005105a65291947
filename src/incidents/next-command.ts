import { facetOf } from './confirmed-state.ts';
import type { CommandPayload } from './incident-store.ts';

/** What the order of the outbox looks at. */
export type Queued = {
  payload: CommandPayload;
  state: 'pending' | 'accepted' | 'unknown';
  attempts: number;
  refusals: number;
  nextAt: Date;
};

/**
 * Which of an incident's waiting commands is next, of a queue in the order they were
 * wished for. Pure. One that failed and waits for another try may be overtaken: else
 * a person nobody knows there, put in charge, would keep the incident from being
 * closed. Opening stays first, what sets the same thing stays in its order, and
 * nothing overtakes what the vendor is working on.
 *
 * `moot`: what need not be said any more, as the incident is to be closed anyway.
 * When none is due yet, `next` is the one that is due first.
 */
export function nextOf<Command extends Queued>(
  queue: Command[],
  now: Date,
): { next: Command | null; moot: Command[] } {
  const closes = queue.findLastIndex(isClose);
  const moot = queue.filter(
    (command, at) => at < closes && isState(command) && command.state === 'pending' && hasFailed(command),
  );
  const lanes = new Set<string>();
  const candidates: Command[] = [];
  for (const command of queue.filter((one) => !moot.includes(one))) {
    const lane = laneOf(command.payload);
    if (lanes.has(lane)) continue;
    lanes.add(lane);
    candidates.push(command);
    if (command.payload.kind === 'open' || command.state === 'accepted' || !hasFailed(command)) break;
  }
  const due = candidates.find((command) => command.nextAt <= now);
  const soonest = candidates.toSorted((a, b) => a.nextAt.getTime() - b.nextAt.getTime())[0];
  return { next: due ?? soonest ?? null, moot };
}

/** Once may be chance. */
function hasFailed({ refusals, attempts }: Queued): boolean {
  return refusals > 0 || attempts >= 2;
}

function isClose({ payload }: Queued): boolean {
  return payload.kind === 'close' && payload.twin === undefined;
}

function isState({ payload }: Queued): boolean {
  return payload.kind !== 'close' && facetOf(payload.kind) !== null;
}

function laneOf(payload: CommandPayload): string {
  if (payload.kind === 'close' && payload.twin !== undefined) return `twin ${payload.twin}`;
  return facetOf(payload.kind) ?? payload.kind;
}
