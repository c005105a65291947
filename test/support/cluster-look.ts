import type { KubeObject } from '../../src/cluster/cluster-view.ts';
import { detect, type Detection, detectors } from '../../src/cluster/detect.ts';
import { emptyMemory, type Memory, type Step, step } from '../../src/cluster/engine.ts';
import { History } from '../../src/cluster/history.ts';
import { activeRules, type Rules } from '../../src/cluster/rules.ts';
import { noProbes, type Probes, setScene } from '../../src/cluster/scene.ts';
import { clusterNow, TestView } from './cluster-objects.ts';

const allDetectors = new Set([...detectors.map(({ name }) => name), 'watcher']);

/** Detectors and engine over a view with a clock of its own: the watcher without its surroundings. */
export class ClusterLook {
  readonly view: TestView;
  history: History;
  memory: Memory;
  now: Date;
  rules: Rules = activeRules({});
  probes: Probes = noProbes;
  /** `rule P1 Deployment/shop/web` of what fired and was resolved, oldest first. */
  readonly fired: string[] = [];
  readonly resolved: string[] = [];

  constructor(objects: readonly KubeObject[] = [], options: { now?: Date; isFirstStart?: boolean } = {}) {
    this.view = new TestView(objects);
    this.now = options.now ?? clusterNow;
    this.history = new History(new Date(this.now.getTime() - 3_600_000));
    this.memory =
      options.isFirstStart === true
        ? emptyMemory
        : { ...emptyMemory, startedAt: new Date(this.now.getTime() - 3_600_000), baselined: allDetectors };
  }

  detect(): Detection {
    const { view, now, rules, history, probes } = this;
    const onTrouble = (detector: string, error: unknown): void => {
      throw new Error(`detector ${detector} failed`, { cause: error });
    };
    return detect(setScene({ view, now, rules, history, probes }), now, onTrouble);
  }

  step(): Step {
    const { conditions, evaluated } = this.detect();
    const result = step(this.memory, {
      conditions,
      evaluated,
      baseline: new Set(['rbac']),
      rules: this.rules,
      now: this.now,
    });
    this.memory = result.memory;
    for (const { finding, kind } of result.fire)
      if (kind !== 'changed') this.fired.push(wordsFor(finding.condition, finding.severity));
    for (const finding of result.resolve) this.resolved.push(wordsFor(finding.condition, finding.severity));
    return result;
  }

  /** Lets time pass, looking every so often. */
  pass(seconds: number, every = 10): void {
    const end = this.now.getTime() + seconds * 1_000;
    while (this.now.getTime() < end) {
      this.now = new Date(Math.min(end, this.now.getTime() + every * 1_000));
      this.step();
    }
  }

  /** Detectors' conditions in words, without regard to waits. */
  conditions(): string[] {
    return this.detect()
      .conditions.map((one) => wordsFor(one, one.stages[0]?.severity ?? null))
      .toSorted();
  }
}

function wordsFor(
  condition: { rule: string; subject: { kind: string; namespace: string | null; name: string } },
  severity: string | null,
): string {
  const { kind, namespace, name } = condition.subject;
  return `${condition.rule} ${severity} ${kind}/${namespace ?? '-'}/${name}`;
}
