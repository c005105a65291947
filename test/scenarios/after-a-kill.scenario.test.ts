import { describe, expect, it } from 'vitest';
import { startWorld } from '../support/world.ts';

describe('a service that was killed', () => {
  it('goes on at once with what it was in the middle of, and does nothing twice', async () => {
    const world = await startWorld({ opsgenieStatusAsks: 0 });
    try {
      for (const title of ['First', 'Second']) {
        await world.call('POST', '/api/v1/alerts', { title, severity: 'P1', dedupKey: title });
      }
      await world.drain();
      const before = world.slack.messages('#alert-critical').map(({ ts }) => ts);
      // As a killed process leaves it: claimed a moment ago, and nothing written of what came of it.
      await world.rows(`
        UPDATE notifications SET state = 'sending', claimed_at = now(), attempted_at = now(),
          message_id = NULL, channel_id = NULL, posted_at = NULL, lane = 'post:' || channel`);
      await world.rows('UPDATE incidents SET sync_claimed_at = now()');
      await world.restart();
      await world.call('POST', '/api/v1/alerts', { title: 'First', dedupKey: 'First', status: 'resolved' });
      await world.drain();
      const messages = world.slack.messages('#alert-critical');
      expect(messages.map(({ ts }) => ts)).toEqual(before);
      expect(messages.filter(({ text }) => /resolved/i.test(text))).toHaveLength(1);
      expect(
        world.opsgenie
          .alerts()
          .map(({ status }) => status)
          .toSorted(),
      ).toEqual(['closed', 'open']);
    } finally {
      await world.stop();
    }
  });
});
