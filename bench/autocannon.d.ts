/** As much of autocannon 9 as the load generator uses; the package brings no types. */
declare module 'autocannon' {
  type Client = { setRequests(requests: { body: Buffer }[]): void };

  type Options = {
    url: string;
    method: 'POST';
    headers: Record<string, string>;
    connections: number;
    amount: number;
    /** Seconds. */
    timeout: number;
    /** Milliseconds between looks at whether it is over. */
    sampleInt: number;
    setupClient: (client: Client) => void;
  };

  type Result = { '2xx': number; non2xx: number; errors: number; timeouts: number };

  type Tracker = {
    on(
      event: 'response',
      listener: (client: Client, statusCode: number, bytes: number, responseTimeMs: number) => void,
    ): void;
  };

  export default function autocannon(
    options: Options,
    done: (error: Error | null, result: Result) => void,
  ): Tracker;
}
