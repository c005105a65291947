import { BlockList, isIP, isIPv4 } from 'node:net';

/**
 * Addresses that are never called: link-local ones, on which clouds give out
 * credentials to whoever asks, and the few others that serve the same purpose.
 * Other private addresses are where sandboxes and self-hosted tools live.
 */
const forbidden = new BlockList();
// AWS, Google Cloud, Azure, DigitalOcean and most others: 169.254.169.254.
forbidden.addSubnet('169.254.0.0', 16, 'ipv4');
forbidden.addSubnet('fe80::', 10, 'ipv6');
// AWS by IPv6, Alibaba Cloud, Oracle Cloud.
forbidden.addAddress('fd00:ec2::254', 'ipv6');
forbidden.addAddress('100.100.100.200', 'ipv4');
forbidden.addAddress('192.0.0.192', 'ipv4');
// Google Cloud by IPv6, and the host of Azure's machines.
forbidden.addAddress('fd20:ce::254', 'ipv6');
forbidden.addAddress('168.63.129.16', 'ipv4');
// Link-local IPv4 behind NAT64 (RFC 6052).
forbidden.addSubnet('64:ff9b::a9fe:0', 112, 'ipv6');

/** The code of the error with which a call to such an address ends before anything was sent. */
export const forbiddenAddress = 'ERR_FORBIDDEN_ADDRESS';

export class ForbiddenAddressError extends Error {
  override readonly name = 'ForbiddenAddressError';
  readonly code = forbiddenAddress;
  constructor() {
    super('link-local and metadata addresses are never called');
  }
}

/** Whether the host of a URL (brackets of IPv6 included) is such an address. Names are looked at when they are resolved. */
export function isForbiddenHost(hostname: string): boolean {
  // A zone says through which interface, and changes nothing of what is there.
  return isForbiddenAddress(hostname.replace(/^\[|\]$/g, '').replace(/%.*$/, ''));
}

export function isForbiddenAddress(text: string): boolean {
  if (isIP(text) === 0) return false;
  // BlockList sees through the IPv6 form of an IPv4 address.
  return forbidden.check(text, isIPv4(text) ? 'ipv4' : 'ipv6');
}
