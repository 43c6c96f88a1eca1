// Small helpers. Everything that comes from the cluster goes through text(): it is never read as HTML.

const SVG = 'http://www.w3.org/2000/svg';

/** An element with attributes and children; strings become text. Attributes that are null or false are left out. */
export function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** The same for SVG. */
export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.filter(child => child !== null && child !== undefined && child !== false));
  return node;
}

export const byId = id => document.getElementById(id);

/** Writes a text, if it is another one: who listens to the page is told of changes only. */
export function text(node, value) {
  value = String(value);
  if (node.textContent !== value) node.textContent = value;
}

/** Makes the children of a parent be those for the items, in their order; elements are used again, so focus stays. */
export function keyed(parent, items, key, create, update) {
  const old = new Map([...parent.children].map(child => [child.dataset.key, child]));
  let at = parent.firstElementChild;
  for (const item of items) {
    const id = String(key(item));
    let node = old.get(id);
    if (node) old.delete(id);
    else {
      node = create(item);
      node.dataset.key = id;
    }
    update?.(node, item);
    if (node === at) at = at.nextElementSibling;
    else parent.insertBefore(node, at);
  }
  for (const node of old.values()) node.remove();
}

/** Asks the API beside the page. */
export async function ask(path, parameters = {}) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== '' && value !== undefined));
  // Not relative to the page: its address may bear the user and the password, with which nothing can be fetched.
  const response = await fetch(`${location.origin}${location.pathname.replace(/[^/]*$/, '')}api/${path}?${query}`, {cache: 'no-store', credentials: 'same-origin'});
  if (!response.ok) throw new Error((await response.text()).trim().slice(0, 300) || `The server answered ${response.status}.`);
  return response.json();
}

/** A colour is a node's for as long as the page is open. */
const colours = new Map();
export function colour(node) {
  if (!colours.has(node)) colours.set(node, colours.size % 8);
  return `n${colours.get(node)}`;
}
