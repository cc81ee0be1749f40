// Makes and finds elements. Text is only ever set as text, never as HTML.

/** The element with this id. */
export const byId = (id) => document.getElementById(id);

/**
 * A new element. Properties are set on the element, those with a hyphen and `role` as attributes; children are elements
 * or text, and what is null, undefined or false is left out.
 */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role") made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** Shows a text in an element, and hides the element if there is none. */
export function tell(target, text) {
  target.textContent = text;
  target.hidden = text === "";
}

/** The address of a WebSocket of this server: as this page's, with another scheme. */
export function socketAddress(path) {
  const address = new URL(path, document.baseURI);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  return address.href;
}

/** Puts a text on the clipboard and says so on the button that asked for it. */
export async function copy(text, button) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    // Only pages over HTTPS, or of this machine, may use the clipboard.
    button.textContent = "Copy it by hand";
  }
  setTimeout(() => {
    button.textContent = before;
  }, 1500);
}
