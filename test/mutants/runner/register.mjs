/** `node --import ./test/mutants/runner/register.mjs`: the TypeScript sources as they are, and the small `vitest` of this folder in the place of the large one. */
import { register } from "node:module";

register("./hooks.mjs", import.meta.url);
