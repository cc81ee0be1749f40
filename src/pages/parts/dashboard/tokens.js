// Tokens that the user gave. They stay in this tab until it is closed, and travel in the header `Authorization` alone.

/** A token with a name, such as "metrics". */
export class Token {
  #name;
  #value = null;

  constructor(name) {
    this.#name = `token-${name}`;
    try {
      this.#value = sessionStorage.getItem(this.#name);
    } catch {
      // Without storage a token lasts as long as the page.
    }
  }

  /** The token, or null if there is none. */
  get value() {
    return this.#value;
  }

  /** null forgets it. */
  set value(value) {
    this.#value = value;
    try {
      if (value === null) sessionStorage.removeItem(this.#name);
      else sessionStorage.setItem(this.#name, value);
    } catch {
      // See above.
    }
  }

  /** Headers of a request that shows the token. */
  get headers() {
    return this.#value === null ? {} : { Authorization: `Bearer ${this.#value}` };
  }
}
