/** A walk through the API: `npm run example -- http://localhost:8000`. It makes an account, a car and a reservation. */
import { randomUUID } from "node:crypto";
import { follow, forecourt, type Problem } from "./client.js";

const baseUrl = process.argv[2] ?? "http://localhost:8000";
const person = { email: `ts-${randomUUID()}@example.com`, password: `A long word ${randomUUID()}` };

function say(what: string): void {
  process.stdout.write(`${what}\n`);
}

/** The answer, or an exception that carries the problem's stable code. */
function good<T>(result: { data?: T; error?: Problem | undefined; response: Response }): T {
  if (result.data === undefined) {
    throw new Error(`${result.response.status} ${result.error?.errors[0]?.code ?? ""}`);
  }
  return result.data;
}

async function signIn(): Promise<string> {
  const anonymous = forecourt(baseUrl);
  say(`registered ${good(await anonymous.POST("/api/auth/register", { body: person })).user.email.replace(/-.*@/, "@")}`);
  return good(await anonymous.POST("/api/auth/login", { body: person })).access_token;
}

const client = forecourt(baseUrl, await signIn());

const car = { make: `Walker ${randomUUID().slice(0, 8)}`, model: "Typed", year: 2020 };
const made = good(await client.POST("/api/cars", { body: car }));
const again = await client.POST("/api/cars", { body: car });
if (again.response.status !== 409 || again.error === undefined) {
  throw new Error("The same car was taken twice.");
}
const duplicate = again.error.errors[0];
say(`duplicate ${duplicate?.code} of the same car: ${duplicate?.meta?.["existing_id"] === made.id}`);
const listed = good(await client.GET("/api/cars", { params: { query: { make: car.make, limit: 10 } } }));
say(`cars ${listed.count}: ${listed.results.map((row) => `${row.model} ${row.year}`).join()}`);

const plate = `TS ${randomUUID().slice(0, 6).toUpperCase()}`;
const vehicle = good(await client.POST("/api/garage", { body: { plate, make: "Honda", model: "Accord", year: 2003 } }));
say(`garage ${vehicle.make} ${vehicle.model}`);

const lots = good(await client.GET("/api/parking/lots", { params: { query: { limit: 1 } } }));
const lot = lots.results[0];
if (lot === undefined) {
  throw new Error("There is no lot to park in.");
}
const stay = good(
  await client.POST("/api/parking/reservations", {
    body: { lot: lot.id, vehicle: vehicle.id },
    params: { header: { "Idempotency-Key": randomUUID() } },
  }),
);
const reservation = { params: { path: { id: stay.id } } };
const left = good(await client.POST("/api/parking/reservations/{id}/release", { ...reservation, body: {} }));
say(`parked ${stay.status}, then ${left.status}`);

const auctions = good(await client.GET("/api/auctions", { params: { query: { status: "live", limit: 1 } } }));
for (const auction of auctions.results) {
  const stop = new AbortController();
  for await (const event of follow(baseUrl, auction.id, stop.signal)) {
    say(`stream ${event.event} ${String(event.data["status"])}`);
    break;
  }
  stop.abort();
}
