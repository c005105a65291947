import { describe, expect, it } from 'vitest';
import { type OpsgenieWebhook, parseOpsgenieWebhook, verifyOpsgenieWebhook } from './webhook.ts';

const incidentId = '0199c0de-0000-7000-8000-00000000000a';

/** A body as the vendor posts it today; its numbers are written as text because a double cannot hold them. */
function body(action: string, alert: string): string {
  return `{"action":"${action}","alert":{"alertId":"a1-1700000000000"${alert}},"source":{"name":"","type":"web"},"integrationType":"Webhook"}`;
}

function parse(text: string): OpsgenieWebhook {
  const parsed = parseOpsgenieWebhook(Buffer.from(text));
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.webhook;
}

describe('parseOpsgenieWebhook', () => {
  it('reads a full body', () => {
    const webhook = parse(
      body(
        'AddNote',
        `,"alias":"gomon-${incidentId}","createdAt":1700000000000,"updatedAt":1700000123456002246,"username":"ada@example.com","userId":"u1","note":"looking","priority":"P2","oldPriority":"P2","tags":["a"],"details":{"k":"v"}`,
      ),
    );
    expect(webhook).toEqual({
      action: 'AddNote',
      door: 'web',
      alertId: 'a1-1700000000000',
      alias: `gomon-${incidentId}`,
      incidentId,
      externalIncidentId: null,
      actor: 'ada@example.com',
      note: 'looking',
      priority: 'P2',
      occurredAt: new Date(1_700_000_123_456),
      dedupKey: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  });

  it('reads the body of an escalation, which has nothing but the id', () => {
    const webhook = parse(
      '{"action":"Escalate","alert":{"alertId":"a1"},"escalationName":"night","escalationTime":0,"repeatCount":0}',
    );
    expect(webhook).toMatchObject({
      action: 'Escalate',
      alertId: 'a1',
      alias: null,
      incidentId: null,
      actor: null,
      occurredAt: null,
    });
    expect(webhook).not.toHaveProperty('note');
    expect(webhook).not.toHaveProperty('priority');
  });

  it.each([
    ['1700000123456002246', 1_700_000_123_456],
    ['"1700000123456000173"', 1_700_000_123_456],
    ['1700000123456', 1_700_000_123_456],
    ['1700000123456002', 1_700_000_123_456],
  ])('reads updatedAt %s', (written, ms) => {
    expect(parse(body('Close', `,"updatedAt":${written}`)).occurredAt).toEqual(new Date(ms));
  });

  it.each(['""', '"soon"', 'null', '0', '-5', '1e300', '{}'])('has no time for updatedAt %s', (written) => {
    expect(parse(body('Close', `,"updatedAt":${written}`)).occurredAt).toBeNull();
  });

  it.each([
    ['"P4"', 'P4'],
    ['3', 'P3'],
    ['"2"', 'P2'],
  ])('reads priority %s', (written, priority) => {
    expect(parse(body('Create', `,"priority":${written}`)).priority).toBe(priority);
  });

  it.each(['"P9"', '0', '""', 'null', '{}'])('has no priority for %s', (written) => {
    expect(parse(body('Create', `,"priority":${written}`))).not.toHaveProperty('priority');
  });

  it('knows the actions in any case, and keeps the name of a custom one', () => {
    expect(parse(body('acknowledge', '')).action).toBe('Acknowledge');
    expect(parse(body('UNACKNOWLEDGE', '')).action).toBe('UnAcknowledge');
    expect(parse(body('Restart pod', '')).action).toBe('Restart pod');
  });

  it('takes the actor for the new owner of a taken alert', () => {
    expect(parse(body('TakeOwnership', ',"username":"ada@example.com"')).owner).toBe('ada@example.com');
    expect(
      parse(body('AssignOwnership', ',"username":"ada@example.com","owner":"bob@example.com"')).owner,
    ).toBe('bob@example.com');
    expect(parse(body('Acknowledge', ',"username":"ada@example.com"'))).not.toHaveProperty('owner');
  });

  it.each([
    ['alias', `,"alias":"gomon-${incidentId}"`],
    ['details', `,"alias":"-","details":{"gomonIncidentId":"${incidentId}"}`],
    ['tags', `,"alias":"x","tags":["other",7,"gomon-${incidentId}"]`],
    ['alias in capitals', `,"alias":"GOMON-${incidentId.toUpperCase()}"`],
  ])('finds our incident in its %s', (_place, alert) => {
    expect(parse(body('Close', alert)).incidentId).toBe(incidentId);
  });

  it.each(['gomon-1', `x-gomon-${incidentId}`, `gomon-${incidentId}-2`, '-'])(
    'does not take alias %s for ours',
    (alias) => {
      expect(parse(body('Close', `,"alias":"${alias}"`)).incidentId).toBeNull();
    },
  );

  it("finds the vendor's incident behind its owner alert", () => {
    const webhook = parse(
      body('Acknowledge', ',"alias":"inc1_x","details":{"incident-id":"inc1","incident-alert-type":"Owner"}'),
    );
    expect(webhook).toMatchObject({ externalIncidentId: 'inc1', incidentId: null });
  });

  it('survives fields of the wrong type', () => {
    const webhook = parse(
      body('Close', ',"alias":7,"tags":"a","details":[1],"username":{},"note":[],"owner":3'),
    );
    expect(webhook).toMatchObject({ alias: null, incidentId: null, externalIncidentId: null, actor: null });
  });

  it('tells the same bytes from others', () => {
    const text = body('Close', '');
    expect(parse(text).dedupKey).toBe(parse(text).dedupKey);
    expect(parse(text).dedupKey).not.toBe(parse(`${text} `).dedupKey);
  });

  it.each([
    ['', 'not JSON'],
    ['payload=%7B%7D', 'not JSON'],
    ['[]', 'not a JSON object'],
    ['"x"', 'not a JSON object'],
    ['null', 'not a JSON object'],
    ['{}', '"action"'],
    ['{"action":5,"alert":{"alertId":"a"}}', '"action"'],
    ['{"action":"Close"}', '"alert.alertId"'],
    ['{"action":"Close","alert":{"alertId":""}}', '"alert.alertId"'],
    ['{"action":"Close","alert":"a1"}', '"alert.alertId"'],
  ])('refuses %s', (text, reason) => {
    expect(parseOpsgenieWebhook(Buffer.from(text))).toEqual({
      ok: false,
      reason: expect.stringContaining(reason),
    });
  });
});

describe('verifyOpsgenieWebhook', () => {
  const header = 'x-gomon-webhook-secret';

  it('accepts any of the secrets', () => {
    expect(verifyOpsgenieWebhook({ [header]: 'new' }, ['old', 'new'])).toEqual({ ok: true });
    expect(verifyOpsgenieWebhook({ [header]: 'old' }, ['old', 'new'])).toEqual({ ok: true });
  });

  it.each([
    [{}, ['s3cret'], 'missing'],
    [{ [header]: '' }, ['s3cret'], 'missing'],
    [{ [header]: 'wrong' }, ['s3cret'], 'does not match'],
    [{ [header]: 's3cre' }, ['s3cret'], 'does not match'],
    [{ [header]: ['s3cret', 's3cret'] }, ['s3cret'], 'more than once'],
    [{ [header]: 's3cret' }, [], 'no webhook secret is configured'],
    [{ [header]: '' }, [''], 'no webhook secret is configured'],
  ])('refuses %j against %j', (headers, secrets, reason) => {
    const result = verifyOpsgenieWebhook(headers, secrets);
    expect(result).toEqual({ ok: false, reason: expect.stringContaining(reason) });
    expect(JSON.stringify(result)).not.toContain('s3cret');
  });
});
