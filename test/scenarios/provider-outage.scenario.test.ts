import { expect, it } from 'vitest';
import { startWorld } from '../support/world.ts';

it('after an outage of Opsgenie work goes on by itself within ten seconds, and nothing is lost or doubled', async () => {
  const world = await startWorld({ opsgenieStatusAsks: 0 });
  try {
    const first = await world.call('POST', '/api/v1/alerts', {
      title: 'Before',
      severity: 'P1',
      dedupKey: 'a',
    });
    await world.drain();
    const { incidentId } = (await world.call('GET', `/api/v1/alerts/${first.body.results[0].id}`)).body;
    world.opsgenie.fault({ effect: 'status', status: 503, times: 10_000 });
    for (const title of ['During one', 'During two', 'During three'])
      await world.call('POST', '/api/v1/alerts', { title, severity: 'P0', dedupKey: title });
    await world.call('POST', `/api/v1/incidents/${incidentId}/notes`, { text: 'still looking' });
    world.opsgenie.person.acknowledge(`gomon-${incidentId}`, 'ada@example.com');
    await expect
      .poll(async () => (await world.call('GET', '/metrics')).text, { timeout: 30_000 })
      .toContain('gomon_circuit_open{target="opsgenie"} 1');
    // As after an hour of it: everything would wait for a minute.
    await world.rows(
      `UPDATE incident_commands SET next_at = now() + interval '60 s' WHERE state <> 'confirmed'`,
    );
    world.opsgenie.clearFaults();
    const returned = Date.now();
    await expect
      .poll(() => world.opsgenie.alerts().filter((alert) => alert.message.includes('During')).length, {
        timeout: 20_000,
        interval: 50,
      })
      .toBe(3);
    await expect
      .poll(async () => (await world.call('GET', `/api/v1/incidents/${incidentId}`)).body.assignedTo, {
        timeout: 20_000,
      })
      .toBe('ada@example.com');
    // Generous: the machine that runs this may be busy; without the probe it is a minute.
    expect(Date.now() - returned).toBeLessThan(20_000);
    await world.drain();
    expect(world.opsgenie.alerts()).toHaveLength(4);
    expect(world.opsgenie.alerts().map((alert) => alert.count)).toEqual([1, 1, 1, 1]);
    expect(world.opsgenie.alerts()[0]?.notes.map((note) => note.note)).toEqual(['still looking']);
  } finally {
    await world.stop();
  }
}, 90_000);
