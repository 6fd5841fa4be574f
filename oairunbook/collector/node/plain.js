'use strict';
// What leaves this process: errors as links of a chain, and every text without the secrets of this environment.

const KEPT_TEXT = 600;
const MOST_LINKS = 16;
const SHORTEST_SECRET = 6;

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

// The forms in which one secret may show up in a text.
function forms(value) {
  const data = Buffer.from(value);
  const found = [value, value.trim(), JSON.stringify(value).slice(1, -1), data.toString('latin1'), data.toString('hex')];
  const quoted = encodeURIComponent(value);
  found.push(quoted, quoted.replace(/%[0-9A-F]{2}/g, (byte) => byte.toLowerCase()), encodeURI(value));
  for (let before = 0; before < 3; before += 1) {
    // Inside base64 a value looks different at each of three offsets; `user:password` of Basic is the common case.
    const encoded = Buffer.concat([Buffer.alloc(before), data]).toString('base64').replace(/=+$/, '');
    const whole = (before + data.length) % 3 === 0;
    const inner = encoded.slice([0, 2, 3][before], whole ? encoded.length : encoded.length - 1);
    found.push(inner, inner.replace(/\+/g, '-').replace(/\//g, '_'));
  }
  return found;
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

// Replaces known secrets; what has the shape of one is replaced where this record is judged.
function redactor(environment, job) {
  const secretName = new RegExp(job.secret_name, 'i');
  const noSecretName = new RegExp(job.no_secret_name);
  const dummies = new Set(job.dummy_keys);
  const values = [];
  for (const [name, value] of Object.entries(environment)) {
    if (secretName.test(name) && !noSecretName.test(name)) values.push(value);
    if (name.toUpperCase() === 'OPENAI_CUSTOM_HEADERS') values.push(...value.split('\n').map((line) => line.slice(line.indexOf(':') + 1).trim()));
    if (value.includes('@')) values.push(...credentialsIn(value, /_proxy$/i.test(name)));
  }
  const secret = values.filter((value) => value.trim().length >= SHORTEST_SECRET && !dummies.has(value.trim().toLowerCase()));
  const sought = [...new Set(secret.flatMap(forms))].filter((form) => form.length >= SHORTEST_SECRET).sort((one, other) => other.length - one.length);
  let removed = 0;
  const text = (from) => {
    let to = from;
    for (const form of sought) {
      if (!to.includes(form)) continue;
      removed += to.split(form).length - 1;
      to = to.split(form).join('[redacted]');
    }
    return to;
  };
  const all = (item, name) => {
    // A certificate is public, and in base64 it would only cost time here.
    if (typeof item === 'string') return name === 'der' ? item : text(item);
    if (Array.isArray(item)) return item.map((part) => all(part, name));
    if (item !== null && typeof item === 'object') return Object.fromEntries(Object.entries(item).map(([key, part]) => [key, all(part, key)]));
    return item;
  };
  return { text, all, removed: () => removed };
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

module.exports = { chain, link, redactor, cut, withoutCredentials, credentialsIn, decoded };
