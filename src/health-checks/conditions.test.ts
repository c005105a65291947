import { describe, expect, it } from 'vitest';
import type { CheckResult, HealthCheck } from './health-check.ts';
import { type ConditionChange, type Conditions, endOf, type Step, step } from './conditions.ts';

const day = 86_400;
const start = Date.parse('2026-11-20T12:00:00Z');

function check(over: Partial<HealthCheck> = {}): HealthCheck {
  return {
    name: 'shop',
    type: 'http',
    target: 'https://shop.example.com/',
    severity: 'P1',
    namespace: null,
    labels: {},
    own: false,
    intervalMs: 10_000,
    timeoutMs: 5_000,
    forMs: 30_000,
    holdDownMs: 60_000,
    latency: null,
    certificate: null,
    probe: { type: 'database' },
    ...over,
  };
}

type Look = [atSeconds: number, found: 'ok' | 'bad' | Partial<CheckResult>];

/** Tells the looks one after the other; answers what was told, as "seconds kind condition severity", and the last step. */
function play(looks: Look[], over: Partial<HealthCheck> = {}, before: Conditions = {}) {
  let conditions = before;
  let previous: Date | null = null;
  let last: Step | undefined;
  const told: string[] = [];
  const changes: ConditionChange[] = [];
  for (const [atSeconds, found] of looks) {
    const at = new Date(start + atSeconds * 1_000);
    const result: CheckResult = {
      ok: found !== 'bad',
      detail: found === 'bad' ? 'refused' : 'fine',
      certificate: null,
      durationMs: 20,
      at,
      ...(typeof found === 'object' ? found : {}),
    };
    // What the row keeps is JSON.
    last = step(check(over), JSON.parse(JSON.stringify(conditions)) as Conditions, result, previous);
    conditions = last.conditions;
    previous = at;
    changes.push(...last.changes);
    told.push(
      ...last.changes.map((change) => `${atSeconds} ${change.kind} ${change.condition} ${change.severity}`),
    );
  }
  return { told, changes, conditions, last };
}

describe('availability', () => {
  it('is told when it has failed for long enough, once', () => {
    const looks: Look[] = [
      [0, 'bad'],
      [10, 'bad'],
      [20, 'bad'],
      [30, 'bad'],
      [40, 'bad'],
      [50, 'bad'],
    ];
    const { told, changes, last } = play(looks);
    expect(told).toEqual(['30 fire availability P1']);
    expect(changes[0]?.since).toEqual(new Date(start));
    expect(last?.status).toBe('down');
  });

  it('is told at once without a wait', () => {
    expect(play([[0, 'bad']], { forMs: 0 }).told).toEqual(['0 fire availability P1']);
  });

  it('is not told when it was well in between', () => {
    const { told, last } = play([
      [0, 'bad'],
      [10, 'bad'],
      [20, 'ok'],
      [30, 'bad'],
      [40, 'bad'],
    ]);
    expect(told).toEqual([]);
    expect(last?.status).toBe('failing');
    expect(last?.lookAgainMs).toBe(20_000);
  });

  it('ends when it was well for long enough, and a failure in between begins that anew', () => {
    const { told } = play([
      [0, 'bad'],
      [30, 'bad'],
      [40, 'ok'],
      [90, 'ok'],
      [95, 'bad'],
      [100, 'ok'],
      [150, 'ok'],
      [160, 'ok'],
      [170, 'ok'],
    ]);
    expect(told).toEqual(['30 fire availability P1', '160 resolve availability P1']);
  });

  it('asks to be looked at when something is decided', () => {
    const { last } = play([
      [0, 'bad'],
      [10, 'bad'],
    ]);
    expect(last?.lookAgainMs).toBe(20_000);
    const recovering = play([
      [0, 'bad'],
      [30, 'bad'],
      [40, 'ok'],
    ]);
    expect(recovering.last?.status).toBe('recovering');
    expect(recovering.last?.lookAgainMs).toBe(60_000);
    expect(play([[0, 'ok']]).last?.lookAgainMs).toBeNull();
  });

  it('counts anew after a time of which nothing is known', () => {
    const { told } = play([
      [0, 'bad'],
      [3_600, 'bad'],
      [3_629, 'bad'],
    ]);
    expect(told).toEqual([]);
    const recovering = play([
      [0, 'bad'],
      [30, 'bad'],
      [40, 'ok'],
      [3_600, 'ok'],
    ]);
    expect(recovering.told).toEqual(['30 fire availability P1']);
  });

  it('is held longer when it comes and goes', () => {
    const looks: Look[] = [];
    for (let round = 0; round < 6; round += 1) {
      const at = round * 120;
      looks.push([at, 'bad'], [at + 30, 'bad'], [at + 40, 'ok'], [at + 100, 'ok']);
    }
    const { told, conditions } = play(looks);
    expect(told.filter((line) => line.includes('fire'))).toHaveLength(5);
    expect(told.filter((line) => line.includes('resolve'))).toHaveLength(4);
    const quiet: Look[] = [];
    for (let at = 710; at <= 1_400; at += 30) quiet.push([at, 'ok']);
    expect(play(quiet, {}, conditions).told).toEqual(['1310 resolve availability P1']);
  });
});

describe('latency', () => {
  const latency = { thresholdMs: 100, severity: 'P3' as const };

  it('is an alert of its own', () => {
    const slow = { durationMs: 500 };
    const { told } = play(
      [
        [0, slow],
        [30, slow],
        [40, slow],
        [50, 'ok'],
        [110, 'ok'],
      ],
      { latency },
    );
    expect(told).toEqual(['30 fire latency P3', '110 resolve latency P3']);
  });

  it('says nothing while it does not work, and what was told stays', () => {
    const slow = { durationMs: 500 };
    const { told, conditions } = play(
      [
        [0, slow],
        [30, slow],
        [40, 'bad'],
        [70, 'bad'],
        [130, 'bad'],
      ],
      { latency },
    );
    expect(told).toEqual(['30 fire latency P3', '70 fire availability P1']);
    expect(conditions.latency?.state).toBe('firing');
  });

  it('ends when nobody asks for it any more', () => {
    const { conditions } = play([[0, { durationMs: 500 }]], { latency, forMs: 0 });
    expect(play([[10, 'ok']], {}, conditions).told).toEqual(['10 resolve latency P3']);
  });
});

describe('certificate', () => {
  const certificate = { P1: 2, P2: 7, P3: 21 };
  const valid = (fromDays: number, toDays: number) => ({
    certificate: {
      subject: 'shop.example.com',
      issuer: 'CA',
      validFrom: new Date(start + fromDays * day * 1_000),
      validTo: new Date(start + toDays * day * 1_000),
    },
  });

  it.each([
    [-60, 30, []],
    [-340, 25, []],
    [-350, 15, ['0 fire certificate P3']],
    [-360, 5, ['0 fire certificate P2']],
    [-364, 1, ['0 fire certificate P1']],
    [-400, -1, ['0 fire certificate P1']],
    // Ninety days, renewed when thirty are left, and six days, renewed when two are.
    [-70, 20, []],
    [-4, 2, []],
    [-5.7, 0.3, ['0 fire certificate P2']],
    [1, 90, ['0 fire certificate P3']],
  ])('from %d to %d days: %j', (fromDays, toDays, expected) => {
    expect(play([[0, valid(fromDays, toDays)]], { certificate }).told).toEqual(expected);
  });

  it('grows graver, each step once, and ends with a new one', () => {
    const at = (dayNumber: number, found: Partial<CheckResult>): Look => [dayNumber * day, found];
    const old = valid(-345, 20);
    const looks = [at(0, old), at(1, old), at(14, old), at(19, old), at(19.5, old), at(21, old)];
    const renewed = valid(20, 385);
    const { told } = play(
      [...looks, [21 * day + 10, renewed], [21 * day + 60, renewed], [21 * day + 75, renewed]],
      { certificate },
    );
    expect(told).toEqual([
      '0 fire certificate P3',
      `${14 * day} fire certificate P2`,
      `${19 * day} fire certificate P1`,
      `${21 * day + 75} resolve certificate P1`,
    ]);
  });

  it('says nothing when none was seen', () => {
    const { told } = play(
      [
        [0, valid(-360, 5)],
        [10, 'bad'],
        [20, 'ok'],
        [200, 'ok'],
      ],
      { certificate },
    );
    expect(told).toEqual(['0 fire certificate P2']);
  });
});

describe('endOf', () => {
  it('ends what was told and nothing else', () => {
    const fired = play([[0, 'bad']], { forMs: 0 });
    expect(endOf(fired.conditions, new Date(start)).map(({ kind }) => kind)).toEqual(['resolve']);
    const pending = play([[0, 'bad']]);
    expect(endOf(pending.conditions, new Date(start))).toEqual([]);
  });
});
