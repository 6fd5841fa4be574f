'use strict';
// One minimal request from Node.js: by its openai package where there is one, else by fetch. Reads the plan as JSON from standard input, writes
// what came as JSON to standard output. The key comes in the environment, and is in neither.
const { createRequire } = require('module');
const dns = require('dns');
const fs = require('fs');
const path = require('path');
const { following } = require('./node_redirects');

const KEPT_TEXT = 600;

function link(error, relation) {
  return {
    type: (error && (error.constructor && error.constructor.name !== 'Error' ? error.constructor.name : error.name)) || typeof error,
    text: String((error && error.message) || error).slice(0, KEPT_TEXT),
    relation,
    code: error && error.code !== undefined && error.code !== null ? String(error.code) : null,
  };
}

function chain(error) {
  const links = [];
  const pending = [[error, 'raised']];
  while (pending.length && links.length < 16) {
    const [current, relation] = pending.shift();
    links.push(link(current, relation));
    if (current && current.cause) pending.push([current.cause, 'cause']);
    for (const member of (current && current.errors) || []) pending.push([member, 'member']);
  }
  return links;
}

// The package does not export its package.json.
function versionOf(file) {
  for (let folder = path.dirname(file); folder !== path.dirname(folder); folder = path.dirname(folder)) {
    const about = path.join(folder, 'package.json');
    if (fs.existsSync(about)) {
      const { name, version } = JSON.parse(fs.readFileSync(about, 'utf8'));
      if (name === 'openai') return version;
    }
  }
  return 'of unknown version';
}

function sdkIn(folder) {
  const require_ = createRequire(path.join(folder, 'package.json'));
  try {
    return { sdk: require_('openai'), version: versionOf(require_.resolve('openai')) };
  } catch (error) {
    return { missing: String(error.message).split('\n')[0].slice(0, KEPT_TEXT) };
  }
}

function kept(headers, names) {
  return names.map((name) => [name, headers.get(name)]).filter(([, value]) => value !== null && value !== undefined);
}

async function bySdk(found, plan) {
  const { OpenAI, AzureOpenAI } = found.sdk;
  const common = { apiKey: process.env.OAIRUNBOOK_NODE_KEY, maxRetries: 0, timeout: plan.seconds * 1000 };
  const client = plan.api_version
    ? new AzureOpenAI({ ...common, baseURL: plan.base_url, apiVersion: plan.api_version })
    : new OpenAI({ ...common, baseURL: plan.base_url });
  if (typeof client.fetch === 'function') client.fetch = following(client.fetch);
  const { data, response, request_id } = await client.chat.completions.create(plan.body).withResponse();
  return { status: response.status, request_id, shape: (data && data.object) || typeof data, headers: kept(response.headers, plan.headers) };
}

async function byFetch(plan) {
  const headers = { 'content-type': 'application/json' };
  headers[plan.key_header] = plan.key_header === 'authorization' ? `Bearer ${process.env.OAIRUNBOOK_NODE_KEY}` : process.env.OAIRUNBOOK_NODE_KEY;
  const signal = AbortSignal.timeout(plan.seconds * 1000);
  const response = await fetch(plan.url, { method: 'POST', headers, body: JSON.stringify(plan.body), signal, redirect: 'manual' });
  const text = await response.text();
  return { status: response.status, request_id: response.headers.get('x-request-id'), body: text.slice(0, 4000), headers: kept(response.headers, plan.headers) };
}

async function main(plan) {
  if (plan.addresses) {
    // The practice lab's names are known to its own name servers alone.
    const system = dns.lookup;
    dns.lookup = (host, options, callback) => {
      const done = typeof options === 'function' ? options : callback;
      const all = typeof options === 'object' && options && options.all;
      if (!(host in plan.addresses)) return system(host, options, callback);
      const found = plan.addresses[host].map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
      if (!found.length) return done(Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), { code: 'ENOTFOUND', syscall: 'getaddrinfo', hostname: host }));
      return all ? done(null, found) : done(null, found[0].address, found[0].family);
    };
  }
  const found = typeof fetch === 'function' ? sdkIn(plan.folder) : { missing: 'this Node.js has no fetch' };
  const about = { node: process.version, sdk: found.version || null, missing: found.missing || null };
  const began = process.hrtime.bigint();
  const seconds = () => Number(process.hrtime.bigint() - began) / 1e9;
  try {
    const came = found.sdk ? await bySdk(found, plan) : await byFetch(plan);
    return { ...about, ...came, seconds: seconds() };
  } catch (error) {
    const status = typeof error.status === 'number' ? error.status : null;
    const headers = status && error.headers && error.headers.get ? kept(error.headers, plan.headers) : [];
    return { ...about, status, request_id: error.requestID || null, headers, errors: chain(error), error_body: status && error.error ? error.error : null, seconds: seconds() };
  }
}

let input = '';
process.stdin.on('data', (piece) => { input += piece; }).on('end', () => {
  main(JSON.parse(input)).then(
    (came) => process.stdout.write(JSON.stringify(came), () => process.exit(0)),
    (error) => { process.stderr.write(String(error)); process.exit(1); },
  );
});
