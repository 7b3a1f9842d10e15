/** What a request's header says, for requests that nobody has sent. */
import { newRequestFields, type RequestFields } from "../../src/nbd/wire/request.ts";

export function requestHeader(offset: number, length: number, cookieLow = 0): RequestFields {
  return { ...newRequestFields(), cookieLow, offset, length };
}
