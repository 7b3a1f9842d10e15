/**
 * Calls of the program's listeners of events. (Its log: safe-log.ts.)
 *
 * What they throw is that program's error, not the volume's. It is thrown again where nobody of ours stands in between, as an exception that
 * the program catches or does not (`uncaughtException`), like one in any listener of an event; the volume goes on as if nothing had
 * been. Without that a listener that throws in the middle of a turn would be taken for a defect of the core, and end the volume.
 */

export function guarded<A extends readonly unknown[]>(callback: (...args: A) => void): (...args: A) => void {
  return (...args) => {
    try {
      callback(...args);
    } catch (error) {
      process.nextTick(() => {
        throw error;
      });
    }
  };
}
