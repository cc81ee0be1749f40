// Server-sent events read with `fetch`: an EventSource could send its token only in the address.

/** A stream that says nothing for so long is given up. The server sends something every second. */
const SILENCE_MAX_MS = 10_000;

/** The server wants a token, or another one. */
export class Unauthorized extends Error {}

/**
 * Yields the data of every event of this stream as JSON, until the stream ends.
 *
 * Throws `Unauthorized` for a 401, another error for anything else that is no stream.
 */
export async function* events(path, headers) {
  const abort = new AbortController();
  let timer = 0;
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(() => abort.abort(), SILENCE_MAX_MS);
  };
  try {
    heard();
    const answer = await fetch(path, { headers, cache: "no-store", signal: abort.signal });
    if (answer.status === 401) throw new Unauthorized();
    if (!answer.ok) throw new Error(`${answer.status}`);
    let text = "";
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      heard();
      const whole = (text + value).split("\n\n");
      text = whole.pop();
      for (const event of whole) {
        const data = dataOf(event);
        if (data) yield JSON.parse(data);
      }
    }
  } finally {
    clearTimeout(timer);
    abort.abort();
  }
}

function dataOf(event) {
  const lines = event.split("\n").filter((line) => line.startsWith("data:"));
  return lines.map((line) => line.slice(5).trimStart()).join("\n");
}
