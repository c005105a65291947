import {
  type Actor,
  type ActionResult,
  type AlertAction,
  actOnLocked,
  actWithin,
} from '../alerts/actions.ts';
import { findByFoldKeys, type StoredAlert, transitionsOf } from '../alerts/alert-queries.ts';
import { lockByIds } from '../alerts/alert-store.ts';
import { changedJobs } from '../alerts/changed.ts';
import { isOpen } from '../alerts/lifecycle.ts';
import type { Db, Tx } from '../db/pool.ts';
import { enqueue } from '../jobs/enqueue.ts';

export type ChatAction = Extract<AlertAction, { kind: 'acknowledge' | 'escalate' | 'resolve' | 'note' }>;

/**
 * A second press so soon after the alert was escalated is the same decision made
 * twice (or this job running again), not a wish for one more level.
 */
const pressedTwiceMs = 5_000;

/**
 * Does what was pressed on a message to all it is about: its alert or, where the
 * alerts of a broken data source share one, those of them that are open. Whoever
 * presses sees one message, and means what it shows.
 * @param alert whose id the button carried.
 */
export async function actOnMessage(
  db: Db,
  alert: StoredAlert,
  press: { action: ChatAction; actor: Actor; pressedAt: Date },
  now: Date,
): Promise<ActionResult> {
  const { action, actor, pressedAt } = press;
  return db.transaction().execute(async (tx): Promise<ActionResult> => {
    const locked = await lockByIds(tx, await idsOnMessage(tx, alert));
    if (action.kind === 'escalate') {
      const since = new Date(pressedAt.getTime() - pressedTwiceMs + 1);
      const ids = locked.map(({ id }) => id);
      const lately = await transitionsOf(tx, ids, ['escalate'], since);
      if (lately.length > 0) return { ok: true, already: true, alertId: alert.id };
    }
    const open = locked.filter(({ status }) => isOpen(status));
    // What cannot be done to an alert is said of the one that the button named.
    if (alert.foldKey === null || open.length === 0) return actWithin(tx, alert.id, action, actor, now);
    const forAll = { ...actor, about: { ...actor.about, sharedMessage: true } };
    const after = await actOnLocked(tx, open, action, forAll, now);
    const changed = after.filter((one, position) => one !== open[position]);
    await enqueue(tx, changedJobs(changed));
    return { ok: true, already: changed.length === 0, alertId: alert.id };
  });
}

async function idsOnMessage(tx: Tx, alert: StoredAlert): Promise<string[]> {
  const { source, tenant, foldKey } = alert;
  if (foldKey === null) return [alert.id];
  return (await findByFoldKeys(tx, [{ source, tenant, foldKey }])).map(({ id }) => id);
}
