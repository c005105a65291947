import { type Condition, condition } from '../condition.ts';
import type { Scene } from '../scene.ts';

/**
 * Events enrich what state shows; alone they count only where state has no trace
 * (specification §2.9). Mounts and sandboxes stand with their pods.
 */
const aloneReasons = new Set(['SystemOOM', 'KubeletSetupFailed', 'FreeDiskSpaceFailed']);

export function detectEvents(scene: Scene): Condition[] {
  const { showSeconds = 900 } = scene.rules['event.system-oom'].thresholds;
  return scene.index.allWarnings.flatMap((event) => {
    if (!aloneReasons.has(event.reason) || event.about.kind !== 'Node') return [];
    if (scene.now.getTime() - event.at.getTime() > showSeconds * 1_000) return [];
    return condition(scene.rules, {
      rule: 'event.system-oom',
      reason: event.reason,
      subject: { kind: 'Node', namespace: null, name: event.about.name },
      since: event.at,
      title: `Node ${event.about.name}: ${event.reason}`,
      description: event.message,
      nodes: [event.about.name],
      explainedBy: [[`Node/-/${event.about.name}`]],
    });
  });
}
