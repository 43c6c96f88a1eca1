// How figures and times are written.

const clock = new Intl.DateTimeFormat('en-GB', {hour: '2-digit', minute: '2-digit', second: '2-digit'});

/** A moment, in microseconds since 1970, as a time of day. */
export const time = micros => clock.format(new Date(micros / 1000));

/** The same to the millisecond. */
export const exactTime = micros => `${time(micros)}.${String(Math.floor(micros / 1000) % 1000).padStart(3, '0')}`;

/** How long: microseconds in the unit that suits. */
export function took(micros) {
  if (micros < 1000) return `${Math.round(micros)} µs`;
  if (micros < 1e6) return `${digits(micros / 1e3)} ms`;
  return `${digits(micros / 1e6)} s`;
}

/** How long: seconds in words that suit somebody who waits. */
export function ago(seconds) {
  if (seconds < 60) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor(seconds % 3600 / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor(seconds % 86400 / 3600)} h`;
}

/** Three digits that count. */
export function digits(value) {
  if (value >= 100) return String(Math.round(value));
  if (value >= 10) return trim(value.toFixed(1));
  return trim(value.toFixed(2));
}

const trim = text => text.includes('.') ? text.replace(/\.?0+$/, '') : text;

/** A number with a prefix: 12.3k. */
export function short(value) {
  if (value >= 1e9) return `${digits(value / 1e9)}G`;
  if (value >= 1e6) return `${digits(value / 1e6)}M`;
  if (value >= 1e4) return `${digits(value / 1e3)}k`;
  if (value >= 100) return Math.round(value).toLocaleString('en');
  return digits(value);
}

/** Bytes in mebibytes and the like. */
export function bytes(value) {
  if (value >= 2 ** 30) return `${digits(value / 2 ** 30)} GiB`;
  if (value >= 2 ** 20) return `${digits(value / 2 ** 20)} MiB`;
  if (value >= 2 ** 10) return `${digits(value / 2 ** 10)} KiB`;
  return `${Math.round(value)} B`;
}

export const seconds = value => value >= 0.001 ? took(value * 1e6) : '0 s';

export const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;
