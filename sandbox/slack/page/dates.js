/** How the reader's device writes a date token. https://docs.slack.dev/messaging/formatting-message-text#date-formatting */
export function formatSlackDate(seconds, format, reader) {
  const at = new Date(seconds * 1000);
  const { locale, timeZone, nowMs } = reader;
  const write = (options) =>
    new Intl.DateTimeFormat(locale, { ...options, ...(timeZone === undefined ? {} : { timeZone }) }).format(
      at,
    );
  const dateWords = {
    date: { year: 'numeric', month: 'long', day: 'numeric' },
    date_short: { year: 'numeric', month: 'short', day: 'numeric' },
    date_long: { weekday: 'long', year: 'numeric', month: 'long', day: 'numeric' },
  };
  const dayOf = (ms) =>
    new Intl.DateTimeFormat('en-CA', timeZone === undefined ? {} : { timeZone }).format(new Date(ms));
  const near = [
    [0, 'today'],
    [-86_400_000, 'yesterday'],
    [86_400_000, 'tomorrow'],
  ].find(([shift]) => dayOf(nowMs + shift) === dayOf(at.getTime()))?.[1];
  return format.replace(/\{(\w+)\}/g, (whole, token) => {
    const plain = token.replace(/_pretty$/, '');
    if (token !== plain && near) return near;
    if (dateWords[plain]) return write(dateWords[plain]);
    if (token === 'date_num') return dayOf(at.getTime());
    if (token === 'time') return write({ hour: '2-digit', minute: '2-digit' });
    if (token === 'time_secs') return write({ hour: '2-digit', minute: '2-digit', second: '2-digit' });
    if (token === 'ago') return ago(at.getTime(), nowMs, locale);
    return whole;
  });
}

function ago(ms, nowMs, locale) {
  const seconds = Math.round((ms - nowMs) / 1000);
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' });
  if (Math.abs(seconds) < 60) return relative.format(seconds, 'second');
  if (Math.abs(seconds) < 3600) return relative.format(Math.round(seconds / 60), 'minute');
  if (Math.abs(seconds) < 86_400) return relative.format(Math.round(seconds / 3600), 'hour');
  return relative.format(Math.round(seconds / 86_400), 'day');
}
