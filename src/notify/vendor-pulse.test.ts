import { expect, it } from 'vitest';
import type { NotifyFailureReason } from './notifier.ts';
import { VendorPulse } from './vendor-pulse.ts';

const refused = (reason: NotifyFailureReason) => ({ ok: false as const, reason, code: '', detail: '' });

it.each<[NotifyFailureReason, number]>([
  ['unavailable', 5],
  ['unknown', 5],
  ['app', 1],
  ['auth', 1],
  ['held', 1],
])('a vendor whose calls end as %s is down after %i, and back with the first answer', (reason, calls) => {
  const pulse = new VendorPulse();
  for (let n = 1; n <= calls; n += 1) {
    expect(pulse.isDown).toBe(false);
    expect(pulse.note(refused(reason))).toBe(false);
  }
  expect(pulse.isDown).toBe(true);
  expect(pulse.note({ ok: true })).toBe(true);
  expect([pulse.isDown, pulse.note({ ok: true })]).toEqual([false, false]);
});

it.each<NotifyFailureReason>(['rate-limited', 'channel', 'payload', 'gone'])('%s is an answer', (reason) => {
  const pulse = new VendorPulse();
  for (let n = 0; n < 9; n += 1) pulse.note(refused(reason));
  expect(pulse.isDown).toBe(false);
  pulse.note(refused('auth'));
  expect(pulse.note(refused(reason))).toBe(true);
});
