/**
 * Every kind of background job: what it is told, how often it may fail before it
 * is left for a person, and how long one run may take. All of them can run twice:
 * they read the present state and do what is missing.
 */
export const tasks = {
  /** Something people see changed: open incidents, plan messages. */
  'alert.changed': { maxAttempts: 25, timeoutMs: 30_000 },
  /** Work off what is to be said to the incident provider about one incident. Ends before its claim does (`incidents/sync.ts`). */
  'incident.sync': { maxAttempts: 25, timeoutMs: 45_000 },
  /** Find out what changed at the incident provider about one thing, after it told us to look. */
  'provider.events': { maxAttempts: 25, timeoutMs: 45_000 },
  /** Do what somebody clicked or typed in Slack. */
  'slack.interaction': { maxAttempts: 5, timeoutMs: 30_000 },
  /** Look whether a channel that could not be posted to can be now, because the chat said that something became of it. */
  'channel.news': { maxAttempts: 5, timeoutMs: 60_000 },
} as const satisfies Record<string, { maxAttempts: number; timeoutMs: number }>;

export type TaskName = keyof typeof tasks;

export type TaskPayloads = {
  'alert.changed': { alertIds: string[] };
  'incident.sync': { incidentId: string };
  'provider.events': { subject: string };
  'slack.interaction': { eventId: string };
  'channel.news': { channelId: string; usable: boolean; lost?: boolean };
};

/** Lower runs first. */
export const priorities = { interaction: -20, urgent: -10, normal: 0 } as const;
