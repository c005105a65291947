import { type ConfigWriter, hashesOf, type ReadConfigMap } from '../../cluster/config-maps.ts';
import { list, time } from '../../cluster/fields.ts';
import type { KubernetesConnection } from './connection.ts';
import { failure, type KubeFailure } from './failure.ts';
import { collectionPath } from './resources.ts';

/** What is in a ConfigMap, without what is in it: its values are hashed and dropped before this returns. */
export async function readConfigMapHashes(
  connection: KubernetesConnection,
  of: { namespace: string; name: string },
  signal: AbortSignal,
): Promise<({ ok: true } & ReadConfigMap) | KubeFailure> {
  const read = await readObject(connection, 'configmaps', of, signal);
  if (!read.ok) return read;
  const { data, binaryData } = read.object;
  const metadata = mapping(read.object['metadata']);
  return {
    ok: true,
    uid: text(metadata['uid']),
    version: text(metadata['resourceVersion']),
    hashes: hashesOf(mapping(data), mapping(binaryData)),
    writer: lastWriter(metadata['managedFields']),
  };
}

/** Who wrote values last: whoever only wrote metadata is somebody else. */
function lastWriter(managedFields: unknown): ConfigWriter | null {
  let last: ConfigWriter | null = null;
  for (const { manager, time: at, fieldsV1 } of list(managedFields)) {
    const owned = mapping(fieldsV1);
    const wroteAt = time(at);
    if (typeof manager !== 'string' || wroteAt === null) continue;
    if (owned['f:data'] === undefined && owned['f:binaryData'] === undefined) continue;
    if (last === null || wroteAt >= last.at) last = { manager: manager.slice(0, 128), at: wroteAt };
  }
  return last;
}

/** The certificate chain of a Secret of type kubernetes.io/tls, as PEM; `pem` null where it has none. Its key is not looked at. */
export type TlsCertificate = { ok: true; type: string; pem: string | null };

export async function readTlsCertificate(
  connection: KubernetesConnection,
  of: { namespace: string; name: string },
  signal: AbortSignal,
): Promise<TlsCertificate | KubeFailure> {
  const read = await readObject(connection, 'secrets', of, signal);
  if (!read.ok) return read;
  const certificate = mapping(read.object['data'])['tls.crt'];
  return {
    ok: true,
    type: text(read.object['type']),
    pem: typeof certificate === 'string' ? Buffer.from(certificate, 'base64').toString('utf8') : null,
  };
}

async function readObject(
  connection: KubernetesConnection,
  plural: 'configmaps' | 'secrets',
  of: { namespace: string; name: string },
  signal: AbortSignal,
): Promise<{ ok: true; object: Record<string, unknown> } | KubeFailure> {
  const path = `${collectionPath({ group: '', version: 'v1', plural }, of.namespace)}/${encodeURIComponent(of.name)}`;
  const answer = await connection.call({ path, maxBodyBytes: 4 * 1024 * 1024 }, signal);
  if (!answer.ok) return answer;
  try {
    return { ok: true, object: mapping(JSON.parse(answer.text)) };
  } catch {
    return failure('bad-answer', 'not-json', 'the API server answered with something that is no object');
  }
}

function mapping(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
