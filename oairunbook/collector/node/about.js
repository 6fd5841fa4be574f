'use strict';
// What this Node.js would call, through what, and which roots it trusts: read from the environment and from itself. Nothing is sent.
const crypto = require('crypto');
const dns = require('dns');
const fs = require('fs');
const os = require('os');
const path = require('path');
const tls = require('tls');
const { createRequire } = require('module');
const { chain, credentialsIn, decoded, withoutCredentials } = require('./plain');

const env = process.env;

// As both packages read a variable: trimmed, and empty means not set.
const variable = (name) => (env[name] === undefined ? '' : env[name].trim());

function textOf(file) {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}

// Options of this very Node.js, wherever they were given.
function hasOption(name) {
  return [...process.execArgv, ...(env.NODE_OPTIONS || '').split(/\s+/)].includes(name);
}

// -- the SDK ----------------------------------------------------------------------------------------------------------------------------------

// The package does not export its package.json.
function versionOf(file) {
  for (let folder = path.dirname(file); folder !== path.dirname(folder); folder = path.dirname(folder)) {
    const about = textOf(path.join(folder, 'package.json'));
    const { name, version } = about ? JSON.parse(about) : {};
    if (name === 'openai') return version;
  }
  return null;
}

function openaiIn(folder) {
  const from = createRequire(path.join(folder, 'package.json'));
  let file;
  try {
    file = from.resolve('openai');
  } catch (error) {
    return { missing: `no package openai is found from ${folder}`, errors: chain(error) };
  }
  try {
    return { version: versionOf(file), module: from('openai'), from };
  } catch (error) {
    return { version: versionOf(file), errors: chain(error), from };
  }
}

// Version 4 carries its requests by node-fetch with an agent of its own, unless its shim for fetch was loaded before.
function transportOf(sdk) {
  if (sdk.version && parseInt(sdk.version, 10) < 5) {
    try {
      return `node-fetch ${sdk.from('node-fetch/package.json').version}`;
    } catch {
      return 'node-fetch';
    }
  }
  return process.versions.undici ? `undici ${process.versions.undici}` : 'fetch';
}

// -- the endpoint -----------------------------------------------------------------------------------------------------------------------------

function baseUrl(job) {
  if (job.base_url) return [job.base_url, 'argument'];
  const azure = variable('AZURE_OPENAI_ENDPOINT');
  if (azure && (job.route === 'azure' || (job.route === 'auto' && variable('OPENAI_API_TYPE') === 'azure'))) return [azure, 'AZURE_OPENAI_ENDPOINT'];
  if (variable('OPENAI_BASE_URL')) return [variable('OPENAI_BASE_URL'), 'OPENAI_BASE_URL'];
  if (azure && ['auto', 'azure'].includes(job.route)) return [azure, 'AZURE_OPENAI_ENDPOINT'];
  return [job.default_base_url, 'default'];
}

function endpoint(job) {
  const [value, source] = baseUrl(job);
  const found = { value, source, problem: null };
  try {
    const url = new URL(value);
    if (!['http:', 'https:'].includes(url.protocol)) found.problem = `its scheme ${url.protocol.slice(0, -1)} is neither http nor https`;
    found.scheme = url.protocol.slice(0, -1);
    found.host = url.hostname.replace(/^\[(.*)\]$/, '$1');
    found.port = Number(url.port) || (found.scheme === 'http' ? 80 : 443);
    found.path = url.pathname.replace(/\/+$/, '');
  } catch (error) {
    found.problem = `Node.js cannot read it: ${error.message}`;
  }
  if (found.problem) return found;
  const rehearsed = env.OAIRUNBOOK_PRACTICE ? JSON.parse(env.OAIRUNBOOK_PRACTICE) : null;
  const byHost = rehearsed && rehearsed.api_host === found.host ? rehearsed.family === 'azure' : new RegExp(job.azure_host).test(found.host) || source === 'AZURE_OPENAI_ENDPOINT';
  found.surface = 'openai';
  if (job.route === 'azure' || (job.route === 'auto' && byHost)) {
    found.surface = /\/openai\/v1(?:\/|$)/.test(found.path) ? 'azure-v1' : 'azure-dated';
    if (found.surface === 'azure-dated') {
      found.api_version = variable('OPENAI_API_VERSION') || job.last_dated_api_version;
      if (!found.path.includes('/openai')) found.path += '/openai';
    }
  }
  const host = found.host.includes(':') ? `[${found.host}]` : found.host;
  found.authority = found.port === (found.scheme === 'http' ? 80 : 443) ? host : `${host}:${found.port}`;
  found.base = `${found.scheme}://${found.authority}${found.path}`;
  return found;
}

function credential(job, surface) {
  const name = job.key_variables[surface].find((candidate) => variable(candidate));
  if (!name) return { present: false };
  const key = variable(name);
  const problems = [];
  if (/[\r\n]/.test(key)) problems.push('a line feed inside');
  // eslint-disable-next-line no-control-regex
  if (/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/.test(key)) problems.push('a control character');
  if (/[^\x00-\xff]/.test(key)) problems.push('a character that is not Latin-1, for example a typographic quote');
  const oddities = [];
  if (/^['"]|['"]$/.test(key)) oddities.push('it stands in quotes');
  if (/[ \t]/.test(key)) oddities.push('it has white space inside');
  if (/^bearer /i.test(key)) oddities.push('it begins with the word Bearer, which the SDK adds itself');
  const fingerprint = job.fingerprint_key ? crypto.createHmac('sha256', Buffer.from(job.fingerprint_key, 'hex')).update(key).digest('hex').slice(0, 12) : null;
  return { present: true, source: name, fingerprint, problems, oddities, token: name === 'AZURE_OPENAI_AD_TOKEN' };
}

const keyOf = (known) => variable(known.credential.source);

// -- the proxy --------------------------------------------------------------------------------------------------------------------------------

// Node.js' own switch puts this dispatcher in place before any code runs, and a preloaded module may do so with that of the package undici.
function dispatcherName() {
  for (const name of ['undici.globalDispatcher.2', 'undici.globalDispatcher.1']) {
    const dispatcher = globalThis[Symbol.for(name)];
    if (dispatcher && dispatcher.constructor) return dispatcher.constructor.name;
  }
  return '';
}

function named(value, source) {
  const text = value.includes('://') ? value : `http://${value}`;
  try {
    const url = new URL(text);
    const scheme = url.protocol.slice(0, -1);
    const port = Number(url.port) || { http: 80, https: 443, socks5: 1080 }[scheme] || 0;
    const [user, password] = [decoded(url.username), decoded(url.password)];
    return {
      url: `${scheme}://${url.host}`, scheme, host: url.hostname.replace(/^\[(.*)\]$/, '$1'), port, variable: source,
      has_credentials: Boolean(user || password), authorization: user || password ? `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` : null,
    };
  } catch {
    return { url: withoutCredentials(text), scheme: text.split('://')[0], host: '', port: 0, variable: source, has_credentials: credentialsIn(text, true).length > 0, unusable: true };
  }
}

// What the variables name, whatever this Node.js makes of it. The lower-case one counts first, also where it is empty (`??` in EnvHttpProxyAgent
// of undici), and https goes through the proxy for http where it has none of its own.
function configured(...kinds) {
  for (const kind of kinds) {
    const name = env[kind] !== undefined ? kind : kind.toUpperCase();
    if (env[name]) return named(env[name], name);
  }
  return null;
}

const kindsFor = (scheme) => (scheme === 'https' ? ['https_proxy', 'http_proxy'] : ['http_proxy']);

// `shouldProxy` of EnvHttpProxyAgent: entries parted by commas or white space, and a port counts. From undici 7 on a name stands for every name
// below it as well, as `.name` and `*.name` do; in undici 6 it stands for itself alone.
function goesAround(host, port) {
  const name = env.no_proxy !== undefined ? 'no_proxy' : 'NO_PROXY';
  const value = env[name] || '';
  if (value === '*') return [name, '*'];
  const below = parseInt(process.versions.undici || '0', 10) >= 7;
  for (const entry of value.split(/[,\s]/).filter(Boolean)) {
    const parts = /^(.+):(\d+)$/.exec(entry);
    if (parts && Number(parts[2]) && Number(parts[2]) !== port) continue;
    const sought = (parts ? parts[1] : entry).toLowerCase();
    const end = sought.replace(/^\*?\./, '');
    const wild = /^[.*]/.test(sought) && host.endsWith(sought.replace(/^\*/, ''));
    if (below ? host === end || host.endsWith(`.${end}`) : host === sought || wild) return [name, entry];
  }
  return null;
}

function proxyFor(scheme, host, port, transport) {
  const known = configured(...kindsFor(scheme), 'all_proxy');
  const none = (rule) => ({ url: null, rule, configured: known ? known.url : null, variable: known ? known.variable : null });
  const dispatcher = dispatcherName();
  const readsVariables = dispatcher === 'EnvHttpProxyAgent';
  if (transport.startsWith('node-fetch')) return none('this openai package carries its requests by node-fetch, which reads no proxy variable; only an httpAgent in the code counts');
  if (dispatcher === 'ProxyAgent') return none('a ProxyAgent is set in code before this runs; which proxy it names cannot be read from outside');
  if (!readsVariables) return none(known ? `Node.js reads ${known.variable} only with NODE_USE_ENV_PROXY=1 or --use-env-proxy (Node.js 22.21, 24 and later), or through a proxy agent in the code` : 'no proxy variable is set');
  const used = configured(...kindsFor(scheme));
  if (!used) return none(known ? `${known.variable} is not read by Node.js` : 'no proxy variable applies');
  const around = goesAround(host, port);
  if (around) return none(`${around[0]} has the entry '${around[1]}', which matches ${host}`);
  return { ...used, configured: used.url, rule: `${used.variable} names it, and this Node.js reads proxy variables` };
}

// -- the roots --------------------------------------------------------------------------------------------------------------------------------

function extraRoots() {
  const file = env.NODE_EXTRA_CA_CERTS;
  if (!file) return {};
  const text = textOf(file);
  if (text === null) return { ignored: `NODE_EXTRA_CA_CERTS names ${file}, which cannot be read: Node.js goes on without it` };
  if (!text.includes('-----BEGIN CERTIFICATE-----') && !text.includes('-----BEGIN TRUSTED CERTIFICATE-----')) return { ignored: `NODE_EXTRA_CA_CERTS names ${file}, which holds no certificate: Node.js ignores it without a word` };
  return { file, text };
}

function pemsIn(text) {
  return text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) || [];
}

// Every root that this process trusts; null where OpenSSL reads them on demand.
function rootsInUse() {
  if (typeof tls.getCACertificates === 'function') return tls.getCACertificates('default');
  if (hasOption('--use-openssl-ca')) return null;
  const extra = extraRoots();
  return [...tls.rootCertificates, ...(extra.text ? pemsIn(extra.text) : [])];
}

function trust() {
  const extra = extraRoots();
  const parts = [];
  if (hasOption('--use-openssl-ca')) parts.push(`OpenSSL's store instead of Node.js' own (--use-openssl-ca)${env.SSL_CERT_FILE ? `, SSL_CERT_FILE=${env.SSL_CERT_FILE}` : ''}`);
  else parts.push(`the roots compiled into Node.js ${process.versions.node}`);
  const system = typeof tls.getCACertificates === 'function' && (hasOption('--use-system-ca') || env.NODE_USE_SYSTEM_CA === '1');
  if (system) parts.push('those of the operating system (--use-system-ca)');
  if (extra.file) parts.push(`those of NODE_EXTRA_CA_CERTS (${extra.file})`);
  return { path: extra.file || null, reason: parts.join(' and '), ignored: extra.ignored || null, verifies: env.NODE_TLS_REJECT_UNAUTHORIZED !== '0', system };
}

// -- all of it --------------------------------------------------------------------------------------------------------------------------------

function user() {
  try {
    return os.userInfo().username;
  } catch {
    return `uid ${process.getuid ? process.getuid() : '?'}`;
  }
}

function about(job) {
  const folder = path.resolve(job.project || '.');
  const sdk = typeof fetch === 'function' ? openaiIn(folder) : { missing: 'this Node.js has no fetch', errors: [] };
  const url = endpoint(job);
  const transport = transportOf(sdk);
  const proxy = url.problem ? { url: null, rule: 'the base URL cannot be used' } : proxyFor(url.scheme, url.host, url.port, transport);
  const dialled = proxy.url ? proxy.host : url.host;
  const hosts = (textOf('/etc/hosts') || '').split('\n').filter((line) => dialled && line.toLowerCase().split(/\s+/).includes(dialled.toLowerCase()));
  const roots = rootsInUse();
  return {
    node: process.versions.node, executable: process.execPath, openssl: `OpenSSL ${process.versions.openssl}`, folder,
    host: os.hostname(), system: `${os.type()} ${os.release()} ${{ x64: 'x86_64', arm64: 'aarch64' }[os.arch()] || os.arch()}`, user: user(),
    timezone: Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC',
    sdk, transport, url, proxy, trust: { ...trust(), roots: roots && roots.length }, credential: credential(job, url.surface || 'openai'),
    variables: Object.fromEntries(job.variables.filter((name) => env[name] !== undefined).map((name) => [name, env[name]])),
    set: job.names.filter((name) => env[name]),
    resolver: Object.fromEntries(['/etc/resolv.conf', '/etc/nsswitch.conf'].map((file) => [file, (textOf(file) || '').slice(0, 20000)])),
    marks: job.marks.filter(([file, mark]) => (textOf(file) || '').toLowerCase().includes(mark)),
    exist: job.exist.filter((file) => fs.existsSync(file)),
    hosts: hosts.join('\n'), name_servers: dns.getServers(),
  };
}

module.exports = { about, configured, kindsFor, keyOf, pemsIn, rootsInUse, textOf };
