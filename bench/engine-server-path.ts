/**
 * Where the built server of many volumes is (engine-server.ts), which is started as a program of its own.
 */
import { fileURLToPath } from "node:url";

export const ENGINE_SERVER: string = fileURLToPath(new URL("./engine-server.js", import.meta.url));
