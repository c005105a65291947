import { describe, expect, it } from 'vitest';
import { at, knownAlert } from '../../test/support/alerts.ts';
import { planSubject } from './plan.ts';

const channels = {
  critical: '#alert-critical',
  default: '#k8s-healthchecks',
  development: '#monitoring-dev',
};
const options = { notifier: 'slack', routing: { routes: [], channels } };
type Subject = Parameters<typeof planSubject>[0];
type Row = Parameters<typeof planSubject>[1][number];

const subject = (parts: Partial<Subject> = {}): Subject => ({
  key: 'alert:a1',
  lead: knownAlert({ id: 'a1', severity: 'P3', receivedAt: at(10) }),
  open: true,
  episode: 1,
  ...parts,
});
const grave = subject({ lead: knownAlert({ id: 'a1', severity: 'P1' }) });
const row = (parts: Partial<Row> = {}): Row => ({
  id: 'n1',
  channel: '#k8s-healthchecks',
  sent_to: null,
  episode: 1,
  closed: false,
  ...parts,
});

describe('planning an alert of its own', () => {
  it('adds a message where there is none', () => {
    const { added, refreshed } = planSubject(subject(), [], options);
    expect(refreshed).toEqual([]);
    expect(added).toEqual([
      {
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        subject: 'alert:a1',
        alertId: 'a1',
        notifier: 'slack',
        channel: '#k8s-healthchecks',
        episode: 1,
        priority: 3,
        closed: false,
        reason: 'severity is P3',
        receivedAt: at(10),
      },
    ]);
  });

  it('refreshes the message that is there, and adds none', () => {
    expect(planSubject(subject(), [row()], options)).toEqual({
      added: [],
      refreshed: [{ id: 'n1', priority: 3, closed: false }],
    });
  });

  it('told elsewhere after an escalation: there, too, and the first place goes on', () => {
    const { added, refreshed } = planSubject(grave, [row()], options);
    expect(added).toMatchObject([{ channel: '#alert-critical', priority: 1, episode: 1 }]);
    expect(refreshed).toEqual([{ id: 'n1', priority: 1, closed: false }]);
    const rows = [row(), row({ id: 'n2', channel: '#alert-critical' })];
    expect(planSubject(grave, rows, options)).toEqual({
      added: [],
      refreshed: [
        { id: 'n1', priority: 1, closed: false },
        { id: 'n2', priority: 1, closed: false },
      ],
    });
  });

  it('closes every message when it is over, and opens no further one', () => {
    const rows = [row(), row({ id: 'n2', channel: '#monitoring-dev' })];
    const { added, refreshed } = planSubject({ ...grave, open: false }, rows, options);
    expect(added).toEqual([]);
    expect(refreshed.map(({ id, closed }) => [id, closed])).toEqual([
      ['n1', true],
      ['n2', true],
    ]);
  });

  it('that was over before anybody was told is told once, as over', () => {
    const { added } = planSubject(subject({ open: false }), [], options);
    expect(added).toMatchObject([{ closed: true, channel: '#k8s-healthchecks' }]);
  });

  it('tells a refire anew, and leaves closed messages of the past alone', () => {
    const { added, refreshed } = planSubject(subject({ episode: 2 }), [row({ closed: true })], options);
    expect(added).toMatchObject([{ episode: 2, closed: false }]);
    expect(refreshed).toEqual([]);
  });

  it('closes what a refire left open in the past', () => {
    const { added, refreshed } = planSubject(subject({ episode: 2 }), [row()], options);
    expect(added).toMatchObject([{ episode: 2 }]);
    expect(refreshed).toEqual([{ id: 'n1', priority: 3, closed: true }]);
  });

  it('comes to rest: planning what was planned adds nothing', () => {
    const { added } = planSubject(grave, [row({ closed: true })], { ...options });
    const rows = [row({ closed: true }), ...added.map((item) => row({ ...item }))];
    expect(planSubject(grave, rows, options).added).toEqual([]);
  });
});

describe('planning a message that several alerts share', () => {
  const shared = subject({ key: 'datasource:x', episode: null });

  it('begins with the first episode', () => {
    expect(planSubject(shared, [], options).added).toMatchObject([
      { subject: 'datasource:x', episode: 1, closed: false },
    ]);
  });

  it('stays with its message while one of them is open', () => {
    expect(planSubject(shared, [row()], options)).toEqual({
      added: [],
      refreshed: [{ id: 'n1', priority: 3, closed: false }],
    });
  });

  it('closes with the last of them', () => {
    const { added, refreshed } = planSubject({ ...shared, open: false }, [row()], options);
    expect(added).toEqual([]);
    expect(refreshed).toEqual([{ id: 'n1', priority: 3, closed: true }]);
  });

  it('begins anew after it was closed, and only then', () => {
    const rows = [row({ closed: true }), row({ id: 'n2', episode: 2, closed: true })];
    const { added, refreshed } = planSubject(shared, rows, options);
    expect(added).toMatchObject([{ episode: 3 }]);
    expect(refreshed).toEqual([]);
    expect(planSubject({ ...shared, open: false }, rows, options)).toEqual({
      added: [],
      refreshed: [{ id: 'n2', priority: 3, closed: true }],
    });
  });
});
