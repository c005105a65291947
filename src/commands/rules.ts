import type { Command } from 'commander';
import {
  activeRules,
  defaultRules,
  type Rule,
  type RuleName,
  ruleNames,
  type Rules,
} from '../cluster/rules.ts';
import { loadConfig } from '../config/load.ts';
import { checkReport } from '../config/problem.ts';

export function addRulesCommands(program: Command): void {
  const rules = program.command('rules').description('what the cluster watcher looks for');
  rules
    .command('list')
    .option('--config <file>', 'settings file (default: GOMON_CONFIG, else ./gomon.yaml if it is there)')
    .option('--json', 'as JSON')
    .description('print the active rules with their waits, severities and thresholds')
    .action(async (options: { config?: string; json?: boolean }) => {
      const loaded = await loadConfig({ argvConfigPath: options.config });
      if (!loaded.ok) {
        console.error(checkReport(loaded.problems));
        process.exitCode = 1;
        return;
      }
      const active = activeRules(loaded.config.settings.kubernetes.rules);
      console.log(options.json === true ? JSON.stringify(active, null, 2) : rulesTable(active));
    });
}

/** One line for each; `*` marks what the settings changed. */
export function rulesTable(rules: Rules): string {
  const rows = ruleNames.map((name) => {
    const rule = rules[name];
    return [
      isChanged(name, rule) ? `${name} *` : name,
      rule.enabled ? stagesText(rule) : 'off',
      numbersText(rule),
      rule.summary,
    ];
  });
  const head = ['RULE', 'AFTER', 'THRESHOLDS', 'WHAT'];
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  return [head, ...rows]
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(column === row.length - 1 ? 0 : (widths[column] ?? 0)))
        .join('  '),
    )
    .join('\n');
}

function isChanged(name: RuleName, rule: Rule): boolean {
  return JSON.stringify(rule) !== JSON.stringify(defaultRules[name]);
}

function stagesText({ stages }: Rule): string {
  return stages.map(({ afterSeconds, severity }) => `${durationText(afterSeconds)} ${severity}`).join(', ');
}

function numbersText({ thresholds }: Rule): string {
  return Object.entries(thresholds)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');
}

function durationText(seconds: number): string {
  if (seconds >= 86_400 && seconds % 86_400 === 0) return `${seconds / 86_400}d`;
  if (seconds >= 3_600 && seconds % 3_600 === 0) return `${seconds / 3_600}h`;
  return seconds >= 60 && seconds % 60 === 0 ? `${seconds / 60}m` : `${seconds}s`;
}
