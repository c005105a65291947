import { byType, flag, integer, object, oneOf, text } from './shape.ts';

const style = object({
  bold: flag,
  italic: flag,
  strike: flag,
  code: flag,
  underline: flag,
  highlight: flag,
  client_highlight: flag,
  unlink: flag,
});
const word = { required: text({ max: 255 }) };

/** What a rich text section, quote or preformatted block is made of. */
export const parts = byType({
  text: object({ text: { required: text({ max: 40_000 }) }, style }),
  link: object({ url: { required: text({ max: 3000 }) }, text: text({ max: 40_000 }), unsafe: flag, style }),
  emoji: object({ name: word, unicode: text({ max: 255 }), skin_tone: integer(1, 6), style }),
  user: object({ user_id: word, style }),
  usergroup: object({ usergroup_id: word, style }),
  channel: object({ channel_id: word, style }),
  team: object({ team_id: word, style }),
  broadcast: object({ range: { required: oneOf('here', 'channel', 'everyone') }, style }),
  color: object({ value: word, style }),
  date: object({
    timestamp: { required: integer(0, 9_999_999_999) },
    format: { required: text({ max: 255 }) },
    url: text({ max: 3000 }),
    fallback: text({ max: 3000 }),
    style,
  }),
});
