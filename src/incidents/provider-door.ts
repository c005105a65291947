import type { Verification } from '../alerts/source.ts';

/** The port to what an incident provider tells us: checked and read; a hint to look, never the truth. */
export interface ProviderDoor {
  readonly name: string;
  /** `undefined` when no secret is configured: the caller then asks for an API token instead. */
  verify(headers: Record<string, string | string[] | undefined>): Verification | undefined;
  read(
    rawBody: Buffer,
  ): { ok: true; dedupKey: string; change: Record<string, unknown> } | { ok: false; reason: string };
}
