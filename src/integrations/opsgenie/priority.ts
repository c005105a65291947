import { severities, type Severity } from '../../alerts/alert.ts';

export const opsgeniePriorities = ['P1', 'P2', 'P3', 'P4', 'P5'] as const;
export type OpsgeniePriority = (typeof opsgeniePriorities)[number];

/** Our severity at Opsgenie. The labels differ by one: our P0 is their P1. */
export type PriorityMap = Record<Severity, OpsgeniePriority>;

export const defaultPriorities: PriorityMap = { P0: 'P1', P1: 'P2', P2: 'P3', P3: 'P4', P4: 'P5' };

/**
 * The severity a priority stands for. Where the map sends several severities to
 * one priority the gravest is meant; null for a priority the map does not use.
 */
export function severityOf(priority: unknown, priorities: PriorityMap): Severity | null {
  return severities.find((severity) => priorities[severity] === priority) ?? null;
}
