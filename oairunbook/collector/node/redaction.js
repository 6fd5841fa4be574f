'use strict';
// Every text without the secrets of this environment: as they are, encoded, cut, parted by line breaks or masked, as `oairunbook.redaction` does it. What
// has the shape of a secret is replaced where this record is judged.
const { finder } = require('./pieces');
const { credentialsIn, decoded } = require('./plain');

const REDACTED = '[redacted]';
const SCHEMES = ['bearer', 'basic'];

// The forms in which one secret may show up in a text.
function forms(value) {
  const data = Buffer.from(value);
  const json = JSON.stringify(value).slice(1, -1);
  const found = [value, value.trim(), json, json.replace(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`), data.toString('latin1'), data.toString('hex')];
  found.push(value.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;').replace(/'/g, '&#x27;'));
  // Python and WHATWG leave other characters as they are: `!'()*` here, none there.
  const component = encodeURIComponent(value);
  const strict = component.replace(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);
  for (const quoted of [component, strict, strict.replace(/%20/g, '+'), strict.replace(/%2F/g, '/'), encodeURI(value), new URLSearchParams({ v: value }).toString().slice(2)]) {
    found.push(quoted, quoted.replace(/%[0-9A-F]{2}/g, (byte) => byte.toLowerCase()));
  }
  for (let before = 0; before < 3; before += 1) {
    // Inside base64 a value looks different at each of three offsets; `user:password` of Basic is the common case.
    const encoded = Buffer.concat([Buffer.alloc(before), data]).toString('base64').replace(/=+$/, '');
    const whole = (before + data.length) % 3 === 0;
    const inner = encoded.slice([0, 2, 3][before], whole ? encoded.length : encoded.length - 1);
    found.push(inner, inner.replace(/\+/g, '-').replace(/\//g, '_'));
  }
  const words = value.split(/\s+/).filter(Boolean);
  if (words.length > 1) found.push(...words.filter((word) => !SCHEMES.includes(word.toLowerCase().replace(/:+$/, ''))));
  return found;
}

// Without what a cut leaves of a secret: its beginning at the end of the text, its end at the beginning.
function withoutRests(text, form, shortest) {
  if (form.length <= shortest) return text;
  let found = text;
  for (let length = Math.min(form.length, found.length); length >= shortest; length -= 1) {
    if (found.endsWith(form.slice(0, length))) {
      found = found.slice(0, -length) + REDACTED;
      break;
    }
  }
  for (let length = Math.min(form.length, found.length); length >= shortest; length -= 1) {
    if (found.startsWith(form.slice(-length))) return REDACTED + found.slice(length);
  }
  return found;
}

// A text without its line breaks, and where each of its characters stood.
function join(text, lineBreak) {
  const pieces = [];
  const ends = [];
  const shifts = [0];
  let begin = 0;
  let length = 0;
  for (const found of text.matchAll(lineBreak)) {
    pieces.push(text.slice(begin, found.index));
    length += found.index - begin;
    begin = found.index + found[0].length;
    ends.push(length);
    shifts.push(begin - length);
  }
  const place = (position) => {
    let [low, high] = [0, ends.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (ends[middle] <= position) low = middle + 1;
      else high = middle;
    }
    return position + shifts[low];
  };
  return { text: pieces.join('') + text.slice(begin), place };
}

// From where to where a mask and what it leaves of this secret stand; null if it leaves too little.
function rests(text, mask, secret, job) {
  const behind = mask.index + mask[0].length;
  const head = text.slice(Math.max(0, mask.index - job.longest_shown), mask.index);
  const tail = text.slice(behind, behind + job.longest_shown);
  // Most masks are of something else.
  if (!secret.includes(head.slice(-2)) && !secret.includes(tail.slice(0, 2))) return null;
  let begin = head.length;
  while (begin > 0 && !secret.startsWith(head.slice(-begin))) begin -= 1;
  let end = tail.length;
  while (end > 0 && !secret.endsWith(tail.slice(0, end))) end -= 1;
  return begin + end >= job.shortest_masked ? [mask.index - begin, behind + end] : null;
}

// A text without these parts of it, in one pass: who answers may name a secret as often as the answer is long.
function without(text, parts) {
  const pieces = [];
  let behind = 0;
  for (const [first, last] of parts) {
    if (first >= behind) pieces.push(text.slice(behind, first), REDACTED);
    behind = Math.max(behind, last);
  }
  return pieces.join('') + text.slice(behind);
}

// What the URLs in a text hold under the name of a secret: parameters of a query, of a fragment or of a path, and the piece of a path behind one.
function urlSecrets(text, job) {
  const of = (pattern, flags) => new RegExp(pattern, flags);
  const isSecret = (name, value) => {
    const snake = name.replace(of(job.url.hump, 'g'), '_').replace(/-/g, '_').toUpperCase();
    if (of(job.url.strong_name).test(snake)) return value !== '';
    const isNamed = of(job.secret_name, 'i').test(snake) && (!of(job.url.of_something_else).test(snake) || snake.includes(job.url.access_key_id));
    return (of(`^(?:${job.url.parameters})$`, 'i').test(name) || isNamed) && !of(`^(?:${job.url.no_secret_parameter})`).test(value);
  };
  const isDrawn = (piece) => of(`^${job.url.drawn}`).test(piece) && !of(`^${job.url.words_and_numbers}`).test(piece);
  return text.split(/\s+/).flatMap((one) => {
    const word = one.replace(/^["'<>]+|["'<>]+$/g, '');
    const rest = word.includes('://') ? word.slice(word.indexOf('://') + 3) : word;
    const [path, ...behind] = rest.split(/[?#]/);
    const pieces = path.split('/');
    const pairs = [...pieces, ...behind].flatMap((part) => part.split(/[&;]/)).filter((pair) => pair.includes('='));
    const named = pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]);
    const follow = pieces.slice(1, -1).map((name, at) => [name, pieces[at + 2]]).filter(([, piece]) => isDrawn(piece));
    return [...named, ...follow].filter(([name, value]) => isSecret(decoded(name), decoded(value))).flatMap(([, value]) => [value, decoded(value)]);
  });
}

function secretsIn(environment, job) {
  const secretName = new RegExp(job.secret_name, 'i');
  const noSecretName = new RegExp(job.no_secret_name);
  const dummies = new Set(job.dummy_keys);
  // Of an option, which no variable holds.
  const given = (job.options && job.options.base_url) || '';
  const values = [...credentialsIn(given, false), ...urlSecrets(given, job)];
  for (const [name, value] of Object.entries(environment)) {
    // PROXY_AUTH=negotiate tells a way to authenticate.
    const isWord = /_auth$/i.test(name) && /^\p{L}{1,15}$/u.test(value);
    if (secretName.test(name) && !noSecretName.test(name) && !isWord) values.push(value);
    if (name.toUpperCase() === 'OPENAI_CUSTOM_HEADERS') values.push(...value.split('\n').map((line) => line.slice(line.indexOf(':') + 1).trim()));
    if (value.includes('@')) values.push(...credentialsIn(value, /_proxy$/i.test(name)));
    if (value.includes('://') || job.url.names.some((end) => name.toUpperCase().endsWith(end))) values.push(...urlSecrets(value, job));
  }
  return [...new Set(values.filter((value) => value.trim().length >= job.shortest_secret && !dummies.has(value.trim().toLowerCase())))];
}

// Replaces what is known to be secret in texts, and counts it.
function redactor(environment, job) {
  const secrets = secretsIn(environment, job);
  // The longest first, so that none is replaced only in part.
  const sought = [...new Set(secrets.flatMap(forms))].filter((form) => form.length >= job.shortest_secret).sort((one, other) => other.length - one.length);
  let removed = 0;
  const withoutWhole = (from) => {
    let to = from;
    for (const form of sought) {
      removed += to.split(form).length - 1;
      const whole = to.split(form).join(REDACTED);
      to = withoutRests(whole, form, job.shortest_rest);
      if (to !== whole) removed += 1;
    }
    return to;
  };
  const withoutParts = (text, parts) => {
    removed += parts.length;
    return without(text, parts);
  };
  const withoutSplit = (from) => {
    if (!new RegExp(job.line_break).test(from)) return from;
    let to = from;
    let joined = join(to, new RegExp(job.line_break, 'g'));
    for (const form of sought) {
      const parts = [];
      for (let at = joined.text.indexOf(form); at !== -1; at = joined.text.indexOf(form, at + form.length)) {
        parts.push([joined.place(at), joined.place(at + form.length - 1) + 1]);
      }
      if (!parts.length) continue;
      to = withoutParts(to, parts);
      joined = join(to, new RegExp(job.line_break, 'g'));
    }
    return to;
  };
  const withoutMasked = (from) => {
    const masks = [...from.matchAll(new RegExp(job.mask, 'g'))];
    return withoutParts(from, masks.map((mask) => secrets.map((secret) => rests(from, mask, secret, job)).find(Boolean)).filter(Boolean));
  };
  const piecesIn = finder(secrets, job);
  const withoutPieces = (from) => withoutParts(from, piecesIn(from));
  const text = (from) => (secrets.length ? withoutPieces(withoutMasked(withoutSplit(withoutWhole(from)))) : from);
  const all = (item, name) => {
    // A certificate is public, and in base64 it would only cost time here.
    if (typeof item === 'string') return name === 'der' ? item : text(item);
    if (Array.isArray(item)) return item.map((part) => all(part, name));
    if (item !== null && typeof item === 'object') return Object.fromEntries(Object.entries(item).map(([key, part]) => [key, all(part, key)]));
    return item;
  };
  return { text, all, removed: () => removed };
}

module.exports = { redactor };
