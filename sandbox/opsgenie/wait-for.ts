import type { OpsgenieState } from './state.ts';

/** Looks now and after every change, until `look` finds something or the time is over. */
export async function waitFor<T>(
  state: OpsgenieState,
  look: () => T | null | undefined | false,
  timeoutMs: number,
): Promise<T> {
  const first = look();
  if (first !== null && first !== undefined && first !== false) return first;
  return new Promise<T>((done, fail) => {
    const end = (settle: () => void) => {
      clearTimeout(timer);
      state.events.off('change', check);
      settle();
    };
    const check = () => {
      try {
        const found = look();
        if (found !== null && found !== undefined && found !== false) end(() => done(found));
      } catch (error) {
        end(() => fail(error instanceof Error ? error : new Error(String(error))));
      }
    };
    const timer = setTimeout(
      () => end(() => fail(new Error(`sandbox Opsgenie: nothing of the kind within ${timeoutMs} ms`))),
      timeoutMs,
    );
    state.events.on('change', check);
  });
}
