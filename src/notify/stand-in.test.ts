import { describe, expect, it } from 'vitest';
import { placeFor, standInFor } from './stand-in.ts';

const channels = { critical: '#crit', default: '#rest', development: '#dev' };
const byRule = { channels, standIns: {} };

describe('the stand-in of a channel', () => {
  it.each([
    ['#crit', 0, '#rest'],
    ['#rest', 3, '#crit'],
    ['#dev', 0, '#rest'],
    ['#team', 0, '#crit'],
    ['#team', 1, '#crit'],
    ['#team', 2, '#rest'],
  ])('%s at priority %i is %s', (channel, priority, standIn) => {
    expect(standInFor(channel, priority, byRule)).toBe(standIn);
  });

  it('is what the settings say, where they say it', () => {
    const set = { channels, standIns: { '#crit': '#team' } };
    expect(standInFor('#crit', 0, set)).toBe('#team');
    expect(standInFor('#rest', 0, set)).toBe('#crit');
    expect(standInFor('constructor', 0, set)).toBe('#crit');
  });

  it('is never the channel itself', () => {
    expect(
      standInFor('#one', 0, {
        channels: { critical: '#one', default: '#one', development: '#one' },
        standIns: {},
      }),
    ).toBeNull();
  });
});

describe('the place of a message', () => {
  const place = (channel: string, ...dead: string[]) =>
    placeFor({ channel, priority: 1 }, (name) => dead.includes(name), byRule);

  it('is its channel, its stand-in, or nowhere', () => {
    expect(place('#crit')).toBe('#crit');
    expect(place('#crit', '#rest')).toBe('#crit');
    expect(place('#crit', '#crit')).toBe('#rest');
    expect(place('#crit', '#crit', '#rest')).toBeNull();
    expect(place('#dev', '#dev', '#rest')).toBeNull();
  });
});
