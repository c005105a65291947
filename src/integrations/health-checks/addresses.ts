import { lookup as systemLookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';

/**
 * Addresses that answer whoever asks from this machine with its own credentials:
 * link-local ones and the metadata services of clouds. A health check must not be
 * a way to them.
 */
const refused = new BlockList();
refused.addSubnet('169.254.0.0', 16, 'ipv4');
refused.addSubnet('fe80::', 10, 'ipv6');
// AWS: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
refused.addAddress('fd00:ec2::254', 'ipv6');
// Google Cloud: https://cloud.google.com/compute/docs/metadata/querying-metadata
refused.addAddress('fd20:ce::254', 'ipv6');
// Alibaba: https://www.alibabacloud.com/help/en/ecs/user-guide/view-instance-metadata
refused.addAddress('100.100.100.200', 'ipv4');
// Azure: https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
refused.addAddress('168.63.129.16', 'ipv4');
// The translations of IPv4 addresses into IPv6.
for (const prefix of ['::', '64:ff9b::']) refused.addSubnet(`${prefix}a9fe:0`, 112, 'ipv6');

export class RefusedAddressError extends Error {
  override readonly name = 'RefusedAddressError';
  readonly code = 'refused-address';
}

/** Whether a literal address is one of those; false for names, which `guardedLookup` sees to. */
export function isRefusedAddress(host: string): boolean {
  const address = host.replace(/^\[(.*)\]$/, '$1').replace(/%.*$/, '');
  const family = isIP(address);
  return family !== 0 && refused.check(address, family === 6 ? 'ipv6' : 'ipv4');
}

/** As the system resolves, without the addresses that are refused: what is connected to is what was looked at. */
export const guardedLookup: LookupFunction = (hostname, options, callback) => {
  systemLookup(hostname, { ...options, all: true }, (error, found) => {
    if (error !== null) return callback(error, '', 0);
    const allowed = found.filter(({ address }) => !isRefusedAddress(address));
    const [first] = allowed;
    if (first === undefined) return callback(new RefusedAddressError('a refused address'), '', 0);
    if (options.all === true) callback(null, allowed);
    else callback(null, first.address, first.family);
  });
};
