'use strict';
// Pieces of secrets that are known, however they are written, as `oairunbook.redaction.pieces` finds them: the text is decoded once, and every seventh group
// of six of its characters is looked up among those of the secrets.
const MANY = 2;

const small = (text) => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());

// Whether a piece is no word: host names, paths and versions that stand in a secret's value as well are no pieces of it.
function isTelling(piece, shortest) {
  const digits = (piece.match(/[0-9]/g) || []).length;
  const letters = (piece.match(/[A-Za-z]/g) || []).length;
  return (digits >= MANY && letters >= MANY) || (digits > 0 && letters >= shortest);
}

// A text with what a pattern finds replaced, and where each of its characters begins and ends in the text as it was.
function step(from, pattern, character) {
  const to = { text: '', starts: [], ends: [] };
  const pieces = [];
  const keep = (begin, end) => {
    pieces.push(from.text.slice(begin, end));
    for (let at = begin; at < end; at += 1) {
      to.starts.push(from.starts[at]);
      to.ends.push(from.ends[at]);
    }
  };
  let behind = 0;
  for (const found of from.text.matchAll(pattern)) {
    keep(behind, found.index);
    behind = found.index + found[0].length;
    const piece = character(found);
    pieces.push(piece);
    // What one escape stands for may be two units long.
    for (let unit = 0; unit < piece.length; unit += 1) {
      to.starts.push(from.starts[found.index]);
      to.ends.push(from.ends[behind - 1]);
    }
  }
  keep(behind, from.text.length);
  to.text = pieces.join('');
  return to;
}

function finder(secrets, job) {
  const { shortest_piece: shortest, gram, longest_indexed: longest, most_places: most, deepest, literal, name, bases, named } = job.pieces;
  const escapes = new RegExp(job.pieces.escapes, 'g');
  const blanks = new RegExp(job.pieces.blanks, 'g');
  const path = new RegExp(`^(?:${job.pieces.path})`);

  const character = (found) => {
    const which = found.findIndex((group, index) => index > 0 && group !== undefined);
    if (which === -1) return '';
    if (which === literal) return found[which];
    if (which === name) return named[found[which]];
    const code = parseInt(found[which], bases[which] || 16);
    return code <= 0x10ffff ? String.fromCodePoint(code) : '';
  };
  const decoded = (text) => {
    let to = text;
    for (let round = 0; round < deepest; round += 1) {
      const before = to;
      to = before.replace(escapes, (...given) => character(given.slice(0, given.findIndex((one) => typeof one === 'number'))));
      if (to === before) break;
    }
    return to;
  };
  const traced = (text, withBlanks) => {
    const starts = Array.from({ length: text.length }, (_, at) => at);
    let to = { text, starts, ends: starts.map((at) => at + 1) };
    for (let round = 0; round < deepest; round += 1) {
      const before = to.text;
      to = step(to, escapes, character);
      if (to.text === before) break;
    }
    return withBlanks ? to : step(to, blanks, () => '');
  };

  const formsOf = (value) => {
    const cut = value.slice(0, longest);
    const data = Buffer.from(cut);
    const found = [[small(cut), shortest, false], [small(decoded(cut)), shortest, false], [data.toString('hex'), 2 * shortest, true], [[...data].join(','), 3 * shortest, true]];
    for (let before = 0; before < 3; before += 1) {
      const inner = Buffer.concat([Buffer.alloc(before), data]).toString('base64').replace(/=+$/, '').slice([0, 2, 3][before], -1);
      for (const form of new Set([inner, inner.replace(/\+/g, '-').replace(/\//g, '_')])) found.push([small(form), Math.floor((shortest * 4) / 3), true]);
    }
    return found;
  };

  const grams = new Map();
  const others = [];
  for (const value of new Set(secrets.flatMap((secret) => secret.split(/\s+/)))) {
    if (value.length < gram || job.dummy_keys.includes(value.toLowerCase())) continue;
    if (value.length < shortest || value.includes('://') || path.test(value) || !isTelling(value, shortest)) {
      others.push(value);
      continue;
    }
    for (const [text, least, encoded] of formsOf(value)) {
      for (let place = 0; place + gram <= text.length; place += 1) {
        const key = text.slice(place, place + gram);
        const places = grams.get(key) || [];
        if (places.length < most) places.push({ text, place, least, encoded });
        grams.set(key, places);
      }
    }
  }

  const extent = (view, at, form) => {
    let [first, begin, end, behind] = [at, form.place, at + gram, form.place + gram];
    while (first > 0 && begin > 0 && view[first - 1] === form.text[begin - 1]) [first, begin] = [first - 1, begin - 1];
    while (end < view.length && behind < form.text.length && view[end] === form.text[behind]) [end, behind] = [end + 1, behind + 1];
    return [first, end];
  };
  const parts = (view) => {
    const found = [];
    for (let at = 0; at + gram <= view.length;) {
      let best = null;
      for (const form of grams.get(view.slice(at, at + gram)) || []) {
        const [first, end] = extent(view, at, form);
        const longer = best === null || end - first > best[1] - best[0];
        if (end - first >= form.least && longer && (form.encoded || isTelling(view.slice(first, end), shortest))) best = [first, end];
      }
      if (best) found.push(best);
      at = best ? best[1] : at + shortest - gram + 1;
    }
    return found;
  };

  // From where to where pieces stand in a text, from left to right.
  return (text) => {
    const plain = decoded(text);
    const whole = [];
    if (plain !== text) {
      for (const value of others) {
        for (let at = plain.indexOf(value); at !== -1; at = plain.indexOf(value, at + value.length)) whole.push([at, at + value.length, value]);
      }
    }
    const cut = grams.size ? parts(small(plain.replace(blanks, ''))) : [];
    const places = (found, withBlanks) => {
      if (!found.length) return [];
      const { starts, ends } = traced(text, withBlanks);
      // What stands there as it is has been replaced, or is a part of what stands in a secret's place.
      return found.map(([first, end, value]) => [starts[first], ends[end - 1], value]).filter(([first, end, value]) => text.slice(first, end) !== value);
    };
    return [...places(whole, true), ...places(cut, false)].sort((one, other) => one[0] - other[0] || one[1] - other[1]);
  };
}

module.exports = { finder };
