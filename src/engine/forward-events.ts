/**
 * One emitter stands for another: every method of an EventEmitter goes to the other one, which keeps the listeners.
 *
 * So `once`, `on` and `getEventListeners` of node:events work on either, and a listener lives as long as the one that emits.
 */
import type { EventEmitter } from "node:events";

const METHODS = [
  ..."on once addListener prependListener prependOnceListener off removeListener removeAllListeners".split(" "),
  ..."emit eventNames listeners rawListeners listenerCount setMaxListeners getMaxListeners".split(" "),
] as const;

export function forwardEvents<T extends Record<keyof T, unknown[]>>(from: EventEmitter<T>, to: EventEmitter<T>): void {
  for (const name of METHODS) {
    const method = Reflect.get(to, name) as (...args: unknown[]) => unknown;
    const value = (...args: unknown[]): unknown => {
      const result = method.apply(to, args);
      // They can be chained.
      return result === to ? from : result;
    };
    Object.defineProperty(from, name, { value, writable: true, configurable: true });
  }
}
