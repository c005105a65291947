import { describe, expect, it } from 'vitest';
import { isForbiddenHost } from './forbidden-address.ts';

describe('isForbiddenHost', () => {
  it.each([
    '169.254.169.254',
    '169.254.0.1',
    '100.100.100.200',
    '168.63.129.16',
    'fe80::1',
    '[fe80::1%eth0]',
    'fd00:ec2::254',
    '::ffff:169.254.169.254',
    '::ffff:a9fe:a9fe',
    '64:ff9b::a9fe:a9fe',
  ])('refuses %s', (address) => {
    expect(isForbiddenHost(address)).toBe(true);
  });

  it.each(['127.0.0.1', '10.0.0.1', '::1', 'fd00::1', '8.8.8.8', '169.253.1.1', 'metadata.example.com', ''])(
    'lets %s pass',
    (address) => {
      expect(isForbiddenHost(address)).toBe(false);
    },
  );
});
