/** A client of Forecourt: every path, parameter, body and answer has the type that the published schema gives it. */
import createClient, { type Client } from "openapi-fetch";
import type { components, paths } from "./schema.js";

export type Problem = components["schemas"]["Error"];
export type Forecourt = Client<paths>;

/** With `token` every request is made as its owner. */
export function forecourt(baseUrl: string, token?: string): Forecourt {
  return createClient<paths>({
    baseUrl,
    headers: token === undefined ? {} : { Authorization: `Bearer ${token}` },
  });
}

export interface LiveEvent {
  id: string;
  event: string;
  data: Record<string, unknown>;
}

/** What happens in an auction, from now on; ends when the auction does, or with `signal`. Browsers have `EventSource`. */
export async function* follow(baseUrl: string, auction: number, signal?: AbortSignal): AsyncGenerator<LiveEvent> {
  const answer = await fetch(`${baseUrl}/api/auctions/${auction}/stream`, signal === undefined ? {} : { signal });
  if (!answer.ok || answer.body === null) {
    throw new Error(`The stream answered ${answer.status}.`);
  }
  let rest = "";
  for await (const text of answer.body.pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + text).split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split("\n").map((line) => line.split(/: ?(.*)/s).slice(0, 2)));
      if (fields.event !== undefined) {
        yield { id: fields.id, event: fields.event, data: JSON.parse(fields.data) };
      }
    }
  }
}
