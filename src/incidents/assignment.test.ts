import { describe, expect, it } from 'vitest';
import { knownAlert } from '../../test/support/alerts.ts';
import { type AssignmentRule, respondersFor } from './assignment.ts';

const rules: AssignmentRule[] = [
  {
    labels: { team: ['shop'] },
    severity: ['P0'],
    responders: [{ type: 'escalation', name: 'Shop, at once' }],
  },
  { labels: { team: ['shop'] }, responders: [{ type: 'team', name: 'Shop' }] },
  {
    namespace: ['kube-*'],
    responders: [
      { type: 'team', id: 'platform-1' },
      { type: 'user', name: 'ann@example.org' },
    ],
  },
];

describe('who is told of an incident', () => {
  it('is whoever the first line that fits names', () => {
    const shop = { team: 'shop' };
    expect(respondersFor(knownAlert({ severity: 'P0', labels: shop }), rules)).toEqual({
      responders: [{ type: 'escalation', name: 'Shop, at once' }],
      reason: 'line 1 of incidents.assignment fits',
    });
    expect(
      respondersFor(knownAlert({ severity: 'P1', labels: shop, namespace: 'kube-system' }), rules),
    ).toEqual({
      responders: [{ type: 'team', name: 'Shop' }],
      reason: 'line 2 of incidents.assignment fits',
    });
    expect(respondersFor(knownAlert({ namespace: 'kube-system' }), rules).responders).toHaveLength(2);
  });

  it('is left to the provider when no line fits', () => {
    const nobody = {
      responders: [],
      reason: 'no line of incidents.assignment fits: the provider decides who is told',
    };
    expect(respondersFor(knownAlert({ namespace: 'default' }), rules)).toEqual(nobody);
    expect(respondersFor(knownAlert(), [])).toEqual(nobody);
  });
});
