import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type KubernetesSandbox, startKubernetesSandbox } from '../../sandbox/kubernetes/server.ts';
import { gomon } from '../support/command-line.ts';

/** Each is a process of its own, with the whole client library. */
describe('gomon cluster doctor', { timeout: 90_000 }, () => {
  let cwd: string;
  let sandbox: KubernetesSandbox;
  beforeAll(async () => {
    cwd = await mkdtemp(path.join(tmpdir(), 'gomon-doctor-'));
    sandbox = await startKubernetesSandbox({ tls: true });
    await writeFile(path.join(cwd, 'kubeconfig'), sandbox.kubeconfig());
  });
  afterAll(async () => {
    await sandbox.stop();
    await rm(cwd, { recursive: true });
  });
  const doctor = async (env: Record<string, string>) =>
    await gomon(['cluster', 'doctor'], { cwd, env: { GOMON_KUBERNETES: 'auto', ...env } });

  it('is content with a cluster that grants everything', async () => {
    const told = await doctor({ KUBECONFIG: 'kubeconfig' });
    expect(told).toMatchObject({ code: 0, stderr: '' });
    expect(told.stdout).toContain(sandbox.url);
    expect(told.stdout).toContain('v1.35.0');
    expect(told.stdout).toMatch(/all \d+ are granted/);
  });

  it('names what is missing and what is off because of it', async () => {
    sandbox.forbid({ resource: 'secrets' });
    const optional = await doctor({ KUBECONFIG: 'kubeconfig' });
    expect(optional.code).toBe(0);
    expect(optional.stdout).toMatch(
      /works without:\n {2}list, watch secrets in monitoring.*\n.*off: rotation/,
    );
    sandbox.forbid({ resource: 'nodes', verb: 'watch' });
    const needed = await doctor({ KUBECONFIG: 'kubeconfig' });
    expect(needed.code).toBe(1);
    expect(needed.stdout).toMatch(/Missing, and needed:\n {2}watch nodes in the cluster\n.*off: nodes/);
    sandbox.allow();
  });

  it('says what is wrong, and never tries localhost instead', async () => {
    const [off, none, missing, refused] = await Promise.all([
      doctor({ GOMON_KUBERNETES: 'off' }),
      doctor({ HOME: cwd }),
      doctor({ KUBECONFIG: 'nowhere' }),
      doctor({ KUBECONFIG: await wrongToken() }),
    ]);
    expect(off).toMatchObject({ code: 0, stdout: expect.stringContaining('kubernetes.mode is off') });
    expect(none).toMatchObject({ code: 1, stderr: expect.stringContaining('no cluster was found') });
    expect(missing).toMatchObject({ code: 1, stderr: expect.stringContaining('there is no kubeconfig at') });
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('401') });
    expect(refused.stderr).not.toContain('s3cr3t');
  });

  async function wrongToken(): Promise<string> {
    await writeFile(path.join(cwd, 'wrong'), sandbox.kubeconfig().replace('sandbox-token', 's3cr3t'));
    return 'wrong';
  }
});
