/** One thing wrong with the settings, told so that it can be mended without reading code. */
export type Problem = {
  /** `slack.routes[0].channel`, or the environment variable that set it. */
  path: string;
  /** File and line, where it stands in the file. */
  where?: string;
  /** What is there, masked where it may be a secret. */
  found: string;
  allowed: string;
  remedy: string;
};

/** The problems for people: a line for each with what was found, what is allowed and what to do. */
export function checkReport(problems: Problem[]): string {
  const blocks = problems.map((problem) =>
    [
      `${problem.path}${problem.where === undefined ? '' : ` (${problem.where})`}`,
      `  found:   ${problem.found}`,
      `  allowed: ${problem.allowed}`,
      `  remedy:  ${problem.remedy}`,
    ].join('\n'),
  );
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
  return `The settings have ${count}.\n\n${blocks.join('\n\n')}\n`;
}

/** `["slack", "routes", 0, "channel"]` as a person writes it. */
export function pathText(path: readonly PropertyKey[]): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (/^[\w-]+$/.test(String(part))) text += text === '' ? String(part) : `.${String(part)}`;
    else text += `[${JSON.stringify(String(part))}]`;
  }
  return text === '' ? 'the file as a whole' : text;
}

/** A value as it is shown: short, without the password of an address. */
export function shown(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  const text = JSON.stringify(value).replaceAll(/:\/\/[^/@\s"]*@/g, '://***@');
  return text.length <= 120 ? text : `${text.slice(0, 117)}…`;
}
