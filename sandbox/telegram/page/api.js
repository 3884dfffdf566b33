/** The server's /phone/api, as promises. `bot` may be named in the page's address: /phone?bot=<username>. */

const bot = new URLSearchParams(location.search).get("bot");

function address(path, query = {}) {
  const url = new URL(`/phone/api/${path}`, location.origin);
  for (const [name, value] of Object.entries({ ...query, ...(bot ? { bot } : {}) })) url.searchParams.set(name, value);
  return url;
}

async function answer(response) {
  const body = await response.json();
  if (!response.ok) throw new Error(body.error ?? response.statusText);
  return body;
}

export async function get(path, query, signal) {
  return answer(await fetch(address(path, query), { signal }));
}

export async function post(path, body = {}) {
  const headers = { "Content-Type": "application/json" };
  return answer(await fetch(address(path), { method: "POST", headers, body: JSON.stringify(body) }));
}

/**
 * Calls `onView` with every change of one person's chat, `onState` with true or false as the server comes and goes.
 * Ends when `signal` is aborted. A server that was started anew begins at a lower revision: everything is read again.
 */
export async function follow(personId, signal, onView, onState) {
  let since = -1;
  while (!signal.aborted) {
    try {
      const view = await get(`users/${personId}/chat`, { since: Math.max(since, 0), timeout_ms: since < 0 ? 0 : 25000 }, signal);
      onState(true);
      onView(view, since < 0 || view.revision < since);
      since = view.revision < since ? -1 : view.revision;
    } catch (error) {
      if (signal.aborted) return;
      onState(false);
      since = -1;
      await new Promise((done) => setTimeout(done, 1000));
    }
  }
}
