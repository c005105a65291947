import { writeSync } from 'node:fs';
import type { Reporter, TestModule } from 'vitest/node';

/**
 * Ends the output of a run with `N passed, N failed` (and `, N skipped`), after
 * the coverage report and whatever else is still printed: scripts read the last line.
 * A file that cannot be loaded, or an error outside any test, counts as one failure.
 */
export default class SummaryReporter implements Reporter {
  #line: string | null = null;

  onInit(): void {
    process.once('exit', () => {
      // Synchronous: nothing asynchronous survives "exit", and a pipe must get the line too.
      if (this.#line !== null) writeSync(1, `${this.#line}\n`);
    });
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const count = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
    for (const module of modules) {
      const failedBefore = count.failed;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state !== 'pending') count[state] += 1;
      }
      if (module.state() === 'failed' && count.failed === failedBefore) count.failed += 1;
    }
    const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : '';
    this.#line = `${count.passed} passed, ${count.failed} failed${skipped}`;
  }
}
