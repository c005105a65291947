import { type Condition, condition, refOf, subjectOf } from '../condition.ts';
import { isTerminating, labelsOf, text } from '../fields.ts';
import { isIgnored, type Scene } from '../scene.ts';
import { noteVersion, writtenAt } from './config-changes.ts';
import { nameOf } from './pod-findings.ts';

/**
 * Secrets that were rotated, or should have been (specification §2.8): names and
 * times only, never a value nor its hash. Only Secrets with the label
 * gomon.io/rotate are held to an age.
 */
const otherTypes = new Set([
  'kubernetes.io/service-account-token',
  'helm.sh/release.v1',
  'bootstrap.kubernetes.io/token',
]);
const dayMs = 86_400_000;

export function detectSecretRotation(scene: Scene): Condition[] {
  const { showSeconds = 900 } = scene.rules['secret.rotated'].thresholds;
  const { days = 90 } = scene.rules['secret.overdue'].thresholds;
  return scene.view.list('secrets').flatMap((secret) => {
    const rotate = labelsOf(secret)['gomon.io/rotate'];
    if (rotate === undefined || rotate === 'false' || isTerminating(secret) || isIgnored(secret)) return [];
    if (otherTypes.has(text(secret['type']) ?? '')) return [];
    const subject = subjectOf('Secret', secret);
    const key = `secret/${refOf(subject)}/${secret.metadata.uid}`;
    const rotatedAt = noteVersion(scene, key, secret, showSeconds);
    if (rotatedAt !== null) {
      return condition(scene.rules, {
        rule: 'secret.rotated',
        reason: 'SecretRotated',
        subject,
        since: rotatedAt,
        title: `${nameOf(subject)} was rotated`,
        description: '',
      });
    }
    const written = lastRotation(scene, key) ?? writtenAt(secret);
    if (written === null || scene.now.getTime() - written.getTime() < days * dayMs) return [];
    return condition(scene.rules, {
      rule: 'secret.overdue',
      reason: 'RotationOverdue',
      subject,
      since: new Date(written.getTime() + days * dayMs),
      title: `${nameOf(subject)} has not been rotated for ${Math.floor((scene.now.getTime() - written.getTime()) / dayMs)} days`,
      description: '',
    });
  });
}

function lastRotation(scene: Scene, key: string): Date | null {
  const points = scene.history.points(key);
  const last = points.at(-1);
  return points.length < 2 || last === undefined ? null : new Date(last.at);
}
