'use strict';
// Redirects as fetch follows them (whatwg fetch, 4.4), but to another origin only what every client sends goes along: fetch takes authorization and
// cookies away, and would hand on `api-key` and whatever headers the application adds.
const MOST = 20;
const PLAIN = /^(accept|accept-language|accept-encoding|content-type|user-agent|x-stainless-.*)$/i;

function plain(headers) {
  const pairs = headers && typeof headers.entries === 'function' ? [...headers.entries()] : Object.entries(headers || {});
  return Object.fromEntries(pairs.filter(([name]) => PLAIN.test(name)));
}

// `fetcher` is any fetch: of Node.js, or of the package that the SDK brings.
function following(fetcher) {
  return async (address, given) => {
    let at = new URL(String(address && address.url ? address.url : address));
    let asked = { ...given, redirect: 'manual' };
    for (let hops = 0; hops <= MOST; hops += 1) {
      const response = await fetcher(at.href, asked);
      const location = [301, 302, 303, 307, 308].includes(response.status) && response.headers.get('location');
      if (!location) return response;
      const next = new URL(location, at);
      if (!/^https?:$/.test(next.protocol)) return response;
      if (next.origin !== at.origin) asked = { ...asked, headers: plain(asked.headers) };
      if (response.status === 303 || (response.status < 303 && asked.method === 'POST')) {
        const { body: _, ...rest } = asked;
        asked = { ...rest, method: 'GET' };
      }
      if (response.body && typeof response.body.cancel === 'function') await response.body.cancel();
      at = next;
    }
    throw new TypeError('fetch failed', { cause: new Error('redirect count exceeded') });
  };
}

module.exports = { following };
