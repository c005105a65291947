export function formatSlackDate(
  seconds: number,
  format: string,
  reader: { locale?: string; timeZone?: string; nowMs: number },
): string;
