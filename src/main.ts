#!/usr/bin/env node
import { leaveOnSignal } from './early-signals.ts';

// Other commands end as any program does.
if (process.argv[2] === 'serve') leaveOnSignal();
const { runCommandLine } = await import('./commands/command-line.ts');
await runCommandLine();
