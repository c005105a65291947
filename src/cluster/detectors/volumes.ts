import { type Condition, condition, layers, refOf, subjectOf } from '../condition.ts';
import { createdAt, fields, isTerminating, text, time } from '../fields.ts';
import { isIgnored, lastWarning, type Scene } from '../scene.ts';
import { nameOf } from './pod-findings.ts';
import { claimsOf } from './pods.ts';

/** Claims, volumes and attachments (specification §2.5). How full they are only Grafana knows. */
export function detectVolumes(scene: Scene): Condition[] {
  return [...claims(scene), ...volumes(scene), ...attachments(scene)];
}

function claims(scene: Scene): Condition[] {
  const waited = new Set(
    scene.index.pods
      .filter(({ facts }) => facts.phase === 'Pending' && !facts.terminating)
      .flatMap((entry) => claimsOf(entry).map((claim) => `${entry.pod.metadata.namespace ?? '-'}/${claim}`)),
  );
  return scene.view.list('persistentvolumeclaims').flatMap((claim) => {
    if (isTerminating(claim) || isIgnored(claim)) return [];
    const subject = subjectOf('PersistentVolumeClaim', claim);
    const phase = text(fields(claim.status)['phase']);
    const event = lastWarning(scene, subject, ['ProvisioningFailed', 'FailedBinding'], 3_600_000);
    if (phase === 'Lost') {
      return condition(scene.rules, {
        rule: 'volume.claim-lost',
        reason: 'ClaimLost',
        subject,
        title: `${nameOf(subject)} has lost its volume`,
        description: 'The volume it was bound to does not exist any more: its data may be gone.',
        layer: layers.storage,
      });
    }
    if (phase !== 'Pending') return [];
    const isWaited = waited.has(`${claim.metadata.namespace ?? '-'}/${claim.metadata.name}`);
    if (!isWaited && !bindsAtOnce(scene, text(fields(claim.spec)['storageClassName']))) return [];
    return condition(scene.rules, {
      rule: 'volume.claim-pending',
      reason: 'ClaimPending',
      subject,
      since: createdAt(claim),
      title: `${nameOf(subject)} gets no volume`,
      description: event?.message ?? (isWaited ? 'Pods wait for it.' : ''),
      layer: layers.storage,
    });
  });
}

/** With WaitForFirstConsumer a claim without a pod is pending by design (T21); of an unknown class nothing is known. */
function bindsAtOnce(scene: Scene, className: string | null): boolean {
  if (className === null) return false;
  const storageClass = scene.view.get('storageclasses.storage.k8s.io', null, className);
  return (
    storageClass !== undefined && (text(storageClass['volumeBindingMode']) ?? 'Immediate') === 'Immediate'
  );
}

function volumes(scene: Scene): Condition[] {
  return scene.view.list('persistentvolumes').flatMap((volume) => {
    if (isTerminating(volume) || isIgnored(volume)) return [];
    const subject = subjectOf('PersistentVolume', volume);
    const status = fields(volume.status);
    const since = time(status['lastPhaseTransitionTime']);
    const phase = text(status['phase']);
    if (phase === 'Failed') {
      return condition(scene.rules, {
        rule: 'volume.failed',
        reason: 'VolumeFailed',
        subject,
        since: since ?? scene.history.seen(`volume/${volume.metadata.name}`, scene.now),
        title: `${nameOf(subject)} failed`,
        description: text(status['message']) ?? '',
        layer: layers.storage,
      });
    }
    if (phase !== 'Released' || since === null) return [];
    const size = fields(fields(volume.spec)['capacity'])['storage'];
    return condition(scene.rules, {
      rule: 'volume.released',
      reason: 'VolumeReleased',
      subject,
      since,
      title: `${nameOf(subject)} is kept without a claim`,
      description: typeof size === 'string' ? `Size ${size}.` : '',
    });
  });
}

/** After a node was lost, a volume cannot be attached elsewhere for some minutes: the node explains that. */
function attachments(scene: Scene): Condition[] {
  return scene.view.list('volumeattachments.storage.k8s.io').flatMap((attachment) => {
    const error = fields(fields(attachment.status)['attachError']);
    const message = text(error['message']);
    if (message === null || isTerminating(attachment)) return [];
    const spec = fields(attachment.spec);
    const volume = text(fields(spec['source'])['persistentVolumeName']) ?? attachment.metadata.name;
    const node = text(spec['nodeName']);
    const broken = [...scene.index.brokenNodes].map((name) => [
      refOf({ kind: 'Node', namespace: null, name }),
    ]);
    const subject = { kind: 'PersistentVolume', namespace: null, name: volume };
    return condition(scene.rules, {
      rule: 'volume.mount-failed',
      reason: 'AttachFailed',
      subject,
      since: createdAt(attachment) ?? scene.history.seen(`attach/${attachment.metadata.name}`, scene.now),
      title: `${nameOf(subject)} cannot be attached${node === null ? '' : ` to ${node}`}`,
      description: message,
      nodes: node === null ? [] : [node],
      layer: layers.storage,
      explainedBy: broken,
    });
  });
}
