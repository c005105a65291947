import { describe, expect, it } from 'vitest';
import { slackManifest } from './manifest.ts';

describe('the app manifest', () => {
  it.each(['https://gomon.example.com', 'https://gomon.example.com/'])(
    'points Slack to the doors below %s',
    (url) => {
      expect(slackManifest({ url })).toMatchObject({
        features: { slash_commands: [{ url: 'https://gomon.example.com/api/v1/slack/webhooks/commands' }] },
        settings: {
          event_subscriptions: { request_url: 'https://gomon.example.com/api/v1/slack/webhooks/events' },
          interactivity: { request_url: 'https://gomon.example.com/api/v1/slack/webhooks/interactions' },
        },
      });
    },
  );

  it('keeps a path of the address', () => {
    expect(JSON.stringify(slackManifest({ url: 'https://x.example/gomon/' }))).toContain(
      'https://x.example/gomon/api/v1/slack/webhooks/events',
    );
  });

  it.each(['', 'gomon.example.com', 'ftp://x.example'])('refuses the address "%s"', (url) => {
    expect(() => slackManifest({ url })).toThrow('must be an http or https URL');
  });
});

describe('slackManifest for Socket Mode', () => {
  it('turns it on and names no address', () => {
    const manifest = slackManifest({ url: null });
    expect(manifest).toMatchObject({
      settings: { socket_mode_enabled: true, interactivity: { is_enabled: true } },
    });
    expect(JSON.stringify(manifest)).not.toContain('http');
  });
});
