/**
 * Lives with S-57, S-54 and S-55; see simulation.ts. `npm run sim` has more.
 */
import { describe } from "vitest";
import { testCoreLives } from "./core-lives.ts";

describe("acknowledged when visible (S-57)", () => testCoreLives(false));
