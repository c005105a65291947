/**
 * Numbers of the limits. Bursts lie a little above what an honest client takes
 * (20 posts per channel, 40 edits), so that only a careless one is refused.
 * https://docs.slack.dev/apis/web-api/rate-limits
 */
export type LimitNumbers = {
  postBurst: number;
  postsPerSecond: number;
  updateBurst: number;
  updatesPerMinute: number;
  tier2Burst: number;
  tier3Burst: number;
  tier4Burst: number;
};

export type LimitSetting = 'slack' | 'off' | Partial<LimitNumbers>;

const slackNumbers: LimitNumbers = {
  postBurst: 25,
  postsPerSecond: 1,
  updateBurst: 50,
  updatesPerMinute: 50,
  tier2Burst: 30,
  tier3Burst: 60,
  tier4Burst: 120,
};

const perMinute = { tier2: 20, tier3: 50, tier4: 100 };
type Tier = keyof typeof perMinute;

const tiers: Record<string, Tier> = {
  'apps.connections.open': 'tier3',
  'chat.delete': 'tier3',
  'chat.postEphemeral': 'tier4',
  'conversations.history': 'tier3',
  'conversations.info': 'tier3',
  'conversations.join': 'tier3',
  'conversations.list': 'tier2',
  'conversations.open': 'tier3',
  'conversations.replies': 'tier3',
  'reactions.add': 'tier3',
  'team.info': 'tier3',
  'users.info': 'tier4',
  'users.lookupByEmail': 'tier3',
  'views.open': 'tier4',
  'views.publish': 'tier4',
  'views.update': 'tier4',
};

type Bucket = { capacity: number; perMs: number; level: number; at: number };

/** Token buckets: per channel for posts, per method for the rest. */
export class RateLimits {
  readonly #numbers: LimitNumbers | null;
  readonly #buckets = new Map<string, Bucket>();

  constructor(setting: LimitSetting) {
    this.#numbers = setting === 'off' ? null : { ...slackNumbers, ...(setting === 'slack' ? {} : setting) };
  }

  /** Takes one call. Answers null when it may pass, else the whole seconds to wait. */
  take(method: string, channelId: string | null, nowMs: number): number | null {
    const rule = this.#numbers && ruleOf(this.#numbers, method);
    if (!rule) return null;
    const key = method === 'chat.postMessage' ? `${method} ${channelId ?? ''}` : method;
    let bucket = this.#buckets.get(key);
    if (!bucket) this.#buckets.set(key, (bucket = { ...rule, level: rule.capacity, at: nowMs }));
    bucket.level = Math.min(bucket.capacity, bucket.level + Math.max(0, nowMs - bucket.at) * bucket.perMs);
    bucket.at = Math.max(bucket.at, nowMs);
    if (bucket.level >= 1) {
      bucket.level -= 1;
      return null;
    }
    return Math.max(1, Math.ceil((1 - bucket.level) / bucket.perMs / 1000));
  }
}

function ruleOf(numbers: LimitNumbers, method: string): { capacity: number; perMs: number } | null {
  if (method === 'chat.postMessage')
    return { capacity: numbers.postBurst, perMs: numbers.postsPerSecond / 1000 };
  if (method === 'chat.update')
    return { capacity: numbers.updateBurst, perMs: numbers.updatesPerMinute / 60_000 };
  const tier = tiers[method];
  return tier ? { capacity: numbers[`${tier}Burst`], perMs: perMinute[tier] / 60_000 } : null;
}
