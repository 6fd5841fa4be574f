'use strict';
// What leaves this process, in plain terms: errors as links of a chain, texts cut to what is kept, URLs without credentials.

const KEPT_TEXT = 600;
const MOST_LINKS = 16;

function nameOf(error) {
  if (error === null || typeof error !== 'object') return typeof error;
  const own = error.constructor && error.constructor.name;
  return own && own !== 'Error' && own !== 'Object' ? own : error.name || own || 'Error';
}

function textOf(error) {
  const text = String((error && error.message) || error);
  // The text of fetch holds the whole header, and with it the whole key.
  return /invalid header value|Invalid character in header/i.test(text) ? 'invalid header value (value not shown: it holds a credential)' : text;
}

function link(error, relation) {
  const found = { type: nameOf(error), text: textOf(error), relation };
  for (const name of ['code', 'syscall', 'hostname', 'address', 'port']) {
    if (error && ['string', 'number'].includes(typeof error[name])) found[name] = error[name];
  }
  return found;
}

// Outermost first, as the SDK, fetch and net nest them: `cause`, and the members of an AggregateError.
function chain(error) {
  const links = [];
  const pending = [[error, 'raised']];
  const seen = new Set();
  while (pending.length && links.length < MOST_LINKS) {
    const [current, relation] = pending.shift();
    if (seen.has(current)) continue;
    seen.add(current);
    links.push(link(current, relation));
    if (current === null || typeof current !== 'object') continue;
    if (current.cause) pending.push([current.cause, 'cause']);
    for (const member of Array.isArray(current.errors) ? current.errors : []) pending.push([member, 'member']);
  }
  return links;
}

function credentialsIn(url, wholeAuthority) {
  const authority = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)@/i.exec(url) || (wholeAuthority && /^(?:[a-z][a-z0-9+.-]*:\/\/)?(.*)@/i.exec(url));
  if (!authority) return [];
  const [user, ...rest] = authority[1].split(':');
  const password = rest.join(':');
  return (password ? [password, ...password.split(/[/?#]/)] : [user]).flatMap((value) => [value, decoded(value)]);
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

// Only after redaction: a cut secret is found no more.
function cut(document) {
  const shorten = (item, name) => {
    if (typeof item === 'string') return name === 'text' ? item.slice(0, KEPT_TEXT) : item;
    if (Array.isArray(item)) return item.map((part) => shorten(part, name));
    if (item !== null && typeof item === 'object') return Object.fromEntries(Object.entries(item).map(([key, part]) => [key, shorten(part, key)]));
    return item;
  };
  return shorten(document, '');
}

function withoutCredentials(url) {
  const [head, separator, rest] = url.includes('://') ? [url.slice(0, url.indexOf('://')), '://', url.slice(url.indexOf('://') + 3)] : ['', '', url];
  const authority = rest.split(/[/?#]/)[0].includes('@') ? rest.split(/[/?#]/)[0].replace(/^.*@/, '') : rest.includes('@') ? rest.replace(/^.*@/, '').split(/[/?#]/)[0] : rest.split(/[/?#]/)[0];
  return `${head}${separator}${authority}`;
}

module.exports = { chain, link, cut, withoutCredentials, credentialsIn, decoded };
