'use strict';
// What runs first: rehearses where that is asked for, walks, and frames what comes back as the collector of Python does. Nothing is written to any disk.
const crypto = require('crypto');
const dns = require('dns');
const zlib = require('zlib');
const { about } = require('./about');
const { cut } = require('./plain');
const { redactor } = require('./redaction');
const { watch } = require('./requests');
const { Walk } = require('./walk');

const LINE_CHARACTERS = 160;
const LAST_WORD_MS = 5000;

// Each line bears the nonce and its number, so that banners, prompts and warnings in between do no harm.
function frame(nonce, document) {
  const packed = zlib.deflateSync(Buffer.from(JSON.stringify(document)));
  const lines = packed.toString('base64').match(new RegExp(`.{1,${LINE_CHARACTERS}}`, 'g')) || [];
  const digest = crypto.createHash('sha256').update(packed).digest('hex');
  const framed = [...lines.map((line, number) => ` ${number} ${line}`), ` end ${lines.length} ${packed.length} ${digest}`];
  return framed.map((line) => `\n@oairunbook ${nonce}${line}`).join('') + '\n';
}

// The practice lab's names are known to its own name servers alone.
function rehearse(practice) {
  const system = dns.lookup;
  const servers = practice.name_servers.map(([address, port]) => `${address}:${port}`);
  dns.lookup = function lookup(host, options, callback) {
    const done = typeof options === 'function' ? options : callback;
    const { all, family } = typeof options === 'object' && options !== null ? options : { family: options };
    if (!host || /^[\d.]+$|:/.test(host) || host === 'localhost') return system(host, options, callback);
    const resolver = new dns.promises.Resolver({ timeout: 4000, tries: 1 });
    resolver.setServers(servers);
    const wanted = [[6, 'resolve6'], [4, 'resolve4']].filter(([number]) => !family || family === 'IPv0' || Number(String(family).replace('IPv', '')) === number);
    Promise.all(wanted.map(([number, method]) => resolver[method](host).then((found) => found.map((address) => ({ address, family: number })), (error) => error.code))).then((answers) => {
      const found = answers.filter(Array.isArray).flat();
      if (found.length) return all ? done(null, found) : done(null, found[0].address, found[0].family);
      const code = answers.every((answer) => ['ENOTFOUND', 'ENODATA'].includes(answer)) ? 'ENOTFOUND' : 'EAI_AGAIN';
      return done(Object.assign(new Error(`getaddrinfo ${code} ${host}`), { code, syscall: 'getaddrinfo', hostname: host }));
    });
    return undefined;
  };
}

// Successful bodies are never kept: of a completion or a list only its shape leaves this process. Of headers go those that tell who answered.
function withoutContent(outcome, job) {
  for (const one of [outcome, outcome.answer].filter((item) => item && Array.isArray(item.headers))) {
    const kept = (name) => job.kept_headers.includes(name) || job.kept_prefixes.some((prefix) => name.startsWith(prefix));
    one.headers = one.headers.filter((_, index) => kept(String(one.headers[index - (index % 2)]).toLowerCase()));
  }
  for (const one of [outcome, outcome.answer].filter((item) => item && typeof item.content === 'string')) {
    try {
      const document = JSON.parse(one.content);
      const plain = document !== null && typeof document === 'object' && !Array.isArray(document) && document.error === undefined;
      if (plain && (typeof document.object === 'string' || Array.isArray(document.choices))) one.content = JSON.stringify({ object: document.object, ...(document.choices ? { choices: [] } : {}) });
    } catch {
      // No JSON: a page or a text, which tells who answered.
    }
  }
  return outcome;
}

function main(job) {
  Object.assign(process.env, job.environment);
  const redact = redactor(process.env, job);
  const answer = (document) => process.stdout.write(frame(job.nonce, document), () => process.exit(0));
  const tell = (text) => process.stdout.write(`\n@oairunbook ${job.nonce} . ${Buffer.from(redact.text(text)).toString('base64')}\n`);
  let walk = null;
  let known = null;
  let ended = false;
  const end = (why) => {
    if (ended) return;
    ended = true;
    if (walk) walk.closed = true;
    const { module: _, from: __, ...sdk } = known.sdk;
    const { authorization, ...proxy } = known.proxy;
    const seen = walk ? walk.observations.map((one) => ({ ...one, outcome: withoutContent({ ...one.outcome, ...(one.outcome.answer ? { answer: { ...one.outcome.answer } } : {}) }, job) })) : [];
    const document = redact.all({ about: { ...known, sdk, proxy, roots_in_use: undefined }, collected_at: collectedAt, seconds: walk ? walk.seconds : 0, observations: seen, cut_short: why });
    const roots = job.about_alone ? require('./about').rootsInUse() : null;
    answer({ node: { ...cut(document), roots, removed: redact.removed() } });
  };
  const collectedAt = new Date().toISOString();
  process.on('uncaughtException', (error) => {
    if (ended) return;
    // undici tells some errors of sockets that nobody waits for any more.
    if (known !== null && walk !== null && !walk.closed && /^(ECONN|EPIPE|UND_|ETIMEDOUT|ERR_(SSL|STREAM|HTTP|TLS|SOCKET))/.test(String(error && error.code))) return;
    ended = true;
    answer({ failed: 'tool', text: redact.text(String((error && error.stack) || error)).slice(-4000) });
  });
  process.on('unhandledRejection', () => {});
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => known && end('interrupted'));
  const practice = process.env.OAIRUNBOOK_PRACTICE ? JSON.parse(process.env.OAIRUNBOOK_PRACTICE) : null;
  if (practice) rehearse(practice);
  known = about({ ...job, ...job.options });
  if (job.about_alone) {
    end('');
    return;
  }
  watch();
  setTimeout(() => end('its time was over'), job.seconds * 1000).unref();
  setTimeout(() => process.exit(1), job.seconds * 1000 + LAST_WORD_MS).unref();
  const told = practice ? { name_servers: practice.name_servers.map(([address, port]) => ({ address, port })), practised_family: practice.api_host === known.url.host ? practice.family : null } : {};
  walk = new Walk({ ...job, ...told }, known, tell);
  walk.run().then(() => end(''), (error) => end(`this tool failed: ${error.name}: ${error.message}`));
}

module.exports = { main };
