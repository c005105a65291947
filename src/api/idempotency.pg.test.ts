import { afterAll, beforeAll, expect, it } from 'vitest';
import { at, describedSignal, intakeRequest } from '../../test/support/alerts.ts';
import { type DomainDatabase, openDomainDatabase } from '../../test/support/domain-database.ts';
import { claimKey, storedAnswer } from './idempotency.ts';

let database: DomainDatabase;

beforeAll(async () => {
  database = await openDomainDatabase();
});

afterAll(() => database.close());

it('an answer is kept as it was given, also with characters that jsonb does not take', async () => {
  const claim = { owner: 'ci', key: 'k1', requestHash: Buffer.from('one') };
  const request = intakeRequest([describedSignal({ fingerprint: 'a\0b\uFDD0' })], at(1));
  const result = await database.intake.submitWith(request, claimKey(claim, at(1)));
  expect(result).toMatchObject({ ok: true, results: [{ outcome: 'created', fingerprint: 'a\0b\uFDD0' }] });
  expect(await storedAnswer(database.db, claim)).toEqual({ kind: 'answered', result });
  expect(await storedAnswer(database.db, { ...claim, requestHash: Buffer.from('two') })).toEqual({
    kind: 'other-request',
  });
});
