'use strict';
// The way along the path, each step as soon as the one before it allows; then what one changed thing would tell, and the same path again.
const tls = require('tls');
const net = require('net');
const { configured, kindsFor, pemsIn, textOf } = require('./about');
const { ask, connect, exchange, lookup, shake, tunnel, untouched } = require('./path');
const { client, minimal, models } = require('./requests');

const MOST_ADDRESSES = 8;
const ANSWER_MS = 15000;
const WORKERS = 4;
const PACE_MS = 400;

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

class Walk {
  constructor(job, known, tell) {
    this.job = job;
    this.known = { ...known, prompt: job.prompt, most_tokens: job.most_tokens };
    this.tell = tell;
    this.step = job.options.timeout * 1000;
    this.began = process.hrtime.bigint();
    this.last = Date.now() + job.options.budget * 1000;
    this.observations = [];
    this.closed = false;
    this.servers = job.name_servers || known.name_servers.map(serverOf);
  }

  get seconds() {
    return Number(process.hrtime.bigint() - this.began) / 1e9;
  }

  get ms() {
    return Math.max(1, Math.min(this.step, this.last - Date.now()));
  }

  // Runs one step and notes what it gave: an outcome, or an outcome with something for the steps that follow.
  async note(id, probe, layer, target, look, more) {
    const { changed = null, attempt = 1 } = more || {};
    if (attempt === 1) this.tell(`${probe}: ${target}${changed ? `, ${changed}` : ''}`);
    const started = this.seconds;
    let found;
    try {
      found = await look();
    } catch (error) {
      found = { kind: 'tool_failed', errors: [{ type: error.name || 'Error', text: String(error.message || error), relation: 'raised' }] };
    }
    const [outcome, extra] = Array.isArray(found) ? found : [found, null];
    if (!this.closed) this.observations.push({ id, probe, layer, target, started_seconds: started, seconds: this.seconds - started, outcome, changed, attempt });
    return [outcome, extra];
  }

  forget(id) {
    this.observations = this.observations.filter((one) => one.id !== id);
  }

  skip(id, layer, target, reason) {
    return this.note(id, id.split('.')[0], layer, target, () => ({ kind: 'not_tried', reason }));
  }

  async run() {
    const { url, proxy } = this.known;
    this.client = (await this.note('client.sdk', 'client', 'client', 'the SDK', () => client(this.known)))[0];
    if (this.job.requests_alone) {
      await this.requestsAlone();
      return;
    }
    if (url.problem) {
      for (const [id, layer] of [['dns', 'dns'], ['tcp', 'tcp'], ['tls', 'tls'], ['http', 'http'], ['sdk', 'api']]) await this.skip(id, layer, 'the endpoint', 'the base URL cannot be used');
      return;
    }
    const control = this.control();
    this.ways = { host: proxy.url ? proxy.host : url.host, port: proxy.url ? proxy.port : url.port, proxy };
    const reached = await this.reach(this.ways, {});
    const attempts = this.attempts();
    await this.requests(reached);
    await this.counterTests(reached);
    await Promise.race([Promise.all([control, attempts]), sleep(this.ms)]);
  }

  // -- the path ---------------------------------------------------------------------------------------------------------------------------------

  async addresses(host, more) {
    const { prefix = '', suffix = '' } = more;
    if (net.isIP(host)) {
      if (!prefix && !suffix) await this.skip('dns.system', 'dns', host, 'the host is an address');
      return [host];
    }
    const asked = suffix ? [] : this.servers.map((server) => this.note(`${prefix}dns.server:${server.address}`, 'dns', 'dns', `${host} by ${server.address}`, () => ask(server, host, this.ms), more));
    const [found] = await this.note(`${prefix}dns.system${suffix}`, 'dns', 'dns', `${host} by the system${more.words || ''}`, () => lookup(host, this.ms), more);
    if (found.kind !== 'resolved') await Promise.all(asked);
    return found.kind === 'resolved' ? found.addresses.slice(0, MOST_ADDRESSES) : [];
  }

  // TCP, the proxy and TLS to one address; the socket is null if one of them ended it.
  async open(address, way, more, options) {
    const { prefix = '', suffix = '', words = '' } = more;
    const url = way.url || this.known.url;
    const [, wire] = await this.note(`${prefix}tcp:${address}${suffix}`, 'tcp', 'tcp', `${address} port ${way.port}${words}`, () => connect(address, way.port, this.ms), more);
    let socket = wire;
    if (socket && way.proxy.url) {
      [, socket] = await this.note(`${prefix}proxy:${address}${suffix}`, 'proxy', 'proxy', `${way.proxy.url} to ${url.host}${words}`, () => tunnel(wire, way.proxy, url.host, url.port, this.ms), more);
    }
    if (socket && url.scheme === 'https') {
      const below = socket;
      const lax = !this.known.trust.verifies && !prefix;
      [, socket] = await this.note(`${prefix}tls:${address}${suffix}`, 'tls', 'tls', `${url.host} at ${address}${words}`, async () => {
        const [outcome, secured] = await shake(below, address, url.host, this.ms, { rejectUnauthorized: !lax, ...options });
        if (secured || prefix || suffix || !CERTIFICATE.test(String(outcome.errors[0].code))) return [outcome, secured];
        // The chain of a peer that did not verify, over a second connection on which nothing is sent.
        return [{ ...outcome, chain: await this.chainAt(address, way) }, null];
      }, more);
    }
    return socket;
  }

  async quietly(address, way, options) {
    const url = way.url || this.known.url;
    const [reached, wire] = await connect(address, way.port, this.ms);
    if (!wire) return [reached, null];
    const [answered, below] = way.proxy.url ? await tunnel(wire, way.proxy, url.host, url.port, this.ms) : [reached, wire];
    if (!below || url.scheme !== 'https') return [answered, below];
    return shake(below, address, url.host, this.ms, options);
  }

  async chainAt(address, way) {
    const [outcome, socket] = await this.quietly(address, way, { rejectUnauthorized: false });
    if (socket) socket.destroy();
    return outcome.chain || [];
  }

  // Every address at once; the first that gets through is where the requests go.
  async reach(way, more) {
    const addresses = await this.addresses(way.host, more);
    if (!addresses.length) {
      for (const [id, layer] of [['tcp', 'tcp'], ...(way.proxy.url ? [['proxy', 'proxy']] : []), ['tls', 'tls'], ['http', 'http']]) await this.skip(id, layer, 'the endpoint', `${way.host} has no address here`);
      return null;
    }
    const walkers = addresses.map(async (address) => ({ address, socket: await this.open(address, way, more) }));
    const first = await Promise.any(walkers.map(async (walker) => {
      const found = await walker;
      if (!found.socket) throw new Error('not reached');
      return found;
    })).catch(() => null);
    Promise.all(walkers).then((all) => all.forEach((one) => one.socket && one !== first && one.socket.destroy()));
    return first;
  }

  ask(socket, address, way, posted, path) {
    const url = way.url || this.known.url;
    const query = url.api_version ? `?api-version=${url.api_version}` : '';
    const deployment = url.surface === 'azure-dated' ? `/deployments/${this.model || this.job.preferred[0]}` : '';
    const target = `${url.path}${path || (posted ? `${deployment}/chat/completions` : '/models')}${query}`;
    const body = posted ? JSON.stringify({ model: this.model || this.job.preferred[0] }) : '';
    return exchange(socket, { method: posted ? 'POST' : 'GET', url: `${url.scheme}://${url.authority}${target}`, target, authority: url.authority, address, body, ms: this.ms });
  }

  // -- requests ---------------------------------------------------------------------------------------------------------------------------------

  // Over a handshake that verified, or to loopback with no proxy in play; never a key that is no legal header value.
  async mayGoOut(reached) {
    const { credential, url, proxy, trust } = this.known;
    if (!credential.present || credential.problems.length) return false;
    if (url.scheme === 'http') return !proxy.url && (url.host === 'localhost' || /^127\.|^::1$/.test(url.host));
    if (trust.verifies) return reached !== null;
    const [outcome, socket] = (await this.note(`tls.verified:${reached.address}`, 'tls', 'tls', `${url.host} at ${reached.address}`, () => this.quietly(reached.address, this.ways, { rejectUnauthorized: true }), { changed: 'verification switched on' }));
    if (socket) socket.destroy();
    return outcome.kind === 'tls_handshake';
  }

  async requests(reached) {
    const what = `the SDK's minimal request`;
    const named = this.job.options.model || (this.known.url.surface === 'openai' ? '' : (process.env.AZURE_OPENAI_DEPLOYMENT || '').trim());
    this.model = named || null;
    if (reached === null) {
      await this.onABrokenPath(what);
      return;
    }
    const [plain] = await this.note('http', 'http', 'http', `${this.known.url.host}, no credentials`, () => this.ask(reached.socket, reached.address, this.ways));
    if (this.client.kind !== 'client_built') {
      await this.skip('sdk', 'api', what, 'the SDK\'s client could not be built');
      return;
    }
    const own = await this.mayGoOut(reached);
    await this.own(plain.kind === 'http_answer' ? this.step + ANSWER_MS : this.step, own);
  }

  async own(ms, own) {
    const what = `the SDK's minimal request`;
    const { trust, credential, url } = this.known;
    if (!trust.verifies && !own && credential.present && url.scheme === 'https') {
      await this.skip('sdk', 'api', what, 'NODE_TLS_REJECT_UNAUTHORIZED=0 switches verification off and the chain does not verify: no key goes over that');
      return;
    }
    // With a chain that verifies nothing is lost by verifying it.
    if (own) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    if (!this.model && url.surface !== 'openai') this.model = null;
    else if (!this.model) this.model = own ? pick(await models(this.known, this.ms), this.job) : this.job.preferred[0];
    if (!this.model) {
      await this.skip('sdk', 'api', what, 'no deployment is named: give --model, or set AZURE_OPENAI_DEPLOYMENT');
      return;
    }
    const limit = () => Math.max(1, Math.min(ms, this.last - Date.now()));
    const [whole] = await this.note('sdk', 'sdk', 'api', `${what} (POST)`, () => minimal(this.known, { model: this.model, stream: false, own, ms: limit() }));
    if (whole.kind === 'sdk_failed' && whole.answer === null && JSON.stringify(whole.errors).match(/timed? ?out/i)) return;
    await this.note('sdk.stream', 'sdk', 'api', `${what} (POST, streamed)`, () => minimal(this.known, { model: this.model, stream: true, own, ms: Math.min(limit(), this.step) }));
  }

  // The exception that the application sees, if the path fails at once; with a placeholder for a key.
  async onABrokenPath(what) {
    if (this.client.kind !== 'client_built') await this.skip('sdk', 'api', what, 'the SDK\'s client could not be built');
    else if (this.observations.some(isSilent)) await this.skip('sdk', 'api', what, 'the path is silent; the SDK would wait as long again');
    else await this.note('sdk', 'sdk', 'api', `${what} (POST)`, () => minimal(this.known, { model: this.model || this.job.preferred[0], stream: false, own: false, ms: Math.min(this.ms, 3000) }));
  }

  // Beside a walk that Python makes with these roots and this proxy: one handshake of Node.js' own, and the application's own requests.
  async requestsAlone() {
    const { url, proxy } = this.known;
    if (url.problem) return;
    this.model = this.job.options.model || (url.surface === 'openai' ? '' : (process.env.AZURE_OPENAI_DEPLOYMENT || '').trim()) || null;
    this.ways = { host: proxy.url ? proxy.host : url.host, port: proxy.url ? proxy.port : url.port, proxy };
    const found = net.isIP(this.ways.host) ? { kind: 'resolved', addresses: [this.ways.host] } : await lookup(this.ways.host, this.ms);
    let reached = null;
    let silent = found.kind === 'stopped';
    for (const address of found.kind === 'resolved' ? found.addresses.slice(0, MOST_ADDRESSES) : []) {
      const [outcome, socket] = await this.note(`tls.node:${address}`, 'tls', 'tls', `${url.host} at ${address}, by Node.js itself`, async () => {
        const [opened, secured] = await this.quietly(address, this.ways, { rejectUnauthorized: this.known.trust.verifies });
        if (secured || !CERTIFICATE.test(String(opened.errors && opened.errors[0].code))) return [opened, secured];
        return [{ ...opened, chain: await this.chainAt(address, this.ways) }, null];
      });
      // What ended before TLS the walk beside this one shows.
      if (!outcome.kind.startsWith('tls_')) this.forget(`tls.node:${address}`);
      silent = silent || isSilent({ outcome });
      if (!socket) continue;
      // That one is answered says how long to wait for more. How one fails the walk beside this shows, which tells a reset from an end of file.
      const [plain] = await this.note(`http.node:${address}`, 'http', 'http', `${url.host}, no credentials, by Node.js itself`, () => this.ask(socket, address, this.ways));
      if (plain.kind !== 'http_answer') this.forget(`http.node:${address}`);
      reached = { address, answers: plain.kind === 'http_answer' };
      break;
    }
    if (this.client.kind !== 'client_built') return;
    if (reached) await this.own(reached.answers ? this.step + ANSWER_MS : this.step, await this.mayGoOut(reached));
    else if (silent) await this.skip('sdk', 'api', `the SDK's minimal request`, 'the path is silent; the SDK would wait as long again');
    else await this.onABrokenPath(`the SDK's minimal request`);
  }

  // -- beside the path ----------------------------------------------------------------------------------------------------------------------------

  // The direct route next to an Azure or gateway route, without credentials (owner rule 4 of the cause catalogue).
  async control() {
    const { control_url: given } = this.job;
    const direct = this.job.options.route === 'direct' || (this.job.options.route === 'auto' && new RegExp(this.job.direct_host).test(this.known.url.host)) || this.job.practised_family === 'direct';
    if (!given || direct) return;
    const { hostname, port, pathname, host } = new URL(given);
    const url = { scheme: 'https', host: hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(port) || 443, path: pathname.replace(/\/+$/, ''), authority: host };
    const more = { changed: this.job.control_changed, prefix: 'control.' };
    const proxy = this.known.proxy.url ? this.known.proxy : { url: null };
    const way = { host: proxy.url ? proxy.host : url.host, port: proxy.url ? proxy.port : url.port, proxy, url };
    for (const address of (await this.addresses(way.host, more)).slice(0, 2)) {
      const socket = await this.open(address, way, more);
      if (!socket) continue;
      await this.note('control.http', 'http', 'http', `${url.host}, no credentials`, () => this.ask(socket, address, way), more);
      return;
    }
  }

  // The same path again up to an unbilled request, to see faults that come and go.
  async attempts() {
    const { repeat } = this.job.options;
    let number = 1;
    await Promise.all(Array.from({ length: WORKERS }, async () => {
      for (;;) {
        number += 1;
        const mine = number;
        if (mine > repeat || this.closed || this.last - Date.now() <= 0) return;
        const began = Date.now();
        if (!(await this.attempt(mine))) await sleep(Math.max(0, PACE_MS - (Date.now() - began)));
      }
    }));
  }

  async attempt(number) {
    const more = { attempt: number, suffix: `#${number}`, words: `, attempt ${number}` };
    const posted = number % 4 < 2;
    for (const address of await this.addresses(this.ways.host, more)) {
      const socket = await this.open(address, this.ways, more);
      if (!socket) continue;
      const [outcome] = await this.note(`http#${number}`, 'http', 'http', `${this.known.url.host}, ${posted ? 'POST' : 'GET'}, no credentials, attempt ${number}`, () => this.ask(socket, address, this.ways, posted), more);
      return outcome.kind === 'http_answer';
    }
    return false;
  }

  // -- counter-tests ------------------------------------------------------------------------------------------------------------------------------

  async counterTests(reached) {
    const tests = [];
    const { url, proxy } = this.known;
    if (reached === null && !proxy.url) {
      for (const named of this.namedProxies()) {
        tests.push(this.note(`proxy.configured:${named.host}`, 'http', 'proxy', `${url.host} through ${named.url}`, () => this.answered({ host: named.host, port: named.port, proxy: named }), { changed: 'through the proxy that is configured, which this host goes around' }));
      }
    }
    const failing = this.observations.some(({ id, outcome, changed, attempt }) => changed === null && attempt === 1 && /^(dns\.system|tcp|proxy)/.test(id) && /failed|proxy_answered|stopped/.test(outcome.kind));
    if (proxy.url && failing) tests.push(this.note('proxy.none', 'http', 'proxy', `${url.host} without a proxy`, () => this.answered({ host: url.host, port: url.port, proxy: { url: null } }), { changed: 'directly instead of through the proxy' }));
    const failed = this.observations.find(({ outcome, changed, attempt }) => changed === null && attempt === 1 && outcome.kind === 'tls_failed');
    if (failed && reached === null) {
      const { address, errors } = failed.outcome;
      const code = String(errors[0].code);
      if (TRUST.test(code)) {
        for (const store of this.otherStores()) {
          tests.push(this.note(`tls.store:${store.name}`, 'tls', 'tls', `${url.host} at ${address}`, () => this.closing(address, { ca: store.pems }), { changed: `the trust store ${store.name} (${store.path}) instead of Node.js' own` }));
        }
      }
      if (/^CERT_(HAS_EXPIRED|NOT_YET_VALID)$/.test(code)) {
        tests.push(this.note('tls.date', 'http', 'tls', `${url.host} at ${address}`, async () => {
          const [outcome, socket] = await this.quietly(address, this.ways, { rejectUnauthorized: false });
          return socket ? this.ask(socket, address, this.ways) : outcome;
        }, { changed: 'without verification and without credentials, for the Date that the endpoint sends' }));
      }
      if (['reset', 'eof'].includes(failed.outcome.ended) && !failed.outcome.received_bytes && !proxy.url) {
        tests.push(this.note(`tcp.untouched:${address}`, 'tcp', 'tcp', `${address} port ${url.port}`, () => untouched(address, url.port, this.ms), { changed: 'nothing is sent on the connection' }));
      }
      if (!CERTIFICATE.test(code) && !failed.outcome.received) {
        for (const [id, servername, words] of [['tls.other_name', 'example.org', 'the server name example.org'], ['tls.no_name', '', 'no server name']]) {
          tests.push(this.note(`${id}:${address}`, 'tls', 'tls', `${servername || 'no name'} at ${address}`, () => this.closing(address, { rejectUnauthorized: false, servername }), { changed: `${words} instead of ${url.host}` }));
        }
      }
    }
    await Promise.all(tests);
  }

  async closing(address, options) {
    const [outcome, socket] = await this.quietly(address, this.ways, options);
    if (socket) socket.destroy();
    return outcome;
  }

  async answered(way) {
    const found = net.isIP(way.host) ? { kind: 'resolved', addresses: [way.host] } : await lookup(way.host, this.ms);
    if (found.kind !== 'resolved') return found;
    const [outcome, socket] = await this.quietly(found.addresses[0], way, {});
    return socket ? this.ask(socket, found.addresses[0], way) : outcome;
  }

  namedProxies() {
    const found = [configured(...kindsFor(this.known.url.scheme)), configured('all_proxy')].filter((one) => one && one.host && ['http', 'https'].includes(one.scheme));
    return found.filter((one, index) => found.findIndex((other) => other.url === one.url) === index);
  }

  otherStores() {
    const stores = [];
    const used = this.known.trust.path;
    for (const name of ['SSL_CERT_FILE', 'REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE']) if (process.env[name]) stores.push({ name, path: process.env[name] });
    const system = this.job.system_stores.find((path) => textOf(path) !== null);
    if (system && !this.known.trust.system) stores.push({ name: 'system', path: system });
    const read = stores.filter(({ path }, index) => path !== used && stores.findIndex((other) => other.path === path) === index).map((store) => ({ ...store, pems: pemsIn(textOf(store.path) || '') }));
    return read.filter(({ pems }) => pems.length);
  }
}

// Codes of certificates that did not verify; those that turn on the roots.
const TRUST = /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_GET_ISSUER_CERT_LOCALLY|UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT)$/;
const CERTIFICATE = /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|CERT_|ERR_TLS_CERT_ALTNAME_INVALID|INVALID_PURPOSE|HOSTNAME_MISMATCH)/;

function isSilent({ outcome, changed = null, attempt = 1 }) {
  if (changed !== null || attempt > 1) return false;
  return outcome.kind === 'stopped' || outcome.ended === 'silence' || (outcome.kind === 'connect_failed' && outcome.errors[0].code === 'ETIMEDOUT');
}

function serverOf(text) {
  const parts = /^\[(.+)\](?::(\d+))?$/.exec(text) || /^([^:]+)(?::(\d+))?$/.exec(text) || [null, text, null];
  return { address: parts[1], port: Number(parts[2]) || 53 };
}

function pick(seen, job) {
  const preferred = job.preferred.find((name) => seen.includes(name));
  return preferred || seen.find((name) => !job.no_chat.some((word) => name.toLowerCase().includes(word))) || job.preferred[0];
}

module.exports = { Walk };
