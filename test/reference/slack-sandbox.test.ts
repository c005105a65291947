import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isObject } from '../../sandbox/slack/json.ts';
import type { JsonObject } from '../../sandbox/slack/json.ts';
import { checkView } from '../../sandbox/slack/block-kit.ts';
import { readContent } from '../../sandbox/slack/web-api/message-content.ts';

type Sample = { def: 'message' | 'message_update' | 'modal' | 'home'; payload: JsonObject; why?: string };

const folder = process.env['GOMON_REFERENCE_DATA'];
const samples: { valid: Sample[]; invalid: Sample[] } = folder
  ? (JSON.parse(readFileSync(join(folder, 'slack', 'blockkit', 'samples.json'), 'utf8')) as {
      valid: Sample[];
      invalid: Sample[];
    })
  : { valid: [], invalid: [] };

/** Whether the sandbox has anything to say against the sample: a refusal, or a frown at a missing text. */
function objections({ def, payload }: Sample): string[] {
  if (def === 'modal' || def === 'home')
    return checkView(payload).map((issue) => `${issue.pointer}: ${issue.message}`);
  const content = readContent(payload);
  if ('error' in content) return [content.error];
  const { text } = content.given;
  if (text === undefined) return ['no fallback text'];
  return def === 'message_update' && text.length > 4000 ? ['msg_too_long'] : [];
}

/** The samples want ids of channels throughout; chat.postMessage also takes names, and so does the sandbox. */
const allowedBySlack = new Set(['channel name']);

describe.skipIf(!folder)('the Block Kit samples', () => {
  it('are there', () => {
    expect(samples.valid.length).toBeGreaterThan(0);
    expect(samples.invalid.length).toBeGreaterThan(0);
    expect([...samples.valid, ...samples.invalid].every((sample) => isObject(sample.payload))).toBe(true);
  });
  it.each(samples.valid.map((sample, index) => [`${sample.def} ${index}`, sample] as const))(
    'takes the valid %s',
    (_name, sample) => {
      expect(objections(sample)).toEqual([]);
    },
  );
  it.each(samples.invalid.map((sample) => [sample.why ?? '', sample] as const))(
    'refuses: %s',
    (why, sample) => {
      if (allowedBySlack.has(why)) expect(objections(sample)).toEqual([]);
      else expect(objections(sample)).not.toEqual([]);
    },
  );
});
