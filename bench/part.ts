import type { Comparison } from './figures.ts';
import type { Stage } from './stage.ts';

/** What a part measures with. */
export type Setting = {
  stage: Stage;
  /** CPU profiles of the services go here. */
  profileFolder: string | null;
  alertmanagerBinary: string | null;
  /** How long the soak lasts. */
  soakMinutes: number;
};

/** One part of the bench, by the letter it is asked for with. */
export type Part = {
  letter: string;
  /** For `npm run bench -- --help`. */
  title: string;
  measure(setting: Setting): Promise<Comparison[]>;
};
