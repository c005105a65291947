import { clusterWatching } from './cluster-watching.ts';
import { memory } from './resident-memory.ts';
import { measureLatency } from './notification-latency.ts';
import type { Part } from './part.ts';
import { processes } from './processes.ts';
import { reading } from './reading.ts';
import { measureSinglePosts } from './single-posts.ts';
import { soak } from './soak.ts';
import { storm } from './storm.ts';
import { measureWebhooks } from './webhooks.ts';

/** In the order in which they run. */
export const parts: Part[] = [
  {
    letter: 'a',
    title: 'durable alerts per second, webhooks of 100',
    measure: ({ stage, profileFolder }) => measureWebhooks(stage, profileFolder),
  },
  {
    letter: 'b',
    title: 'requests per second, one alert each',
    measure: ({ stage, alertmanagerBinary, profileFolder }) =>
      measureSinglePosts(stage, alertmanagerBinary, profileFolder),
  },
  {
    letter: 'c',
    title: 'from the POST to Slack',
    measure: ({ stage, profileFolder }) => measureLatency(stage, profileFolder),
  },
  storm,
  memory,
  reading,
  processes,
  soak,
  clusterWatching,
];
