import { type Condition, condition, refOf, subjectOf } from '../condition.ts';
import { fields, isTerminating } from '../fields.ts';
import { readQuantity } from '../quantity.ts';
import { isIgnored, type Scene } from '../scene.ts';
import { nameOf } from './pod-findings.ts';

/** Quotas that are used up, or nearly (specification §2.4). One condition for each quota, with its resources inside. */
export function detectQuotas(scene: Scene): Condition[] {
  const { percent = 90 } = scene.rules['quota.nearly-full'].thresholds;
  return scene.view.list('resourcequotas').flatMap((quota) => {
    if (isTerminating(quota) || isIgnored(quota)) return [];
    const status = fields(quota.status);
    const hard = fields(status['hard']);
    const used = fields(status['used']);
    const near = Object.keys(hard)
      .map((name) => {
        const most = readQuantity(hard[name]) ?? 0;
        return { name, share: most > 0 ? ((readQuantity(used[name]) ?? 0) / most) * 100 : 0 };
      })
      .filter(({ share }) => share > percent)
      .toSorted((a, b) => b.share - a.share);
    if (near.length === 0) return [];
    const subject = subjectOf('ResourceQuota', quota);
    const isFull = near.some(({ share }) => share >= 100);
    return condition(scene.rules, {
      rule: isFull ? 'quota.full' : 'quota.nearly-full',
      reason: isFull ? 'QuotaFull' : 'QuotaNearlyFull',
      subject,
      since: scene.history.seen(`quota/${refOf(subject)}/${isFull}`, scene.now),
      title: `${nameOf(subject)} is ${isFull ? 'used up' : 'nearly used up'}`,
      description: near.map(({ name, share }) => `${name}: ${Math.round(share)} %`).join('\n'),
    });
  });
}
