/** More keys than this wait for the next question. */
const mostPerQuestion = 500;

/**
 * Answers many questions for one key each by few for many: one is under way at a
 * time, and whatever is asked meanwhile goes into the next. However many unknown
 * tokens somebody sends, they cost the database one connection.
 */
export function batchedLookup<Found>(
  askFor: (keys: Buffer[]) => Promise<Map<string, Found>>,
): (key: Buffer) => Promise<Found | null> {
  type Waiting = { key: Buffer; resolve: (found: Found | null) => void; reject: (error: unknown) => void };
  const waiting: Waiting[] = [];
  let isRunning = false;
  const run = async (): Promise<void> => {
    isRunning = true;
    while (waiting.length > 0) {
      const asked = waiting.splice(0, mostPerQuestion);
      await askFor(asked.map(({ key }) => key)).then(
        (found) => asked.forEach(({ key, resolve }) => resolve(found.get(key.toString('base64')) ?? null)),
        (error: unknown) => asked.forEach(({ reject }) => reject(error)),
      );
    }
    isRunning = false;
  };
  return (key) =>
    new Promise((resolve, reject) => {
      waiting.push({ key, resolve, reject });
      if (!isRunning) void run();
    });
}
