/**
 * Lives without S-57, S-54 and S-55: the kernel's commit rule; see simulation.ts. `npm run sim` has more.
 */
import { describe } from "vitest";
import { testCoreLives } from "./core-lives.ts";

describe("the kernel's commit rule (S-51…S-53)", () => testCoreLives(true));
