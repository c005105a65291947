/**
 * The part of Block Kit that a card may use, with its limits
 * (https://docs.slack.dev/reference/block-kit). One table serves the check of
 * a template and the trimming of what it renders to.
 */
export type Shape =
  | TextShape
  | StringShape
  | UrlShape
  | WordShape
  | FlagShape
  | ListShape
  | ObjectShape
  | ChoiceShape;

/** A text object: plain_text, or mrkdwn where `mrkdwn` is true. */
export type TextShape = { kind: 'text'; max: number; mrkdwn: boolean };
/** A string; too long: cut, or left out where a cut one would mean something else. */
export type StringShape = { kind: 'string'; max: number; tooLong: 'cut' | 'omit' };
export type UrlShape = { kind: 'url' };
export type WordShape = { kind: 'word'; allowed: readonly string[] };
export type FlagShape = { kind: 'flag' };
export type ListShape = { kind: 'list'; max: number; of: Shape };
export type ObjectShape = {
  kind: 'object';
  keys: Record<string, Shape>;
  required: readonly string[];
  /** At least one of these must be there. */
  anyOf?: readonly string[];
};
/** Told apart by `type`. */
export type ChoiceShape = { kind: 'choice'; of: Record<string, ObjectShape | TextShape> };

const plain = (max: number): TextShape => ({ kind: 'text', max, mrkdwn: false });
const text = (max: number): TextShape => ({ kind: 'text', max, mrkdwn: true });
const blockId: StringShape = { kind: 'string', max: 200, tooLong: 'cut' };

const confirm: ObjectShape = {
  kind: 'object',
  keys: {
    title: plain(100),
    text: plain(300),
    confirm: plain(30),
    deny: plain(30),
    style: { kind: 'word', allowed: ['primary', 'danger'] },
  },
  required: ['title', 'text', 'confirm', 'deny'],
};

const button: ObjectShape = {
  kind: 'object',
  keys: {
    text: plain(75),
    action_id: { kind: 'string', max: 255, tooLong: 'omit' },
    value: { kind: 'string', max: 2_000, tooLong: 'omit' },
    url: { kind: 'url' },
    style: { kind: 'word', allowed: ['primary', 'danger'] },
    confirm,
    accessibility_label: { kind: 'string', max: 75, tooLong: 'cut' },
  },
  required: ['text', 'action_id'],
  anyOf: ['value', 'url'],
};

const image: ObjectShape = {
  kind: 'object',
  keys: { image_url: { kind: 'url' }, alt_text: { kind: 'string', max: 2_000, tooLong: 'cut' } },
  required: ['image_url', 'alt_text'],
};

export const blockShape: ChoiceShape = {
  kind: 'choice',
  of: {
    header: { kind: 'object', keys: { block_id: blockId, text: plain(150) }, required: ['text'] },
    section: {
      kind: 'object',
      keys: {
        block_id: blockId,
        text: text(3_000),
        fields: { kind: 'list', max: 10, of: text(2_000) },
        accessory: { kind: 'choice', of: { button, image } },
        expand: { kind: 'flag' },
      },
      required: [],
      anyOf: ['text', 'fields'],
    },
    context: {
      kind: 'object',
      keys: {
        block_id: blockId,
        elements: {
          kind: 'list',
          max: 10,
          of: { kind: 'choice', of: { mrkdwn: text(3_000), plain_text: plain(3_000), image } },
        },
      },
      required: ['elements'],
    },
    actions: {
      kind: 'object',
      keys: {
        block_id: blockId,
        elements: { kind: 'list', max: 25, of: { kind: 'choice', of: { button } } },
      },
      required: ['elements'],
    },
    image: {
      kind: 'object',
      keys: { block_id: blockId, ...image.keys, title: plain(2_000) },
      required: image.required,
    },
    divider: { kind: 'object', keys: { block_id: blockId }, required: [] },
  },
};

/** Blocks in one message. */
export const maxBlocks = 50;
