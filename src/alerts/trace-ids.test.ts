import { describe, expect, it } from 'vitest';

import type { Labels } from './alert.ts';
import { canonicalTraceId, findTraceIds } from './trace-ids.ts';
import { testSignal } from '../../test/support/test-signal.ts';

const id = '4bf92f3577b34da6a3ce929d0e0e4736';
const other = '0af7651916cd43dd8448eb211c80319c';
const short = '463ac35c9f6413ad';
const span = '00f067aa0ba902b7';
const zeros = '0'.repeat(32);

const inLabels = (labels: Labels) => findTraceIds(testSignal({ labels })).map((trace) => trace.id);
const inAnnotations = (annotations: Labels) =>
  findTraceIds(testSignal({ annotations })).map((trace) => trace.id);
const query = (state: unknown) => encodeURIComponent(JSON.stringify(state));

describe('findTraceIds by name', () => {
  it.each([
    'traceid',
    'trace_id',
    'traceID',
    'TraceId',
    'trace.id',
    'trace-id',
    'otel_trace_id',
    'otelTraceID',
    'dd.trace_id',
    'jaeger_trace_id',
    'exemplar_trace_id',
    'x-b3-traceid',
    'X-B3-TraceId',
    'uber-trace-id',
    'traceparent',
    'b3',
    'x-amzn-trace-id',
    'x-cloud-trace-context',
  ])('%s', (name) => {
    expect(inLabels({ [name]: id })).toEqual([id]);
    expect(inAnnotations({ [name]: id.toUpperCase() })).toEqual([id]);
  });

  it.each<[string, string, string[]]>([
    ['trace_id', short, [short]],
    ['trace_id', 'a3ce929d0e0e473', ['a3ce929d0e0e473']],
    ['trace_id', ` ${id} `, [id]],
    ['trace_id', `${id}, ${other}`, [id, other]],
    ['trace_id', `${id} ${short}`, [id, short]],
    ['trace_id', `${id},\n00-${other}-${span}-01,`, [id, other]],
    ['trace_id', 'not a trace', []],
    ['trace_id', 'a bad face', []],
    ['trace_id', `${id}, abc`, []],
    ['trace_id', `see ${id}`, []],
    ['trace_id', 'abc', ['abc']],
    ['trace_id', zeros, []],
    ['trace_id', `${id}0`, []],
    ['trace_id', 'none', []],
    ['trace_id', '', []],
    ['trace_id', `00-${id}-${span}-01`, [id]],
    ['traceparent', `00-${id}-${span}-01`, [id]],
    ['traceparent', `00-${id}-${span}-00`, [id]],
    ['traceparent', `01-${id}-${span}-01`, [id]],
    ['traceparent', `01-${id}-${span}-01-more`, [id]],
    ['traceparent', `00-${id}-${span}-01-more`, []],
    ['traceparent', `ff-${id}-${span}-01`, []],
    ['traceparent', `00-${zeros}-${span}-01`, []],
    ['traceparent', `00-${id}-${'0'.repeat(16)}-01`, []],
    ['traceparent', `00-${short}-${span}-01`, []],
    ['b3', `${id}-${span}-1`, [id]],
    ['b3', `${short}-${span}-d`, [short]],
    ['b3', `${id}-${span}-0-${short}`, [id]],
    ['b3', `${id}-${span}`, [id]],
    ['b3', '0', []],
    ['b3', '1', []],
    ['b3', 'd', []],
    ['uber-trace-id', `${id}:${span}:0:1`, [id]],
    ['uber-trace-id', `a3ce929d0e0e4736:${span}:0:1`, ['a3ce929d0e0e4736']],
    ['uber-trace-id', `${id}%3A${span}%3a0%3A1`, [id]],
    ['uber-trace-id', `0:0:0:0`, []],
    [
      'x-amzn-trace-id',
      'Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1',
      ['5759e988bd862e3fe1be46a994272793'],
    ],
    [
      'x-amzn-trace-id',
      'Self=1-67891234-12456789abcdef012345678a;Root=1-5759e988-bd862e3fe1be46a994272793',
      ['5759e988bd862e3fe1be46a994272793'],
    ],
    ['x-amzn-trace-id', 'Root=1-5759e988-bd862e', []],
    ['x-cloud-trace-context', `${id}/123456789;o=1`, [id]],
    ['x-cloud-trace-context', `${id}/1`, [id]],
    ['dd.trace_id', '5060571933882717101', ['463ac35c9f6413ad']],
    ['dd_trace_id', '255', ['00000000000000ff']],
    ['dd.trace_id', '18446744073709551616', []],
    ['dd.trace_id', '0', []],
    ['dd.trace_id', id, [id]],
  ])('%s = %s', (name, value, ids) => {
    expect(inLabels({ [name]: value })).toEqual(ids);
  });

  it.each(['commit', 'image_id', 'traceroute', 'trace_url_template', 'stacktrace', 'b3d'])(
    '%s is no trace id',
    (name) => {
      expect(inLabels({ [name]: id })).toEqual([]);
    },
  );
});

describe('findTraceIds in URLs', () => {
  it.each<[string, string[]]>([
    [`https://jaeger.example.test/trace/${id}`, [id]],
    [`https://jaeger.example.test/base/trace/${id}?uiFind=error`, [id]],
    [`https://jaeger.example.test/trace/${id}...${other}`, [id]],
    [`https://tempo.example.test/api/traces/${short}.`, [short]],
    [`see <https://a.test/trace/${id}|first> and https://a.test/trace/${other}`, [id, other]],
    ['https://example.test/trace/add', []],
    [`https://example.test/trace/${id}0`, []],
    [`https://example.test/commit/${id}`, []],
    [`/trace/${id}`, []],
    [`https://grafana.example.test/explore?left=${query({ queries: [{ query: id }] })}`, [id]],
    [
      `https://grafana.example.test/explore?orgId=1&left=${query(['now-1h', 'now', 'Tempo', { query: id }])}`,
      [id],
    ],
    [
      `https://grafana.example.test/explore?schemaVersion=1&panes=${query({ a: { queries: [{ refId: 'A', query: id }] } })}&orgId=1`,
      [id],
    ],
    [`https://grafana.example.test/explore?left={"queries":[{"query":"${id}"}]}`, [id]],
    [`https://grafana.example.test/explore?left=${query({ queries: [{ query: '{job="x"}' }] })}`, []],
    ['https://grafana.example.test/explore?left=%E0%A4%A', []],
    ['https://app.datadoghq.com/apm/trace/5060571933882717101', ['463ac35c9f6413ad']],
  ])('%s', (text, ids) => {
    expect(inAnnotations({ dashboard: text })).toEqual(ids);
  });

  it('reads a label with a request trace URL, too', () => {
    expect(inLabels({ request_trace_url: `https://jaeger.example.test/trace/${id}` })).toEqual([id]);
  });
});

describe('findTraceIds in text', () => {
  it.each<[string, string[]]>([
    [`failed, trace_id=${id}`, [id]],
    [`failed (traceID: ${short})`, [short]],
    [`{"trace-id":"${id}"}`, [id]],
    [`Trace id ${id.toUpperCase()} is slow`, [id]],
    [`traceid='${id}' and traceid=${other}`, [id, other]],
    [`commit ${id}`, []],
    [`sha256:${id}${id}`, []],
    [`trace_id=${id}${id}`, []],
    [`trace ${id}`, []],
    ['trace_id=unknown', []],
    [`trace_id=${zeros}`, []],
  ])('%s', (description, ids) => {
    expect(inAnnotations({ description })).toEqual(ids);
    expect(findTraceIds(testSignal({ explicit: { description } })).map((trace) => trace.id)).toEqual(ids);
  });

  it('is not looked for in labels or other annotations', () => {
    expect(inLabels({ expr: `trace_id="${id}"` })).toEqual([]);
    expect(inAnnotations({ note: `trace_id="${id}"` })).toEqual([]);
  });
});

describe('findTraceIds of many', () => {
  it('keeps the first five, the one said outright first', () => {
    const ids = [1, 2, 3, 4, 5, 6].map((n) => String(n).repeat(32));
    const signal = testSignal({
      explicit: { traceId: id.toUpperCase() },
      annotations: { trace_id: ids.join(',') },
      labels: { b3: other },
    });
    expect(findTraceIds(signal)).toEqual([
      { id, where: 'the traceId of the request' },
      { id: other, where: 'label b3' },
      ...ids.slice(0, 3).map((each) => ({ id: each, where: 'annotation trace_id' })),
    ]);
  });

  it('takes padded and unpadded, upper and lower case as one, as first received', () => {
    expect(inLabels({ trace_id: short, traceID: `${'0'.repeat(16)}${short}`.toUpperCase() })).toEqual([
      short,
    ]);
    expect(canonicalTraceId('ABC')).toBe(`${'0'.repeat(29)}abc`);
  });

  it('stops at five in a value made of thousands', () => {
    const urls = Array.from(
      { length: 300 },
      (_, i) => `https://a.test/trace/${String(i + 1).padStart(16, 'a')}`,
    );
    expect(inAnnotations({ note: urls.join(' ') })).toHaveLength(5);
  });

  it('stays quick on hostile text', () => {
    const description = `trace_id=${'"'.repeat(50_000)}${'a'.repeat(50_000)}`;
    expect(inAnnotations({ description, dashboard: `https://x/?left=${'%7B'.repeat(20_000)}` })).toEqual([]);
  });
});
