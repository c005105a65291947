import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import { jsonSchemaTransform } from 'fastify-type-provider-zod';

/** As much of an OpenAPI document as is looked at here. */
type Operation = {
  parameters?: Record<string, unknown>[];
  requestBody?: { required?: boolean; content: Record<string, { schema?: { anyOf?: { type?: string }[] } }> };
};
type Document = { paths?: Record<string, Record<string, Operation>> };

/** The API as a document, made from the schemas of its routes. */
export function openapiOptions(version: string): FastifyDynamicSwaggerOptions {
  return {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'GoMon Alerting',
        description: 'Alerts in, incidents and messages out. Errors are RFC 9457 problem documents.',
        version,
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      // Relative to where the document was fetched: right behind every proxy and on every port.
      servers: [{ url: '/' }],
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{ token: [] }],
    },
    transform: jsonSchemaTransform,
    transformObject: (made) => {
      const document = 'openapiObject' in made ? made.openapiObject : made.swaggerObject;
      sayWhatSchemasCannot(document as Document);
      return document;
    },
  };
}

function sayWhatSchemasCannot({ paths = {} }: Document): void {
  for (const operation of Object.values(paths).flatMap((methods) => Object.values(methods))) {
    for (const parameter of operation.parameters ?? []) {
      // `?status=firing,resolved`, not `?status=firing&status=resolved`.
      const schema = parameter['schema'] as { type?: string } | undefined;
      if (parameter['in'] === 'query' && schema?.type === 'array')
        Object.assign(parameter, { style: 'form', explode: false });
    }
    const body = operation.requestBody;
    const mayBeNull = Object.values(body?.content ?? {}).some(({ schema }) =>
      schema?.anyOf?.some(({ type }) => type === 'null'),
    );
    if (body !== undefined && mayBeNull) body.required = false;
  }
  // One parameter of any name: an object in this style is a parameter for each of its properties.
  paths['/api/v1/alerts']?.['get']?.parameters?.push({
    name: 'label.NAME',
    in: 'query',
    required: false,
    style: 'form',
    explode: true,
    description: 'Filters by labels, each as `label.NAME=value`; a comma means any of.',
    schema: { type: 'object', additionalProperties: { type: 'string' } },
    example: { 'label.team': 'payments,shop' },
  });
}
