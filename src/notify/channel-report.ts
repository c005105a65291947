import type { Db } from '../db/pool.ts';
import { troubledChannels } from './channel-store.ts';
import { urgentPriority } from './claim.ts';
import { type StandIns, standInFor } from './stand-in.ts';

/** For people: each channel that cannot be posted to, why, since when, and where its messages go. */
export async function reportDeadChannels(db: Db, notifier: string, standIns: StandIns): Promise<string[]> {
  const states = await troubledChannels(db, notifier);
  return [...states.values()]
    .filter(({ state }) => state === 'dead')
    .map(({ channel, code, detail, since }) => {
      const standIn = standInFor(channel, urgentPriority, standIns);
      const where =
        standIn === null || states.get(standIn)?.state === 'dead'
          ? 'its messages wait'
          : `its messages go to ${standIn}`;
      return `${channel} cannot be posted to since ${since.toISOString()} (${code}), ${where}. ${detail}`;
    });
}
