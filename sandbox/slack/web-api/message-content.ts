import { checkBlocks } from '../block-kit.ts';
import type { Issue, Surface } from '../block-kit.ts';
import { normaliseBlocks } from '../block-kit/normalise.ts';
import { newBlockId } from '../ids.ts';
import { isObject, objectList } from '../json.ts';
import type { JsonObject } from '../json.ts';
import { isGiven, textArg } from './arguments.ts';
import { fail } from './method.ts';
import type { Failure } from './method.ts';

/** What a call says about a message. `undefined` means it says nothing about that part. */
export type GivenContent = {
  text: string | undefined;
  blocks: JsonObject[] | undefined;
  attachments: JsonObject[] | undefined;
  /** Null removes it. */
  metadata: JsonObject | null | undefined;
};

const mostTextLength = 40_000;
const mostAttachments = 100;
/** Slack names no number for metadata_too_large; this is well above what an alert needs. */
const mostMetadataBytes = 16_000;
/** What Slack writes when only blocks were sent. */
export const textOfBlocksOnly = "This content can't be displayed.";

/** Reads and checks the text, blocks, attachments and metadata of a call. */
export function readContent(args: JsonObject): { given: GivenContent; warnings: string[] } | Failure {
  const warnings: string[] = [];
  let text = textArg(args, 'text');
  if (isGiven(args['markdown_text'])) {
    if (text !== undefined || isGiven(args['blocks'])) return fail('markdown_text_conflict');
    text = textArg(args, 'markdown_text');
    if (text !== undefined && text.length > 12_000) return fail('msg_too_long');
  }
  if (text !== undefined && text.length > mostTextLength) {
    text = text.slice(0, mostTextLength);
    warnings.push('message_truncated');
  }
  const blocks = readBlocks(args['blocks'], 'message');
  if (blocks !== undefined && !Array.isArray(blocks)) return blocks;
  const attachments = readAttachments(args['attachments']);
  if (attachments !== undefined && !Array.isArray(attachments)) return attachments;
  const read = readMetadata(args['metadata']);
  if ('error' in read) return read;
  return { given: { text, blocks, attachments, metadata: read.metadata }, warnings };
}

/** invalid_blocks as Slack says it: which rule, and a pointer to the place. */
export function invalidBlocks(issues: readonly Issue[], error = 'invalid_blocks'): Failure {
  const lines = issues.map((issue) => `${issue.message} [json-pointer:${issue.pointer}]`);
  return fail(error, {
    errors: lines,
    response_metadata: { messages: lines.map((line) => `[ERROR] ${line}`) },
  });
}

export function readBlocks(value: unknown, surface: Surface): JsonObject[] | undefined | Failure {
  if (!isGiven(value)) return undefined;
  if (!Array.isArray(value)) return fail('invalid_blocks_format');
  if (value.length === 0) return [];
  const issues = checkBlocks(surface, value);
  return issues.length > 0 ? invalidBlocks(issues) : normaliseBlocks(objectList(value), newBlockId);
}

function readAttachments(value: unknown): JsonObject[] | undefined | Failure {
  if (!isGiven(value)) return undefined;
  if (!Array.isArray(value) || !value.every(isObject)) return fail('invalid_attachments');
  if (value.length > mostAttachments) return fail('too_many_attachments');
  const issues = value.flatMap((attachment, index) =>
    isGiven(attachment['blocks'])
      ? checkBlocks('message', attachment['blocks'], `/attachments/${index}/blocks`)
      : [],
  );
  if (issues.length > 0) return invalidBlocks(issues);
  return value.map((attachment, index) => ({
    id: index + 1,
    fallback: '[no preview available]',
    ...attachment,
    ...(attachment['blocks']
      ? { blocks: normaliseBlocks(objectList(attachment['blocks']), newBlockId) }
      : {}),
  }));
}

function readMetadata(value: unknown): { metadata: GivenContent['metadata'] } | Failure {
  if (!isGiven(value)) return { metadata: undefined };
  if (!isObject(value)) return fail('invalid_metadata_format');
  if (Object.keys(value).length === 0) return { metadata: null };
  const { event_type: type, event_payload: payload } = value;
  if (typeof type !== 'string' || type === '' || type.length > 255) return fail('invalid_metadata_format');
  if (!isObject(payload)) return fail('invalid_metadata_format');
  if (Buffer.byteLength(JSON.stringify(value)) > mostMetadataBytes) return fail('metadata_too_large');
  return { metadata: { event_type: type, event_payload: payload } };
}
