/**
 * A program that has a volume and lets go of it, with node's --expose-gc:
 *
 *   node --expose-gc dropped-volume.mjs WAY FOLDER
 *     drop     nothing of it is kept, but its listeners
 *     order    the same, while an order is awaited
 *     close    closed before
 *     closing  closed, and garbage is collected meanwhile
 *
 * It tells by messages what happens: { warning }, { heard }, "collected"; the end of the channel ends it.
 */
import { on, once } from "node:events";
import { join } from "node:path";
import { openVolume } from "../../dist/src/index.js";

const [way, folder] = process.argv.slice(2);
const MIB = 2 ** 20;

process.on("warning", ({ name, code, message }) => process.send({ warning: { name, code, message } }));
process.on("disconnect", () => process.exit());

async function collect() {
  for (let i = 0; i < 10; i++) {
    globalThis.gc();
    await new Promise((next) => setTimeout(next, 10));
  }
}

async function use() {
  const volume = await openVolume({
    origin: join(folder, "origin"),
    snapshots: [{ name: "small", cow: join(folder, "small.cow"), size: MIB / 4 }],
    listen: [`unix:${join(folder, "socket")}`],
    log: () => {},
    workers: 1,
  });
  const never = () => process.send({ heard: "never" });
  volume.on("snapshot", never).off("snapshot", never);
  volume.once("snapshot", (name, event) => process.send({ heard: ["listener", name, event] }));
  if (way === "order") {
    const created = volume.createSnapshot({ name: "b", cow: join(folder, "b.cow"), size: MIB });
    return created.then(() => process.send({ heard: "created" }));
  }
  if (way === "close") {
    const closed = once(volume, "close");
    await volume.close();
    await closed;
  }
  if (way === "closing") {
    const events = on(volume, "snapshot", { close: ["close"] });
    volume.close();
    for await (const _ of events) process.send({ heard: "never" });
  }
}

if (way === "order") {
  const collecting = setInterval(() => globalThis.gc(), 1);
  await use();
  clearInterval(collecting);
} else {
  await use();
}
await collect();
process.send("collected");
