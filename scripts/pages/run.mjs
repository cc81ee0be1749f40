// Opens every page in both colour schemes, and fails if one of them does not do what it should.
//
// node run.mjs SERVER SERVER_WHOSE_METRICS_NEED_A_TOKEN [FOLDER_FOR_SCREENSHOTS]

import assert from "node:assert/strict";
import { Browser, accessibilityFaults, press, shows } from "./drive.mjs";
import { chat } from "./file.mjs";
import { administer, kick, unlock, watch } from "./dashboard.mjs";
import { end, play } from "./playground.mjs";

/** Most bytes of a page with everything that it loads, in gzip. */
const PAGE_BYTES_MAX = 32 * 1024;

const [server, guarded, folder] = process.argv.slice(2);
const browser = await Browser.start(server, guarded);
const inaccessible = [];

async function look(page, name) {
  const found = await accessibilityFaults(page);
  inaccessible.push(...found.map((fault) => `${name}: ${fault}`));
  if (folder) await page.screenshot({ path: `${folder}/${name}.png` });
}

async function landing(window, scheme) {
  const page = await window.newPage();
  await page.goto("/");
  await shows(page, "endpoint", `${server.replace("http", "ws")}/v2/ws`);
  await shows(page, "state", "ready for players");
  await look(page, `landing-${scheme}`);
  // The switch turns the colours over, and the choice lasts.
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const before = await ground();
  await press(page, "theme");
  const after = await ground();
  assert.notEqual(after, before);
  await page.reload();
  assert.equal(await ground(), after);
  await press(page, "theme");
  await page.close();
}

for (const scheme of ["dark", "light"]) {
  const window = await browser.window(scheme);
  await landing(window, scheme);
  const players = await play(window);
  await look(players.ada, `playground-${scheme}`);
  await look(players.sam, `playground-spectator-${scheme}`);
  await end(players);
  await look(players.bob, `playground-entrance-${scheme}`);
  await window.close();

  const desk = await browser.window(scheme);
  await look(await watch(desk, server), `dashboard-${scheme}`);
  const administration = await administer(desk, process.env.ADMIN_TOKEN);
  await look(administration.page, `administration-${scheme}`);
  await kick(administration);
  await desk.close();
}
await chat(await browser.window("light"), server);
await unlock(await browser.window("dark"), guarded, process.env.METRICS_TOKEN);
await browser.stop();

for (const [page, files] of browser.bytes) {
  const bytes = [...files.values()].reduce((sum, length) => sum + length, 0);
  console.log(`${page}: ${files.size} files, ${bytes} bytes on the wire`);
  assert(bytes <= PAGE_BYTES_MAX, `${page} has ${bytes} bytes`);
}
const faults = [...browser.faults, ...inaccessible];
for (const fault of faults) console.error(fault);
console.log(faults.length === 0 ? "all pages do what they should" : `${faults.length} faults`);
process.exitCode = faults.length === 0 ? 0 : 1;
