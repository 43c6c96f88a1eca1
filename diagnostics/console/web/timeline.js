// The events of all nodes on one time axis, and as a list.

import {byId, colour, el, keyed, svg, text} from './dom.js';
import {span} from './charts.js';
import {plural, time} from './format.js';

const marks = {
  fault: () => svg('path', {d: 'M0-6.5 6.5 0 0 6.5-6.5 0Z'}),
  warning: () => svg('path', {d: 'M0-6.5 6.2 5H-6.2Z'}),
  info: () => svg('circle', {r: 3.6}),
};

const rowHeight = 30, bottom = 22, right = 14;
let shown = 40;

/** Draws what passes the filters. nodes: [{id, name}]; events: [{node, id, first, last, …}], times on the clock of now. */
export function drawEvents(nodes, events, now, showTrace) {
  const wanted = Object.fromEntries([...byId('filters').elements].map(box => [box.name, box.checked]));
  const recent = events.filter(e => e.last > now - span);
  for (const severity of ['fault', 'warning', 'info']) text(byId(`count-${severity}`), recent.filter(e => e.severity === severity).length);
  const visible = recent.filter(e => wanted[e.severity]);
  drawTimeline(nodes, visible, now);
  drawList(nodes, visible, recent.length, showTrace);
}

function drawTimeline(nodes, events, now) {
  const parent = byId('timeline');
  const width = Math.max(300, parent.clientWidth), height = nodes.length * rowHeight + bottom + 8;
  const left = Math.min(130, Math.max(84, width * 0.16));
  const x = t => left + 10 + (1 - (now - Math.max(t, now - span)) / span) * (width - left - 10 - right);
  const parts = [];
  for (const minutes of width < 480 ? [10, 5, 0] : [10, 8, 6, 4, 2, 0]) {
    const at = x(now - minutes * 60e6);
    parts.push(svg('line', {class: 'grid', x1: at, x2: at, y1: 4, y2: height - bottom}),
      svg('text', {class: 'axis', x: at, y: height - 6, 'text-anchor': minutes ? 'middle' : 'end'}, minutes ? `−${minutes} min` : 'now'));
  }
  nodes.forEach((node, row) => {
    const y = 4 + row * rowHeight + rowHeight / 2;
    const lane = svg('g', {class: node.gone ? 'lane gone' : 'lane'},
      svg('circle', {class: `swatch ${colour(node.id)}`, cx: 6, cy: y, r: 4.5}),
      svg('text', {class: 'label', x: 17, y: y + 4}, clip(node.name, left - 20)),
      svg('line', {class: 'track', x1: left + 10, x2: width - right, y1: y, y2: y}));
    for (const e of events.filter(e => e.node === node.id).sort(bySeverity)) {
      const at = x(e.last), mark = svg('g', {class: `mark ${e.severity}`, transform: `translate(${at.toFixed(1)} ${y})`, 'data-event': `${e.node} ${e.id}`},
        svg('title', {}, `${time(e.last)} ${node.name}: ${e.text}${e.count > 1 ? ` (${e.count} times)` : ''}`), marks[e.severity]());
      if (at - x(e.first) > 3) lane.append(svg('line', {class: `stretch ${e.severity}`, x1: x(e.first), x2: at, y1: y, y2: y}));
      lane.append(mark);
    }
    parts.push(lane);
  });
  const picture = svg('svg', {viewBox: `0 0 ${width} ${height}`, width, height, role: 'img',
    'aria-label': `Timeline of ${plural(events.length, 'event')} on ${plural(nodes.length, 'node')}; the list below has the same in words.`}, ...parts);
  picture.addEventListener('click', e => {
    const mark = e.target.closest('[data-event]');
    if (mark) reveal(mark.dataset.event);
  });
  parent.replaceChildren(picture);
}

const order = {info: 0, warning: 1, fault: 2};
const bySeverity = (a, b) => order[a.severity] - order[b.severity] || a.last - b.last;
const clip = (name, width) => name.length * 7.2 > width ? `${name.slice(0, Math.max(3, Math.floor(width / 7.2) - 1))}…` : name;

function reveal(key) {
  const row = [...byId('event-rows').children].find(row => row.dataset.key === key);
  if (!row) return;
  row.scrollIntoView({block: 'nearest', behavior: matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth'});
  row.classList.remove('flash');
  void row.offsetWidth; // begins the animation anew
  row.classList.add('flash');
}

function drawList(nodes, visible, all, showTrace) {
  const names = new Map(nodes.map(n => [n.id, n.name]));
  const newest = visible.toSorted((a, b) => b.last - a.last);
  keyed(byId('event-rows'), newest.slice(0, shown), e => `${e.node} ${e.id}`, () => el('tr', {}, el('td', {class: 'when'}), el('td', {class: 'who'}), el('td', {class: 'what'}), el('td', {class: 'words'})),
    (row, e) => {
      if (row.seq === e.seq && row.node === names.get(e.node)) return;
      row.seq = e.seq;
      row.node = names.get(e.node);
      row.className = e.severity;
      const [when, who, what, words] = row.children;
      when.replaceChildren(time(e.last));
      if (e.last - e.first > 1e6) when.append(el('small', {}, `since ${time(e.first)}`));
      who.replaceChildren(el('span', {class: `swatch ${colour(e.node)}`}), names.get(e.node) ?? e.node);
      what.replaceChildren(svg('svg', {viewBox: '-8 -8 16 16', class: `sign ${e.severity}`, role: 'img', 'aria-label': e.severity}, marks[e.severity]()), e.kind,
        e.count > 1 ? el('b', {class: 'count', title: `${e.count} times`}, `×${e.count}`) : '');
      words.replaceChildren(e.text);
      const where = [e.namespace && `namespace ${e.namespace}`, e.offset && `at ${e.offset}`].filter(Boolean).join(', ');
      if (where || e.trace) words.append(el('small', {}, where, e.trace ? el('button', {type: 'button', class: 'link', onclick: () => showTrace({id: e.trace})}, 'show its trace') : ''));
    });
  byId('event-panel').querySelector('table').hidden = visible.length === 0;
  const empty = byId('event-empty'), more = byId('event-more');
  empty.hidden = visible.length > 0;
  text(empty, all ? `The filters hide ${plural(all, 'event')}. Tick more of them above.` : 'Nothing has happened in the last ten minutes: no fault, no warning, nobody came or went.');
  more.hidden = visible.length <= shown;
  text(more, `Show ${Math.min(visible.length - shown, 100)} older ones`);
}

byId('event-more').addEventListener('click', () => { shown += 100; dispatchEvent(new Event('redraw')); });
byId('filters').addEventListener('change', () => dispatchEvent(new Event('redraw')));
byId('filters').addEventListener('submit', e => e.preventDefault());
