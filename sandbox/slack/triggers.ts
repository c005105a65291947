import { newSecret } from './ids.ts';

/** How long a trigger_id may be exchanged for a modal. https://docs.slack.dev/interactivity/handling-user-interaction */
const triggerLifeMs = 3000;

type Trigger = { userId: string; issuedAt: number; isUsed: boolean };

/** Short-lived, single-use permissions to open a modal for the person who just did something. */
export class Triggers {
  readonly #issued = new Map<string, Trigger>();
  #count = 1000;

  issue(teamId: string, userId: string, nowMs: number): string {
    this.#count += 1;
    const id = `${this.#count}.${teamId.length}${nowMs}.${newSecret(32).toLowerCase()}`;
    this.#issued.set(id, { userId, issuedAt: nowMs, isUsed: false });
    return id;
  }

  /** The person the trigger belongs to, or Slack's error code. */
  exchange(
    id: string,
    nowMs: number,
  ): { userId: string } | { error: 'invalid_trigger_id' | 'expired_trigger_id' | 'exchanged_trigger_id' } {
    const trigger = this.#issued.get(id);
    if (!trigger) return { error: 'invalid_trigger_id' };
    if (trigger.isUsed) return { error: 'exchanged_trigger_id' };
    if (nowMs - trigger.issuedAt > triggerLifeMs) return { error: 'expired_trigger_id' };
    trigger.isUsed = true;
    return { userId: trigger.userId };
  }
}
