// The list of recent traces, and the way of one of them over all nodes.

import {ask, byId, colour, el, keyed, svg, text} from './dom.js';
import {exactTime, plural, took} from './format.js';

let match = '', listed = null, current = null, asking = false, names = new Map();

const offsetForm = /^\d+-\d+$|^\d+:\d+$/, traceForm = /^[0-9a-f]{32}$/;

/** Asks for the list again, unless the reader wants it to stand still. */
export async function refreshTraces(force = false) {
  if (asking || document.hidden || !force && !byId('follow').checked) return;
  asking = true;
  const asked = match;
  try {
    const answer = await ask('traces', {match: asked});
    if (asked !== match) return;
    listed = answer;
    drawList();
  } catch (error) {
    text(byId('trace-note'), `The traces could not be asked for: ${error.message}`);
  } finally {
    asking = false;
    if (asked !== match) refreshTraces(true);
  }
}

function drawList() {
  for (const n of listed.nodes) names.set(n.id, n.name || n.id);
  const missing = listed.nodes.filter(n => !n.answered);
  text(byId('trace-note'), missing.length ? `No answer from ${missing.map(n => n.name || n.id).join(', ')}: what ${missing.length > 1 ? 'they have' : 'it has'} seen is not in the list.` : '');
  const traces = listed.traces;
  keyed(byId('trace-rows'), traces.slice(0, 30), t => t.id, row, update);
  byId('trace-panel').querySelector('table').hidden = traces.length === 0;
  const empty = byId('trace-empty');
  empty.hidden = traces.length > 0;
  empty.textContent = match
    ? `No node remembers a trace with “${match}”. Nodes remember some of the messages of the last minutes: as many new ones a second as --trace-recent says.`
    : 'No message has been traced yet. Emit one, for example from the page at / of any node, and it appears here. If none does, look whether the nodes run with --trace-recent 0.';
}

const row = t => el('tr', {},
  el('td', {class: 'when'}),
  el('td', {}, el('button', {type: 'button', class: 'link', onclick: () => showTrace({id: t.id})})),
  el('td', {class: 'code'}), el('td', {class: 'code'}), el('td', {class: 'dots'}), el('td', {class: 'number'}), el('td', {class: 'number'}));

function update(tr, t) {
  const [when, what, where, offset, nodes, took_, spans] = tr.children;
  tr.className = t.failed ? 'fault' : '';
  tr.setAttribute('aria-current', current === t.id);
  text(when, exactTime(t.start));
  text(what.firstChild, t.name);
  text(where, t.namespace ?? '');
  text(offset, t.offset ?? '');
  nodes.replaceChildren(...t.nodes.toSorted((a, b) => name(a).localeCompare(name(b))).map(n => el('span', {class: `swatch ${colour(n)}`, title: name(n), role: 'img', 'aria-label': name(n)})));
  text(took_, took(t.end - t.start));
  text(spans, t.spans);
}

const name = id => names.get(id) ?? id;

/** Shows the way of a trace, or of the message at an offset. */
export async function showTrace(which) {
  const panel = byId('way');
  panel.hidden = false;
  panel.replaceChildren(el('p', {class: 'empty'}, 'Asking all nodes …'));
  try {
    const answer = await ask('trace', which);
    for (const n of answer.nodes) names.set(n.id, n.name || n.id);
    current = answer.spans[0]?.trace ?? null;
    panel.replaceChildren(...way(answer, which));
    if (listed) drawList();
    panel.querySelector('h3')?.focus({preventScroll: true});
    panel.scrollIntoView({block: 'nearest'});
  } catch (error) {
    panel.replaceChildren(closer(), el('p', {class: 'empty'}, `The trace could not be asked for: ${error.message}`));
  }
}

const closer = () => el('button', {type: 'button', class: 'close', 'aria-label': 'Close the trace', onclick: () => {
  byId('way').hidden = true;
  current = null;
  if (listed) drawList();
}}, '×');

/** Puts spans onto one clock and into the order of parents and children. */
function arrange({spans, nodes}) {
  const known = nodes.filter(n => n.answered && n.clockKnown).map(n => n.clockAhead);
  // Clocks that agree within a few milliseconds are left alone: that close an entry's time cannot tell.
  const shift = known.length > 1 && Math.max(...known) - Math.min(...known) > 0.005;
  const ahead = new Map(nodes.map(n => [n.id, shift && n.clockKnown ? n.clockAhead * 1e6 : 0]));
  const all = spans.map(s => ({...s, start: s.start - ahead.get(s.node), end: s.end - ahead.get(s.node)}));
  const byID = new Map(all.map(s => [s.id, s])), children = new Map();
  const roots = [];
  for (const s of all) {
    const parent = byID.get(s.parent) ?? s.links?.map(l => byID.get(l.span)).find(Boolean);
    if (!parent || parent === s) roots.push(s);
    else children.set(parent, [...children.get(parent) ?? [], s]);
  }
  const rows = [], done = new Set();
  const walk = (s, depth) => {
    if (done.has(s)) return;
    done.add(s);
    rows.push({...s, depth});
    for (const child of (children.get(s) ?? []).sort((a, b) => a.start - b.start)) walk(child, depth + 1);
  };
  for (const s of roots.sort((a, b) => a.start - b.start)) walk(s, 0);
  for (const s of all) walk(s, 0); // what has made itself its own ancestor
  return {rows, shift};
}

function way(answer, which) {
  if (!answer.spans.length) return [closer(), el('p', {class: 'empty'}, nothing(answer, which))];
  const {rows, shift} = arrange(answer);
  const start = Math.min(...rows.map(s => s.start)), end = Math.max(...rows.map(s => s.end)), total = Math.max(end - start, 1);
  const first = rows[0], offset = rows.map(s => s.attributes?.['messaging.message.id']).find(Boolean);
  return [
    closer(),
    el('h3', {tabindex: -1}, first.name, el('small', {}, ` at ${exactTime(start)}, ${took(end - start)} in all`)),
    el('p', {class: 'summary'}, summary(rows, answer)),
    el('dl', {class: 'facts'},
      ...fact('Trace', first.trace), ...fact('Namespace', first.attributes?.['messaging.destination.name']), ...fact('Offset', offset)),
    el('div', {class: 'waterfall', role: 'list', 'aria-label': 'Spans'}, ruler(total), ...rows.map(s => spanRow(s, start, total))),
    el('ul', {class: 'notes'}, ...notes(answer, shift).map(note => el('li', {}, note))),
  ];
}

const fact = (term, value) => value ? [el('div', {}, el('dt', {}, term), el('dd', {}, value))] : [];

function nothing(answer, which) {
  const oldest = answer.nodes.map(n => n.since).filter(Boolean);
  const since = oldest.length ? ` The oldest that is remembered is of ${exactTime(Math.min(...oldest))}.` : '';
  return `No node remembers ${which.offset ? `a message at offset ${which.offset}` : `the trace ${which.id}`}. It is too old, it was one of more messages than are traced a second, or it was never sent.${since}`;
}

/** Where the message went, in a sentence. */
function summary(rows, answer) {
  const got = rows.filter(s => s.kind === 'consumer' && s.attributes?.['roombus.sockets'] !== undefined);
  const nodes = new Set(got.map(s => s.node)), sockets = got.reduce((sum, s) => sum + Number(s.attributes['roombus.sockets']), 0);
  const sent = rows.find(s => s.kind === 'producer');
  const parts = [];
  if (sent) parts.push(`${name(sent.node)} sent it${sent.failed ? `, which failed: ${sent.error}` : ''}.`);
  if (got.length) parts.push(`${plural(nodes.size, 'node')} handed it to ${plural(sockets, 'socket')}: ${[...nodes].map(id => `${name(id)} to ${got.filter(s => s.node === id).reduce((sum, s) => sum + Number(s.attributes['roombus.sockets']), 0)}`).join(', ')}.`);
  const without = answer.nodes.filter(n => n.answered && !rows.some(s => s.node === n.id));
  if (without.length) parts.push(`${without.map(n => n.name || n.id).join(', ')} ${without.length > 1 ? 'remember' : 'remembers'} nothing of it.`);
  if (!parts.length) parts.push(`${plural(rows.length, 'span')} on ${plural(new Set(rows.map(s => s.node)).size, 'node')}.`);
  return parts.join(' ');
}

function notes(answer, shift) {
  const said = [];
  const missing = answer.nodes.filter(n => !n.answered), cut = answer.nodes.filter(n => n.truncated);
  if (missing.length) said.push(`${missing.map(n => n.name || n.id).join(', ')} did not answer: spans of ${missing.length > 1 ? 'these nodes' : 'this node'} are not shown, whether there are any or not.`);
  if (cut.length) said.push(`${cut.map(n => n.name).join(', ')} ${cut.length > 1 ? 'have' : 'has'} more spans of this trace than fit into an answer.`);
  if (shift) said.push(`The nodes’ clocks differ (${answer.nodes.filter(n => n.clockKnown).map(n => `${n.name} ${signed(n.clockAhead)}`).join(', ')} against the log). The bars are shifted onto the log’s clock; a few milliseconds remain uncertain.`);
  else if (answer.nodes.some(n => n.clockKnown)) said.push('The nodes’ clocks agree within a few milliseconds. Bars that are closer than that may be in another order than it seems.');
  return said;
}

const signed = s => `${s < 0 ? '−' : '+'}${took(Math.abs(s) * 1e6)}`;

function ruler(total) {
  return el('div', {class: 'ruler', 'aria-hidden': 'true'}, el('span', {}), el('div', {}, ...[0, 0.25, 0.5, 0.75, 1].map(share => el('i', {}, took(total * share)))));
}

function spanRow(s, start, total) {
  const from = (s.start - start) / total * 100, wide = Math.max((s.end - s.start) / total * 100, 0.6);
  const bar = svg('svg', {class: 'bars', viewBox: '0 0 100 16', preserveAspectRatio: 'none', 'aria-hidden': 'true'},
    ...[0, 25, 50, 75, 100].map(x => svg('line', {class: 'grid', x1: x, x2: x, y1: 0, y2: 16})),
    svg('rect', {class: `bar ${colour(s.node)}${s.failed ? ' failed' : ''}`, x: Math.min(from, 99.4), y: 2, width: Math.min(wide, 100 - Math.min(from, 99.4)), height: 12}),
    ...(s.events ?? []).map(e => svg('rect', {class: 'tick', x: Math.min(99.6, (e.time - s.start + (s.start - start)) / total * 100), y: 0, width: 0.4, height: 16})));
  const details = el('div', {class: 'details', hidden: true});
  const button = el('button', {type: 'button', 'aria-expanded': 'false', onclick: () => {
    const open = details.hidden;
    details.hidden = !open;
    button.setAttribute('aria-expanded', open);
    if (open && !details.childElementCount) details.append(...describe(s));
  }},
  el('span', {class: `title d${Math.min(s.depth, 6)}`}, el('span', {class: `swatch ${colour(s.node)}`}), el('b', {}, name(s.node)), el('span', {class: 'op'}, s.name)),
  el('span', {class: 'track'}, bar, label(`${took(s.end - s.start)}${sockets(s)}${s.failed ? ' · failed' : ''}`, from, Math.min(from + wide, 100))));
  return el('div', {role: 'listitem', class: 'span'}, button, details);
}

/** Puts a bar's figures where there is room: behind it, before it, or into it. */
function label(words, from, to) {
  const at = el('span', {class: 'time'}, words);
  if (to < 62) at.style.left = `${to}%`;
  else if (from > 38) at.style.right = `${100 - from}%`;
  else at.classList.add('inside');
  return at;
}

const sockets = s => s.attributes?.['roombus.sockets'] === undefined ? '' : ` · ${plural(Number(s.attributes['roombus.sockets']), 'socket')}`;

function describe(s) {
  const rows = [['began', exactTime(s.start)], ['took', took(s.end - s.start)], ['kind', s.kind], ['span', s.id], ...(s.parent ? [['parent', s.parent]] : []), ...(s.error ? [['error', s.error]] : [])];
  const list = pairs => el('dl', {}, ...pairs.map(([key, value]) => el('div', {}, el('dt', {}, key), el('dd', {}, value))));
  const parts = [list([...rows, ...Object.entries(s.attributes ?? {}).sort()])];
  for (const e of s.events ?? []) parts.push(el('h4', {}, `${e.name} `, el('small', {}, `at ${exactTime(e.time)}`)), list(Object.entries(e.attributes ?? {}).sort()));
  return parts;
}

byId('search').addEventListener('submit', e => {
  e.preventDefault();
  match = byId('match').value.trim();
  if (offsetForm.test(match)) showTrace({offset: match});
  else if (traceForm.test(match)) showTrace({id: match});
  refreshTraces(true);
});
byId('match').addEventListener('search', () => { if (!byId('match').value) { match = ''; refreshTraces(true); } });
byId('follow').addEventListener('change', () => refreshTraces());
