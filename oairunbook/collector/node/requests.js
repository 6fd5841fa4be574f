'use strict';
// The application's own minimal request: by its openai package where there is one, else by fetch, seen through what Node.js tells of itself.
const channels = require('diagnostics_channel');
const net = require('net');
const tls = require('tls');
const { keyOf } = require('./about');
const { chain } = require('./plain');
const { following } = require('./node_redirects');

const MOST_EVENTS = 60;
const MOST_BODY_CHARACTERS = 4 * 1024 * 1024;
const PLACEHOLDER = 'sk-oairunbook-placeholder';

// -- the trace --------------------------------------------------------------------------------------------------------------------------------

// One of the application's requests is under way at a time, so whatever fetch tells belongs to it; of the module http, which the probes of `path` use as
// well, only what is not theirs. Steps have the names that the transports of the Python SDK give them.
let recording = null;

function note(name, more) {
  if (recording && recording.events.length < MOST_EVENTS) recording.events.push({ name, seconds: Number(process.hrtime.bigint() - recording.began) / 1e9, ...more });
}

function watchSocket(socket, options, secure) {
  const where = { host: String(options.host || options.servername || ''), port: Number(options.port) || null };
  const mine = recording;
  if (!mine || (socket.connecting === false && !secure)) return;
  let step = options.socket ? 'connection.start_tls' : 'connection.connect_tcp';
  const tell = (ending, more) => recording === mine && note(`${step}.${ending}`, { ...where, ...more });
  tell('started');
  mine.open.add(socket);
  const over = (error) => {
    if (!mine.open.delete(socket)) return;
    tell('failed', { error: (error && (error.code || error.name)) || 'closed' });
  };
  socket.once('connect', () => {
    if (!mine.open.has(socket) || step === 'connection.start_tls') return;
    tell('complete');
    if (secure) {
      step = 'connection.start_tls';
      tell('started');
    } else mine.open.delete(socket);
  });
  socket.once('secureConnect', () => {
    if (socket.authorized === false && options.rejectUnauthorized !== false && process.env.NODE_TLS_REJECT_UNAUTHORIZED !== '0') return;
    if (mine.open.delete(socket)) tell('complete');
  });
  socket.once('error', over);
  socket.once('close', () => over(null));
  mine.steps.set(socket, tell);
}

// The transports call both as members of their modules: undici in its connector, node-fetch through the agents of http and https.
function watch() {
  const [secure, plain] = [tls.connect, net.connect];
  tls.connect = function connect(...given) {
    const socket = secure.apply(this, given);
    watchSocket(socket, typeof given[0] === 'object' ? given[0] : {}, true);
    return socket;
  };
  net.connect = function connect(...given) {
    const socket = plain.apply(this, given);
    watchSocket(socket, typeof given[0] === 'object' ? given[0] : {}, false);
    return socket;
  };
  const listen = (channel, told) => channels.channel(channel).subscribe((message) => recording && told(message));
  // A request for a tunnel is the proxy's: its answer is no answer of the endpoint.
  const own = (request) => (request && request.method) !== 'CONNECT';
  listen('undici:client:sendHeaders', ({ request }) => own(request) && note('http11.send_request_headers.complete'));
  listen('undici:request:headers', ({ request, response }) => own(request) && note('http11.receive_response_headers.complete', { status: response.statusCode }));
  const others = (request) => own(request) && request.getHeader('user-agent') !== 'oairunbook';
  listen('http.client.request.start', ({ request }) => others(request) && note('http11.send_request_headers.complete'));
  listen('http.client.response.finish', ({ request, response }) => others(request) && note('http11.receive_response_headers.complete', { status: response.statusCode }));
}

function record() {
  recording = { began: process.hrtime.bigint(), events: [], open: new Set(), steps: new Map() };
}

// What was still under way when the request ended is the step that it failed in.
function recorded() {
  const { events, open, steps } = recording;
  for (const socket of open) steps.get(socket)('failed', { error: 'given up' });
  recording = null;
  return events;
}

// -- the client -------------------------------------------------------------------------------------------------------------------------------

const settings = (known, key, ms) => ({ apiKey: key, baseURL: known.url.base, maxRetries: 0, timeout: ms });

function made(known, key, ms) {
  const { OpenAI, AzureOpenAI, default: fallback } = known.sdk.module;
  if (known.url.surface !== 'azure-dated') return new (OpenAI || fallback)(settings(known, key, ms));
  const { apiKey, ...rest } = settings(known, key, ms);
  const identity = known.credential.token ? { azureADTokenProvider: async () => apiKey } : { apiKey };
  return new AzureOpenAI({ ...rest, ...identity, apiVersion: known.url.api_version });
}

// With the fetch that it chose itself, but for where redirects lead.
function construct(known, key, ms) {
  const client = made(known, key, ms);
  if (typeof client.fetch === 'function') client.fetch = following(client.fetch);
  return client;
}

// Whether the client could be built, and as what.
function client(known) {
  if (known.sdk.missing && typeof fetch !== 'function') return { kind: 'client_refused', stage: 'import', errors: [{ type: 'Error', text: known.sdk.missing, relation: 'raised' }] };
  const found = { proxy: known.proxy.url, roots: known.trust.roots };
  if (known.sdk.missing) return { kind: 'client_built', client: `fetch of Node.js ${known.node}: ${known.sdk.missing}`, ...found };
  if (!known.sdk.module) return { kind: 'client_refused', stage: 'import', errors: known.sdk.errors };
  try {
    return { kind: 'client_built', client: `openai.${construct(known, PLACEHOLDER, 1000).constructor.name}`, ...found };
  } catch (error) {
    return { kind: 'client_refused', stage: 'construction', errors: chain(error) };
  }
}

// -- the requests -----------------------------------------------------------------------------------------------------------------------------

const patience = (ms) => Object.assign(new Error(`nothing came for ${ms / 1000} s, which is the limit of this test`), { name: 'TimeoutError', code: 'ETIMEDOUT' });

function within(promise, ms) {
  let timer;
  const limit = new Promise((_, refuse) => {
    timer = setTimeout(() => refuse(patience(ms)), ms);
  });
  return Promise.race([promise, limit]).finally(() => clearTimeout(timer));
}

const headersOf = (headers) => (headers ? (typeof headers.entries === 'function' ? [...headers.entries()] : Object.entries(headers)).flat() : []);

async function consume(stream, ms, came) {
  const iterator = stream[Symbol.asyncIterator]();
  const began = process.hrtime.bigint();
  const seconds = () => Number(process.hrtime.bigint() - began) / 1e9;
  let last = 0;
  for (;;) {
    const { done, value } = await within(iterator.next(), ms);
    if (done) return;
    const now = seconds();
    if (came.first === null) came.first = now;
    came.gap = Math.max(came.gap || 0, now - last);
    came.spread = now - came.first;
    last = now;
    came.chunks += 1;
    came.completed = came.completed || ((value && value.choices) || []).some((choice) => choice.finish_reason);
  }
}

async function bySdk(known, { model, stream, key, ms, came }) {
  const made = construct(known, key, ms);
  const body = { model, messages: [{ role: 'user', content: known.prompt }], stream };
  const send = (limit) => made.chat.completions.create({ ...body, ...limit }).withResponse();
  let answer;
  try {
    answer = await within(send({ max_completion_tokens: known.most_tokens }), ms + 1000);
  } catch (error) {
    // Older gateways and dated Azure versions know only the older name of the limit.
    if (![400, 422].includes(error.status) || !JSON.stringify([error.error, error.message]).includes('max_completion_tokens')) throw error;
    answer = await within(send({ max_tokens: known.most_tokens }), ms + 1000);
  }
  const { data, response } = answer;
  came.response = { status: response.status, headers: headersOf(response.headers), content_type: response.headers.get('content-type') };
  if (stream) await consume(data, ms, came);
  else came.data = data;
}

async function* events(response) {
  let text = '';
  for await (const piece of response.body) {
    text += Buffer.from(piece).toString('utf8');
    const lines = text.split('\n');
    text = lines.pop();
    for (const line of lines) {
      if (!line.startsWith('data:')) continue;
      const value = line.slice(5).trim();
      if (value === '[DONE]') return;
      yield JSON.parse(value);
    }
  }
}

async function byFetch(known, { model, stream, key, ms, came }) {
  const { url } = known;
  const dated = url.surface === 'azure-dated';
  const address = `${url.base}${dated ? `/deployments/${model}` : ''}/chat/completions${dated ? `?api-version=${url.api_version}` : ''}`;
  const headers = { 'content-type': 'application/json', ...(dated && !known.credential.token ? { 'api-key': key } : { authorization: `Bearer ${key}` }) };
  const body = { model, messages: [{ role: 'user', content: known.prompt }], stream, max_completion_tokens: known.most_tokens };
  const response = await within(following(fetch)(address, { method: 'POST', headers, body: JSON.stringify(body) }), ms);
  came.response = { status: response.status, headers: headersOf(response.headers), content_type: response.headers.get('content-type') };
  if (stream && response.ok && (came.response.content_type || '').includes('event-stream')) return consume(events(response), ms, came);
  const text = (await within(response.text(), ms)).slice(0, MOST_BODY_CHARACTERS);
  if (!response.ok) throw Object.assign(new Error(`${response.status} ${response.statusText}`), { name: 'fetch', status: response.status, headers: response.headers, text });
  try {
    came.data = JSON.parse(text);
  } catch {
    came.data = text;
  }
}

function whole(data) {
  const found = data !== null && typeof data === 'object';
  return { completed: found && (typeof data.object === 'string' || Array.isArray(data.choices) || Array.isArray(data.data)), shape: found ? data.object || 'object' : typeof data };
}

// One minimal request; `own` says whether the runtime's key may go along.
async function minimal(known, { model, stream, own, ms }) {
  const common = { method: 'POST', path: '/chat/completions', model, stream, credential: own ? 'own' : 'placeholder' };
  const came = { response: null, data: null, chunks: 0, first: null, spread: null, gap: null, completed: false };
  const key = own ? keyOf(known) : PLACEHOLDER;
  record();
  const began = process.hrtime.bigint();
  try {
    await (known.sdk.module ? bySdk : byFetch)(known, { model, stream, key, ms, came });
  } catch (error) {
    const status = typeof error.status === 'number' ? error.status : null;
    const errors = chain(error);
    const codes = errors.map((link) => link.code);
    const ended = came.response === null ? null : codes.includes('ECONNRESET') ? 'reset' : codes.includes('ETIMEDOUT') ? 'silence' : null;
    const text = error.text !== undefined ? error.text : error.error !== undefined && error.error !== null ? JSON.stringify({ error: error.error }) : status ? String(error.message).replace(/^\d{3} /, '') : '';
    const empty = /^\d{3} status code \(no body\)$/.test(String(error.message));
    const answer = status && {
      kind: 'http_answer', method: 'POST', url: `${known.url.base}/chat/completions`, status, http_version: '1.1', headers: headersOf(error.headers),
      content_type: (error.headers && (typeof error.headers.get === 'function' ? error.headers.get('content-type') : error.headers['content-type'])) || null,
      content: empty ? '' : text, size: Buffer.byteLength(empty ? '' : text), address: null, seconds_to_headers: null,
    };
    return { kind: 'sdk_failed', ...common, errors, trace: recorded(), answer: answer || null, chunks: stream ? came.chunks : null, ended };
  }
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  const { status, headers, content_type: type } = came.response;
  const identity = headers[headers.findIndex((name, index) => index % 2 === 0 && String(name).toLowerCase() === 'x-request-id') + 1];
  const found = { kind: 'sdk_answered', ...common, status, request_id: headers.some((name, index) => index % 2 === 0 && String(name).toLowerCase() === 'x-request-id') ? identity : null, headers, trace: recorded() };
  if (stream && came.data === null) {
    return { ...found, shape: (type || '').includes('event-stream') ? 'stream' : type || '', chunks: came.chunks, completed: came.completed, longest_gap_seconds: came.gap,
      first_chunk_seconds: came.first === null ? null : seconds - came.spread, spread_seconds: came.spread };
  }
  const { completed, shape } = whole(came.data);
  const text = typeof came.data === 'string' ? came.data : JSON.stringify(came.data);
  return { ...found, shape, completed, ...(completed ? {} : { content_type: type, content: text || '', size: Buffer.byteLength(text || '') }) };
}

// Ids of the models that this key sees; none if they cannot be had.
async function models(known, ms) {
  if (!known.sdk.module) return [];
  try {
    const page = await within(construct(known, keyOf(known), ms).models.list(), ms);
    return (page.data || []).map((model) => String(model.id));
  } catch {
    return [];
  }
}

module.exports = { client, minimal, models, watch };
