/** What an opening thread throws is thrown on main as it was: a clone alone would keep the text. */
import { expect, test } from "vitest";
import { advice, say } from "../../../src/base/advice.ts";
import { commandHint, SnapringError } from "../../../src/base/errno.ts";
import { answer, doneOf } from "../../../src/opening/answer.ts";

async function crossed(error: unknown): Promise<unknown> {
  const answered = await answer(() => {
    throw error;
  });
  try {
    return doneOf(structuredClone(answered));
  } catch (arrived) {
    return arrived;
  }
}

test("a refusal has its code, its hint in both wordings, and what caused it", async () => {
  const cause = Object.assign(new Error("EACCES: permission denied, open 'a'"), { code: "EACCES" });
  const arrived = await crossed(
    new SnapringError("EACCES", "cannot open a", { hint: advice`leave ${say.direct} out`, cause }),
  );
  expect(arrived).toBeInstanceOf(SnapringError);
  expect(arrived).toMatchObject({ code: "EACCES", message: "cannot open a", hint: "leave direct: true out", cause });
  expect(commandHint(arrived as SnapringError)).toBe("leave --direct out");
});

test("an error of the system has its code, one for want of memory its class", async () => {
  expect(await crossed(Object.assign(new Error("EMFILE: too many"), { code: "EMFILE" }))).toMatchObject({
    code: "EMFILE",
    message: "EMFILE: too many",
  });
  expect(await crossed(new RangeError("Array buffer allocation failed"))).toBeInstanceOf(RangeError);
});

test("a defect has its name and the stack of where it was", async () => {
  const defect = new TypeError("x is undefined");
  expect(await crossed(defect)).toMatchObject({ name: "TypeError", message: "x is undefined", stack: defect.stack });
  expect(await crossed("thrown")).toMatchObject({ message: "thrown" });
});

test("what is done is the value", async () => {
  expect(doneOf(await answer(() => Promise.resolve(7)))).toBe(7);
});
