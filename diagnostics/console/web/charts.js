// Line charts and sparklines over the last ten minutes.

import {colour, el, keyed, svg, text} from './dom.js';
import {bytes, seconds, short, time} from './format.js';

export const span = 600e6; // ten minutes, in microseconds

/** What is drawn. Each chart says in a sentence what it means. */
export const charts = [
  {field: 'lag', title: 'Lag of the reader', unit: seconds, least: 0.05, says: 'For how long a message had been in the log when the node read it. Near 0 is healthy.'},
  {field: 'behind', title: 'Entries behind', unit: short, least: 10, says: 'How many entries of the log the node has still to read.'},
  {field: 'silent', title: 'Silence of the log', unit: seconds, least: 2, says: 'How long the log has said nothing at all. It speaks every second; more than 3 s means the node cannot read it.'},
  {field: 'received', title: 'Messages read', unit: v => `${short(v)}/s`, least: 5, says: 'Messages a second that the node reads from the log, its own and those of all others.'},
  {field: 'published', title: 'Messages published', unit: v => `${short(v)}/s`, least: 5, says: 'Messages a second that the node puts into the log: emits, answers, heartbeats.'},
  {field: 'delivered', title: 'Deliveries', unit: v => `${short(v)}/s`, least: 5, says: 'Sockets a second to which the node hands a broadcast.'},
  {field: 'sockets', title: 'Sockets', unit: short, least: 5, says: 'Clients that are connected to the node now.'},
  {field: 'cpu', title: 'Processor (cores)', unit: short, least: 0.2, says: 'How many cores of the processor the node keeps busy.'},
  {field: 'goroutines', title: 'Goroutines', unit: short, least: 50, says: 'What runs at the same time in the node. A ramp that never falls is a leak.'},
  {field: 'backlog', title: 'Waiting work', unit: short, least: 5, says: 'Questions, changes and answers that wait in the node. What only grows shows what it is too slow for.'},
  {field: 'rooms', title: 'Rooms', unit: short, least: 5, says: 'Rooms that have a socket of the node.'},
  {field: 'heap', title: 'Memory', unit: bytes, least: 2 ** 24, says: 'Bytes on the heap. A saw is normal, a ramp that never falls is not.'},
];

const height = 136, left = 58, bottom = 20, top = 8, right = 8;

/** A chart is drawn as wide as it is, so that its text is not stretched. */
const widthOf = figure => Math.max(220, figure.querySelector('.canvas').clientWidth || 480);

/** Draws all charts. nodes: [{id, name, samples: [{time, lag, …}], state}], times on one clock; now is that clock. */
export function drawCharts(parent, nodes, now) {
  keyed(parent, charts, chart => chart.field, create, (figure, chart) => draw(figure, chart, nodes, now));
}

function create(chart) {
  const plot = svg('svg', {role: 'img', tabindex: 0});
  const figure = el('figure', {class: 'plot'},
    el('figcaption', {}, el('h3', {}, chart.title), el('p', {}, chart.says)),
    el('div', {class: 'canvas'}, plot, el('div', {class: 'tip', hidden: true})),
    el('ul', {class: 'latest'}));
  const move = at => point(figure, chart, at);
  plot.addEventListener('pointermove', e => {
    const box = plot.getBoundingClientRect();
    move(e.clientX - box.left);
  });
  plot.addEventListener('pointerleave', () => move(null));
  plot.addEventListener('blur', () => move(null));
  plot.addEventListener('keydown', e => {
    const width = widthOf(figure);
    const step = {ArrowLeft: -6, ArrowRight: 6, Home: -width, End: width}[e.key];
    if (step === undefined) return;
    e.preventDefault();
    move(Math.min(width - right, Math.max(left, (figure.pointed ?? width) + step)));
  });
  return figure;
}

function draw(figure, chart, nodes, now) {
  const highest = Math.max(chart.least, ...nodes.flatMap(n => n.samples.map(s => s[chart.field] ?? 0)));
  const most = ceiling(highest, chart.unit === bytes);
  const width = widthOf(figure), plot = figure.querySelector('svg');
  figure.scene = {nodes, now, most, width};
  plot.setAttribute('viewBox', `0 0 ${width} ${height}`);
  plot.setAttribute('aria-label', `${chart.title}: ` + (nodes.map(n => `${n.name} ${chart.unit(n.samples.at(-1)?.[chart.field] ?? 0)}`).join(', ') || 'no data'));
  const parts = [];
  for (const share of [0, 0.5, 1]) {
    const y = yOf(share * most, most);
    parts.push(svg('line', {class: 'grid', x1: left, x2: width - right, y1: y, y2: y}),
      svg('text', {class: 'axis', x: left - 6, y: y + 3.5, 'text-anchor': 'end'}, chart.unit(share * most)));
  }
  for (const minutes of width < 420 ? [10, 5, 0] : [10, 8, 6, 4, 2, 0]) {
    const x = xOf(now - minutes * 60e6, now, width);
    parts.push(svg('line', {class: 'grid', x1: x, x2: x, y1: top, y2: height - bottom}),
      svg('text', {class: 'axis', x, y: height - 5, 'text-anchor': minutes === 10 ? 'start' : minutes ? 'middle' : 'end'}, minutes ? `−${minutes} min` : 'now'));
  }
  for (const n of nodes) parts.push(svg('path', {class: `line ${colour(n.id)}`, d: path(n.samples, chart.field, t => xOf(t, now, width), v => yOf(v, most), now)}));
  parts.push(svg('g', {class: 'cross'}));
  plot.replaceChildren(...parts);
  keyed(figure.querySelector('.latest'), nodes, n => n.id,
    n => el('li', {}, el('span', {class: `swatch ${colour(n.id)}`}), el('span', {class: 'name'}), el('b')),
    (item, n) => {
      text(item.querySelector('.name'), n.name);
      text(item.querySelector('b'), n.gone ? '–' : chart.unit(n.samples.at(-1)?.[chart.field] ?? 0));
    });
  if (figure.pointed) point(figure, chart, figure.pointed);
}

/** Shows what was at a place of a chart. */
function point(figure, chart, x) {
  const tip = figure.querySelector('.tip'), cross = figure.querySelector('.cross');
  figure.pointed = x;
  if (!cross) return;
  if (x === null || x < left || !figure.scene) {
    tip.hidden = true;
    cross.replaceChildren();
    return;
  }
  const {nodes, now, most, width} = figure.scene;
  const at = now - (width - right - x) / (width - right - left) * span;
  const rows = [];
  cross.replaceChildren(svg('line', {class: 'hair', x1: x, x2: x, y1: top, y2: height - bottom}));
  for (const n of nodes) {
    const sample = nearest(n.samples, at);
    if (!sample) continue;
    const value = sample[chart.field] ?? 0;
    cross.append(svg('circle', {class: `knob ${colour(n.id)}`, cx: x, cy: yOf(value, most), r: 3.4}));
    rows.push(el('li', {}, el('span', {class: `swatch ${colour(n.id)}`}), el('span', {class: 'name'}, n.name), el('b', {}, chart.unit(value))));
  }
  tip.replaceChildren(el('p', {}, time(at)), el('ul', {}, ...rows));
  tip.hidden = rows.length === 0;
  tip.classList.toggle('flip', x > width / 2);
  tip.style.left = `${x / width * 100}%`;
}

function nearest(samples, at) {
  let low = 0, high = samples.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (samples[middle].time < at) low = middle + 1;
    else high = middle;
  }
  const best = [samples[low - 1], samples[low]].filter(Boolean).sort((a, b) => Math.abs(a.time - at) - Math.abs(b.time - at))[0];
  return best && Math.abs(best.time - at) < 3e6 ? best : null;
}

/** A small line without axes. */
export function sparkline(node, field, least, now) {
  const w = 220, h = 36;
  const most = Math.max(least, ...node.samples.map(s => s[field] ?? 0));
  const x = t => (1 - (now - t) / span) * w, y = v => h - 2 - v / most * (h - 4);
  const d = path(node.samples, field, x, y, now);
  return svg('svg', {class: `spark ${colour(node.id)}`, viewBox: `0 0 ${w} ${h}`, preserveAspectRatio: 'none', 'aria-hidden': 'true'},
    svg('line', {class: 'grid', x1: 0, x2: w, y1: h - 2, y2: h - 2}), svg('path', {class: 'line', d}));
}

const xOf = (t, now, width) => left + (1 - (now - t) / span) * (width - left - right);
const yOf = (value, most) => height - bottom - Math.min(value / most, 1) * (height - bottom - top);

/** A path through samples, with a hole where there are none for a while. Points that would share a pixel share a point. */
function path(samples, field, x, y, now) {
  let d = '', last = null, lastX = -1;
  for (const s of samples) {
    if (s.time < now - span) continue;
    const at = x(s.time);
    const hole = last === null || s.time - last > 3.5e6;
    if (!hole && at - lastX < 0.4) continue;
    d += `${hole ? 'M' : 'L'}${at.toFixed(1)} ${y(s[field] ?? 0).toFixed(1)}`;
    last = s.time;
    lastX = at;
  }
  return d;
}

/** The next number above that reads well. */
function ceiling(value, binary) {
  if (binary) return 2 ** Math.ceil(Math.log2(value));
  const power = 10 ** Math.floor(Math.log10(value));
  for (const step of [1, 2, 5, 10]) if (value <= step * power * 1.0001) return step * power;
  return 10 * power;
}
