'use strict';
// One step of the path each: name, address, proxy, handshake, exchange. What the path does wrong is an outcome, never an exception.
const dns = require('dns');
const http = require('http');
const net = require('net');
const tls = require('tls');
const { Duplex } = require('stream');
const { chain } = require('./plain');

// As they are now: those that `requests` puts in their place watch the application's own requests, and none of these.
const dial = net.connect;
const secure = tls.connect;

const MOST_BODY_BYTES = 65536;
const FIRST_BYTES = 96;

const timedOut = (text) => Object.assign(new Error(text), { code: 'ETIMEDOUT' });

// -- names ------------------------------------------------------------------------------------------------------------------------------------

function lookup(name, ms) {
  return new Promise((done) => {
    const timer = setTimeout(() => done({ kind: 'stopped', reason: `the system resolver gave no answer in ${ms / 1000} s` }), ms);
    // As net.connect asks: getaddrinfo(3), in the order of --dns-result-order.
    dns.lookup(name, { all: true }, (error, found) => {
      clearTimeout(timer);
      if (error) done({ kind: 'resolve_failed', name, errors: chain(error) });
      else done({ kind: 'resolved', name, addresses: [...new Set(found.map((entry) => entry.address))] });
    });
  });
}

const RCODES = { ENOTFOUND: 'NXDOMAIN', ENODATA: 'NOERROR', ESERVFAIL: 'SERVFAIL', EREFUSED: 'REFUSED', EFORMERR: 'FORMERR', ENOTIMP: 'NOTIMP' };

// By c-ares, which tells the rcode apart where getaddrinfo does not.
async function ask(server, name, ms) {
  const resolver = new dns.promises.Resolver({ timeout: ms, tries: 1 });
  resolver.setServers([server.port === 53 ? server.address : server.address.includes(':') ? `[${server.address}]:${server.port}` : `${server.address}:${server.port}`]);
  const replies = [];
  const unanswered = [];
  let last;
  await Promise.all([['A', 'resolve4'], ['AAAA', 'resolve6']].map(async ([rdtype, method]) => {
    try {
      replies.push({ rdtype, rcode: 'NOERROR', addresses: await resolver[method](name) });
    } catch (error) {
      if (RCODES[error.code]) replies.push({ rdtype, rcode: RCODES[error.code], addresses: [] });
      else {
        unanswered.push(rdtype);
        last = error;
      }
    }
  }));
  replies.sort((one, other) => one.rdtype.length - other.rdtype.length);
  if (replies.length) return { kind: 'dns_answer', server, name, replies, unanswered };
  const ended = last.code === 'ECONNREFUSED' ? 'unreachable' : last.code === 'EBADRESP' ? 'malformed' : 'silence';
  return { kind: 'dns_no_answer', server, name, errors: chain(last), ended };
}

// -- connections ------------------------------------------------------------------------------------------------------------------------------

// What goes over a connection, counted, with its first bytes and how it ended: TLSSocket shows none of that of what lies below it.
class Wire extends Duplex {
  constructor(socket) {
    super({ allowHalfOpen: true });
    this.socket = socket;
    this.sent = 0;
    this.received = 0;
    this.first = Buffer.alloc(0);
    this.ended = 'open';
    socket.on('data', (piece) => {
      this.received += piece.length;
      if (this.first.length < FIRST_BYTES) this.first = Buffer.concat([this.first, piece]).subarray(0, FIRST_BYTES);
      if (!this.push(piece)) socket.pause();
    });
    socket.on('end', () => {
      if (this.ended === 'open') this.ended = 'eof';
      this.push(null);
    });
    socket.on('error', (error) => {
      this.ended = ['ECONNRESET', 'EPIPE'].includes(error.code) ? 'reset' : this.ended;
      this.destroy(error);
    });
    socket.on('close', () => this.destroy());
  }

  begin() {
    this.sent = 0;
    this.received = 0;
    this.first = Buffer.alloc(0);
  }

  _read() {
    this.socket.resume();
  }

  _write(piece, encoding, done) {
    this.sent += piece.length;
    this.socket.write(piece, done);
  }

  _final(done) {
    this.socket.end();
    done();
  }

  _destroy(error, done) {
    this.socket.destroy();
    done(error);
  }
}

function connect(address, port, ms) {
  return new Promise((done) => {
    const socket = dial({ host: address, port, autoSelectFamily: false });
    const failed = (error) => {
      socket.destroy();
      done([{ kind: 'connect_failed', address, port, errors: chain(error) }, null]);
    };
    socket.setTimeout(ms, () => failed(timedOut(`connect ETIMEDOUT ${address}:${port}`)));
    socket.once('error', failed);
    socket.once('connect', () => {
      socket.setTimeout(0);
      socket.removeListener('error', failed);
      const wire = new Wire(socket);
      wire.on('error', () => {});
      done([{ kind: 'connected', address, port, local_address: socket.localAddress || null }, wire]);
    });
  });
}

// Whether a connection is cut also when nothing is sent on it.
async function untouched(address, port, ms) {
  const [outcome, wire] = await connect(address, port, ms);
  if (!wire) return outcome;
  return new Promise((done) => {
    const cut = (error) => done({ kind: 'connect_failed', address, port, errors: [error] });
    const timer = setTimeout(() => done(outcome), Math.min(ms, 1000));
    wire.once('end', () => cut({ type: 'EOFError', text: 'closed by the peer, and nothing had been sent', relation: 'raised' }));
    wire.once('error', (error) => cut(chain(error)[0]));
    wire.resume();
    wire.once('close', () => clearTimeout(timer));
  }).finally(() => wire.destroy());
}

function printable(data) {
  return data.toString('latin1').replace(/[^\x20-\x7e]/g, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

function isTls(data) {
  return data.length === 0 || (data[0] >= 20 && data[0] <= 24 && (data.length < 2 || data[1] === 3));
}

// -- the proxy --------------------------------------------------------------------------------------------------------------------------------

// CONNECT (RFC 9110 section 9.3.6), the proxy's own credentials to the proxy alone.
async function tunnel(wire, proxy, host, port, ms) {
  let below = wire;
  if (!['http', 'https'].includes(proxy.scheme)) {
    wire.destroy();
    return [{ kind: 'not_tried', reason: `this test speaks to http and https proxies, and not ${proxy.scheme}` }, null];
  }
  if (proxy.scheme === 'https') {
    const [outcome, secured] = await shake(wire, proxy.host, proxy.host, ms, {});
    if (!secured) return [{ kind: 'proxy_failed', proxy: proxy.url, phase: 'tls', errors: outcome.errors, ended: outcome.ended, received: outcome.received }, null];
    below = secured;
  }
  return new Promise((done) => {
    const authority = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
    const headers = { host: authority, ...(proxy.authorization ? { 'proxy-authorization': proxy.authorization } : {}) };
    const request = http.request({ createConnection: () => below, method: 'CONNECT', path: authority, headers, setHost: false });
    const failed = (error, ended) => {
      below.destroy();
      done([{ kind: 'proxy_failed', proxy: proxy.url, phase: 'handshake', errors: chain(error), ended: ended || (wire.ended === 'open' ? 'eof' : wire.ended), received: printable(wire.first) }, null]);
    };
    const timer = setTimeout(() => failed(timedOut('no answer to CONNECT'), 'silence'), ms);
    request.once('error', (error) => {
      clearTimeout(timer);
      failed(error);
    });
    request.once('connect', (response, socket, head) => {
      clearTimeout(timer);
      if (response.statusCode >= 200 && response.statusCode < 300) {
        if (head.length) below.unshift(head);
        done([{ kind: 'tunnel_opened', proxy: proxy.url, headers: response.rawHeaders }, below]);
        return;
      }
      let body = head;
      const told = () => {
        clearTimeout(waiting);
        below.destroy();
        done([{ kind: 'proxy_answered', proxy: proxy.url, status: response.statusCode, protocol: 'http', reason: response.statusMessage || '', headers: response.rawHeaders, page: body.toString('utf8') }, null]);
      };
      const whole = Number(response.headers['content-length']);
      const enough = () => (Number.isFinite(whole) && body.length >= whole) || body.length >= MOST_BODY_BYTES;
      const waiting = setTimeout(told, Math.min(ms, 500));
      below.on('data', (piece) => {
        body = Buffer.concat([body, piece]);
        if (enough()) told();
      });
      below.once('close', told);
      if (enough()) told();
      below.resume();
    });
    request.end();
  });
}

// -- TLS --------------------------------------------------------------------------------------------------------------------------------------

// The chain as it was sent, leaf first. Node.js puts the issuer from its own store behind it.
function chainOf(socket) {
  const found = [];
  const seen = new Set();
  const roots = new Set(tls.rootCertificates.map((pem) => pem.replace(/-----[^-]+-----|\s/g, '')));
  for (let one = socket.getPeerCertificate(true); one && one.raw && !seen.has(one.fingerprint256); one = one.issuerCertificate) {
    seen.add(one.fingerprint256);
    const der = one.raw.toString('base64');
    if (found.length && roots.has(der)) break;
    found.push({ der });
  }
  return found;
}

// One handshake by Node.js' own rules; `options` may name other roots (ca) or switch verification off. Without verification nothing is ever sent.
function shake(wire, address, host, ms, options) {
  return new Promise((done) => {
    if (wire.begin) wire.begin();
    const name = net.isIP(host) ? '' : options.servername === undefined ? host : options.servername;
    let secured;
    let timer;
    const failed = (error, ended) => {
      clearTimeout(timer);
      const wireEnded = ended || (wire.ended === 'open' && error.code === 'ECONNRESET' ? 'eof' : wire.ended);
      const received = wire.first || Buffer.alloc(0);
      wire.destroy();
      done([{
        kind: 'tls_failed', address, server_name: name, errors: chain(error), ended: wireEnded, sent_bytes: wire.sent || 0, received_bytes: wire.received || 0,
        received: isTls(received) ? '' : printable(received), message: error.message,
      }, null]);
    };
    try {
      secured = secure({ socket: wire, host, servername: name, ALPNProtocols: ['http/1.1'], rejectUnauthorized: true, ...options, servername: name });
    } catch (error) {
      failed(error);
      return;
    }
    timer = setTimeout(() => failed(timedOut('no answer to the handshake'), 'silence'), ms);
    secured.once('error', failed);
    secured.once('close', () => failed(Object.assign(new Error('the connection was closed during the handshake'), { code: 'ECONNRESET' })));
    secured.once('secureConnect', () => {
      clearTimeout(timer);
      secured.removeAllListeners('close');
      secured.removeListener('error', failed);
      secured.on('error', () => {});
      secured.wire = wire;
      const cipher = secured.getCipher();
      done([{
        kind: 'tls_handshake', address, server_name: name, version: secured.getProtocol() || '', cipher: (cipher && cipher.standardName) || '',
        alpn: secured.alpnProtocol || null, chain: chainOf(secured),
      }, secured]);
    });
  });
}

// -- HTTP -------------------------------------------------------------------------------------------------------------------------------------

const CLOSED = 'socket hang up: the connection was closed before an answer came';
const CUT = 'terminated: the answer ended before its declared end';

// One request without credentials on an open connection, whatever comes back.
function exchange(socket, { method = 'GET', url, target, authority, address, body = '', ms }) {
  return new Promise((done) => {
    const began = process.hrtime.bigint();
    const wire = socket.wire || socket;
    let response = null;
    let data = Buffer.alloc(0);
    let phase = 'headers';
    const end = (outcome) => {
      clearTimeout(timer);
      socket.destroy();
      done(outcome);
    };
    const failed = (error, ended) => {
      const closed = ended || (wire.ended === 'open' ? 'eof' : wire.ended);
      // The module http says ECONNRESET of every end that comes too soon; what came over the wire tells which it was.
      const really = closed === 'eof' && error.code === 'ECONNRESET' ? new Error(phase === 'body' ? CUT : CLOSED) : error;
      end({
        kind: 'http_failed', method, url, phase, errors: chain(really), ended: closed, status: response && response.statusCode, headers: response ? response.rawHeaders : [],
        received_bytes: wire.received || 0, received: '', address,
      });
    };
    const timer = setTimeout(() => failed(timedOut('no answer in time'), 'silence'), ms);
    const headers = { host: authority, 'user-agent': 'oairunbook', accept: 'application/json', 'accept-encoding': 'identity', connection: 'close' };
    if (body) Object.assign(headers, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
    const request = http.request({ createConnection: () => socket, method, path: target, headers, setHost: false });
    request.once('error', failed);
    request.once('response', (came) => {
      response = came;
      phase = 'body';
      const seconds = Number(process.hrtime.bigint() - began) / 1e9;
      const answered = () => end({
        kind: 'http_answer', method, url, status: came.statusCode, http_version: came.httpVersion, headers: came.rawHeaders,
        content_type: came.headers['content-type'] || null, content: data.toString('utf8'), size: data.length, address, seconds_to_headers: seconds,
      });
      came.on('data', (piece) => {
        data = Buffer.concat([data, piece]);
        if (data.length >= MOST_BODY_BYTES) answered();
      });
      came.once('end', () => (came.complete ? answered() : failed(new Error(CUT))));
      came.once('error', failed);
    });
    request.end(body);
  });
}

module.exports = { ask, connect, exchange, lookup, shake, tunnel, untouched };
