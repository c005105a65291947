/**
 * A read that many ask for at once: those who come while it runs share its answer,
 * and those who come soon after get the same one again, an error too. Bursts of
 * probes then cost one query, and never more than one is under way.
 * @param options.freshMs how long an answer is given again
 * @param options.timeoutMs after which whoever waits is given up on; the read itself goes on, and is shared until it ends
 */
export function sharedRead<Result>(
  read: () => Promise<Result>,
  options: { freshMs: number; timeoutMs: number; now?: () => number },
): () => Promise<Result> {
  const now = options.now ?? (() => performance.now());
  let running: Promise<Result> | null = null;
  let last: { answer: Promise<Result>; atMs: number } | null = null;
  return () => {
    if (running === null) {
      if (last !== null && now() - last.atMs < options.freshMs) return last.answer;
      const started = read();
      running = started;
      const ended = (): void => {
        last = { answer: started, atMs: now() };
        running = null;
      };
      started.then(ended, ended);
    }
    return within(running, options.timeoutMs);
  };
}

export class TimeoutError extends Error {
  override readonly name = 'TimeoutError';
}

/** The promise's answer, or a TimeoutError when it has none in time. */
async function within<Result>(promise: Promise<Result>, timeoutMs: number): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new TimeoutError(`no answer within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
