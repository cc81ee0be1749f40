// Drives the pages in headless Chromium, and notes everything that a page must not do: an error on its console, a
// violation of its policy, a request to elsewhere.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import assert from "node:assert/strict";

const require = createRequire(`${process.env.PAGES_MODULES}/node_modules/`);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

/** How long a page has for what is waited for, on a busy machine. */
export const PATIENCE_MS = Number(process.env.PATIENCE_MS ?? 60_000);

export class Browser {
  #browser;
  #servers;
  /** What pages did that they must not do. */
  faults = [];
  /** Bytes on the wire by the path of the page that asked for them. */
  bytes = new Map();

  static async start(...servers) {
    const own = new Browser();
    own.#servers = servers;
    own.#browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      // Chromium's own sandbox is not for root, nor for many containers. Only pages of this server are opened.
      args: ["--no-sandbox", "--disable-dev-shm-usage"],
    });
    return own;
  }

  /** A window with a storage of its own. */
  async window(colorScheme) {
    const context = await this.#browser.newContext({
      colorScheme,
      viewport: { width: 1360, height: 860 },
      baseURL: this.#servers[0],
    });
    context.setDefaultTimeout(PATIENCE_MS);
    context.on("page", (page) => this.#watch(page));
    return context;
  }

  async stop() {
    await this.#browser.close();
  }

  #watch(page) {
    const fault = (what) => this.faults.push(`${new URL(page.url()).pathname}: ${what}`);
    page.on("console", (message) => message.type() === "error" && !isExpected(message.text()) && fault(message.text()));
    page.on("pageerror", (error) => fault(error.stack));
    page.on("request", (request) => {
      const { origin, protocol } = new URL(request.url());
      if (protocol !== "file:" && !this.#servers.includes(origin)) fault(`asks ${origin}`);
    });
    page.on("response", (response) => this.#weigh(page, response));
  }

  #weigh(page, response) {
    const headers = response.headers();
    const isPart = /^(text\/(html|css|javascript)|image)/.test(headers["content-type"]);
    const path = new URL(page.url()).pathname;
    if (!isPart || response.status() !== 200 || path === "blank") return;
    if (!this.bytes.has(path)) this.bytes.set(path, new Map());
    this.bytes.get(path).set(new URL(response.url()).pathname, Number(headers["content-length"]));
  }
}

/** The browser tells of every 401; the page asks for the token then. */
const isExpected = (text) => text.includes("401 (Unauthorized)");

/** Presses Tab until the element with this id has the focus, as somebody without a mouse does. */
export async function tabTo(page, id) {
  for (let presses = 0; presses < 120; presses++) {
    if ((await page.evaluate(() => document.activeElement.id)) === id) return;
    await page.keyboard.press("Tab");
  }
  assert.fail(`no way to #${id} by the Tab key`);
}

/** Goes to a button or link by keyboard and presses it. */
export async function press(page, id) {
  await page.waitForSelector(`#${id}:not(:disabled)`);
  await tabTo(page, id);
  await page.keyboard.press("Enter");
}

/** Goes to a field by keyboard and types, in place of what is there. */
export async function type(page, id, text) {
  await page.waitForSelector(`#${id}:not(:disabled)`);
  await tabTo(page, id);
  await page.keyboard.press("Control+A");
  await page.keyboard.press("Delete");
  await page.keyboard.type(text);
}

/** Waits until the element with this id shows this text. */
export async function shows(page, id, text) {
  await page.locator(`#${id}`, { hasText: text }).waitFor({ state: "visible" });
}

/** What is wrong with the page for people who see or operate it otherwise, contrast among it. */
export async function accessibilityFaults(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  return violations.flatMap(({ id, help, nodes }) => nodes.map((node) => `${id}: ${help}: ${node.target}`));
}
