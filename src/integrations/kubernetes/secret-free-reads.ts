import { createHash } from 'node:crypto';
import type { KubernetesConnection } from './connection.ts';
import { failure, type KubeFailure } from './failure.ts';
import { collectionPath } from './resources.ts';

/** What is in a ConfigMap, without what is in it: the SHA-256 (hex) of each key's value. */
export type ConfigMapHashes = { ok: true; resourceVersion: string; hashes: Record<string, string> };

export async function readConfigMapHashes(
  connection: KubernetesConnection,
  of: { namespace: string; name: string },
  signal: AbortSignal,
): Promise<ConfigMapHashes | KubeFailure> {
  const read = await readObject(connection, 'configmaps', of, signal);
  if (!read.ok) return read;
  const { metadata, data, binaryData } = read.object;
  const hashes: Record<string, string> = {};
  for (const [key, value] of Object.entries({ ...mapping(data), ...mapping(binaryData) }))
    hashes[key] = createHash('sha256').update(String(value)).digest('hex');
  return { ok: true, resourceVersion: text(mapping(metadata)['resourceVersion']), hashes };
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
