// The live page of an auction: the stream says what happens, the API takes the bids. The page is whole without this.
"use strict";

const page = document.getElementById("live");
const part = (id) => document.getElementById(id);
const auctionUrl = `/api/auctions/${page.dataset.auction}`;
const currency = page.dataset.currency;
const isSignedIn = page.dataset.signedIn === "yes";
const OVER = ["sold", "bought_now", "reserve_not_met", "no_bids", "cancelled", "negotiating", "unsold"];
const MOST_BIDS = 50;

const state = {
  event_seq: -1, status: page.dataset.status, starts_at: page.dataset.startsAt, ends_at: page.dataset.endsAt,
  buy_now: page.dataset.buyNow || null, bid_count: null, leader_alias: null,
};
const you = { alias: null, max: null };
let clockOffset = 0; // Milliseconds that the server's clock is ahead of ours.
let isTold = new Set(); // What was said about the time that is left.

// --- Words ---

const money = (text) => Number(text).toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const amount = (text) => `${money(text)} ${currency}`;
const clockTime = (text) => new Date(text).toLocaleTimeString("en-GB");
const isOver = () => OVER.includes(state.status);
const leads = () => you.alias !== null && you.alias === state.leader_alias;

function timeLeft(ms) {
  const s = Math.max(0, Math.ceil(ms / 1000));
  const two = (n) => String(n).padStart(2, "0");
  if (s >= 86400) return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
  if (s >= 3600) return `${Math.floor(s / 3600)}:${two(Math.floor((s % 3600) / 60))}:${two(s % 60)}`;
  return `${Math.floor(s / 60)}:${two(s % 60)}`;
}

const OUTCOMES = {
  sold: () => `Sold to ${state.leader_alias} for ${amount(state.price)}.`,
  bought_now: () => `Bought at once by ${state.leader_alias} for ${amount(state.price)}.`,
  no_bids: () => "The auction ended without a bid.",
  cancelled: () => "The auction was cancelled.",
};
const outcome = () => (OUTCOMES[state.status] || (() => "The auction has ended; the reserve was not met."))();

const MISSING = {
  active: "an active account", email_verified: "a confirmed e-mail address",
  identity_verified: "a confirmed identity", payment_profile: "a way to pay",
};
const REFUSALS = {
  bid_too_low: (meta) => `Too low: the next bid is ${amount(meta.min_next || state.min_next)} at least.`,
  max_not_raised: () => "Your maximum is as high already. A maximum can only be raised.",
  auction_ended: () => "Too late: the auction had ended when your bid arrived.",
  auction_not_live: () => "The auction takes no bids at the moment.",
  seller_cannot_bid: () => "You cannot bid on your own sale.",
  not_eligible: (meta) =>
    `You cannot bid yet. Your account lacks ${(meta.missing || []).map((name) => MISSING[name] || name).join(", ")}.`,
  bid_limit_exceeded: () => "This is more than your bid limit allows, with what you lead and have not paid yet.",
  buy_now_unavailable: () => "It cannot be bought at once any more.",
  invalid: () => "Enter an amount such as 5200 or 5200.50.",
  required: () => "Enter an amount such as 5200 or 5200.50.",
  throttled: () => "That was too fast. Wait a moment and try again.",
  not_authenticated: () => "You are signed out. Sign in again to bid.",
  authentication_failed: () => "You are signed out. Sign in again to bid.",
  permission_denied: () => "You are signed out. Reload the page and sign in again.",
};

// --- Showing ---

function show(id, text) {
  const element = part(id);
  if (!element || element.textContent === text) return;
  element.textContent = text;
  if (element.classList.contains("changed")) element.classList.remove("changed");
  void element.offsetWidth; // So that the animation starts again.
  if (id === "price" || id === "bid-count" || id === "reserve") element.classList.add("changed");
}

function toggle(id, isShown) {
  const element = part(id);
  if (element) element.hidden = !isShown;
}

function announce(text) {
  part("announcer").textContent = text;
}

function notice(text, kind = "") {
  const element = part("notice");
  element.className = `notice ${kind}`;
  element.textContent = text;
  element.hidden = !text;
}

function render() {
  const over = isOver();
  if (state.price !== undefined && state.price !== null) show("price", money(state.price));
  else if (state.min_next) show("price", money(state.min_next));
  show("price-label", state.price === null ? "Starting price" : over ? "Final price" : "Current bid");
  if (state.min_next) show("min-next", money(state.min_next));
  if (state.bid_count !== null) show("bid-count", `${state.bid_count} bid${state.bid_count === 1 ? "" : "s"}`);
  const [reserve, look] =
    { none: ["No reserve", ""], met: ["Reserve met", "yes"], not_met: ["Reserve not met", "ask"] }[state.reserve_status] || [];
  if (reserve) {
    show("reserve", reserve);
    part("reserve").classList.toggle("yes", look === "yes");
    part("reserve").classList.toggle("ask", look === "ask");
  }
  if (state.original_ends_at) toggle("extended", Date.parse(state.ends_at) > Date.parse(state.original_ends_at));
  renderYou(over);
  toggle("bid", !over);
  toggle("sign-in", !over);
  toggle("buy", !over && state.status === "live" && isBuyNowOpen());
  if (over) notice(outcome(), ["sold", "bought_now"].includes(state.status) ? "good" : "");
  else if (state.status === "paused") notice("The auction is paused. Its end moves by the pause.", "warn");
  renderClock();
}

function renderYou(over) {
  toggle("you", you.alias !== null);
  if (you.alias === null) return;
  const won = leads() && ["sold", "bought_now"].includes(state.status);
  part("you").className = `notice ${leads() ? "good" : "warn"}`;
  show("you-state", over ? (won ? "You won." : "You did not win.") : leads() ? "You lead." : "You were outbid.");
  show("you-max", you.max === null ? "" : `Your maximum: ${amount(you.max)}.`);
}

// As rule R13: while nobody bid, or a reserve is not met, and below that price.
function isBuyNowOpen() {
  if (state.buy_now === null) return false;
  const isOpen = state.bid_count === 0 || state.reserve_status === "not_met";
  return isOpen && (state.price === null || Number(state.price) < Number(state.buy_now));
}

function renderClock() {
  const clock = part("clock"), now = Date.now() + clockOffset;
  const [label, until] =
    state.status === "scheduled" && Date.parse(state.starts_at) > now ? ["Starts in", state.starts_at] : ["Ends in", state.ends_at];
  const left = Date.parse(until) - now;
  if (isOver()) {
    show("clock-label", "Ended");
    clock.textContent = clockTime(state.ends_at);
  } else if (state.status === "paused") {
    show("clock-label", "Paused");
    clock.textContent = "–";
  } else {
    show("clock-label", left > 0 ? label : "Ends");
    const text = left > 0 ? timeLeft(left) : "any moment";
    if (clock.textContent !== text) clock.textContent = text;
    clock.title = new Date(until).toLocaleString();
    if (label === "Ends in") warnOfTheEnd(left);
  }
  clock.dateTime = until;
  clock.parentElement.parentElement.classList.toggle("soon", !isOver() && left < 120000 && label === "Ends in");
}

function warnOfTheEnd(left) {
  for (const [seconds, words] of [[300, "Five minutes left."], [60, "One minute left."], [10, "Ten seconds left."]]) {
    if (left <= seconds * 1000 && left > seconds * 1000 - 3000 && !isTold.has(seconds)) {
      isTold.add(seconds);
      announce(words);
    }
  }
}

function bidRow(bid) {
  const row = document.createElement("li"), isMine = bid.mine || (you.alias !== null && bid.alias === you.alias);
  row.dataset.seq = bid.seq;
  row.classList.toggle("mine", isMine);
  for (const [name, tag, text] of [
    ["alias", "span", isMine ? `${bid.alias} (you)` : bid.alias],
    ["", "time", new Date(bid.placed_at).toLocaleString("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" })],
    ["amount", "span", money(bid.price)],
  ]) {
    const cell = document.createElement(tag);
    if (name) cell.className = name;
    else cell.dateTime = bid.placed_at;
    cell.textContent = text;
    row.append(cell, " ");
  }
  return row;
}

function addBid(bid) {
  const list = part("bids");
  if (list.querySelector(`[data-seq="${bid.seq}"]`)) return;
  list.prepend(bidRow(bid));
  while (list.children.length > MOST_BIDS) list.lastElementChild.remove();
  toggle("no-bids", false);
}

// --- Asking ---

async function read(url) {
  const answer = await fetch(url, { headers: { Accept: "application/json" }, cache: "no-store" });
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.json();
}

async function readClock() {
  const asked = performance.now();
  const { server_time: serverTime } = await read("/api/clock");
  clockOffset = Date.parse(serverTime) + (performance.now() - asked) / 2 - Date.now();
}

// The auction as this viewer sees it; what the stream has told since is newer.
async function readAuction() {
  const auction = await read(auctionUrl), isNew = you.alias !== auction.your_alias;
  you.alias = auction.your_alias;
  you.max = auction.your_max;
  state.starts_at = auction.starts_at;
  state.original_ends_at = auction.original_ends_at;
  if (auction.buy_now !== null) state.buy_now = auction.buy_now;
  if (auction.event_seq >= state.event_seq) {
    for (const name of ["event_seq", "status", "ends_at", "price", "min_next", "bid_count", "reserve_status", "leader_alias"]) {
      state[name] = auction[name];
    }
  }
  render();
  if (isNew) await readBids();
}

async function readBids() {
  const { results } = await read(`${auctionUrl}/bids?limit=${MOST_BIDS}`);
  part("bids").replaceChildren(...results.map(bidRow));
  toggle("no-bids", results.length === 0);
}

async function readAll() {
  await Promise.allSettled([readClock(), readAuction(), readBids()]);
  render();
}

// --- Hearing ---

function take(kind, event) {
  if (kind !== "snapshot" && event.event_seq <= state.event_seq) return;
  const wasLeading = leads(), isMissing = event.event_seq !== state.event_seq;
  Object.assign(state, event);
  if (["bid", "extended"].includes(kind)) isTold = new Set([...isTold].filter((s) => s * 1000 < Date.parse(state.ends_at) - Date.now() - clockOffset));
  ({
    snapshot: () => { if (isMissing) readAuction().then(readBids).catch(() => {}); },
    opened: () => notice("The auction is open.", "good"),
    bid: () => {
      addBid({ seq: event.bid_seq, alias: event.alias, price: event.price, placed_at: event.at });
      announce(`${event.alias} bids ${amount(event.price)}.${wasLeading && !leads() ? " You were outbid." : ""}`);
      if (isSignedIn && event.alias === you.alias) readAuction().catch(() => {});
    },
    bid_voided: () => {
      notice("A bid was withdrawn; the price was worked out again.", "warn");
      readAuction().then(readBids).catch(() => {});
    },
    extended: () => {
      notice(`A late bid moved the end to ${clockTime(event.ends_at)}.`, "warn");
      announce(`The end moved to ${clockTime(event.ends_at)}.`);
      toggle("extended", true);
    },
    reserve_met: () => { notice("The reserve is met: it will be sold.", "good"); announce("The reserve is met."); },
    paused: () => announce("The auction is paused."),
    resumed: () => notice("The auction goes on.", "good"),
    closed: () => announce(outcome()),
    cancelled: () => announce(outcome()),
  })[kind]();
  render();
  if (isOver()) hangUp();
}

const KINDS = ["snapshot", "opened", "bid", "bid_voided", "extended", "reserve_met", "paused", "resumed", "closed", "cancelled"];
let source = null, attempts = 0;

function connection(name, text) {
  part("connection").dataset.state = name;
  part("connection").textContent = text;
}

function listen() {
  source = new EventSource(`${auctionUrl}/stream`);
  source.onopen = () => { attempts = 0; connection("live", "Live"); };
  source.onerror = () => {
    connection("lost", "Reconnecting");
    // Broken connections are the browser's to mend; a refusal (too many streams, say) is not, so ask by and by.
    if (source.readyState === EventSource.CLOSED && !isOver()) {
      attempts += 1;
      setTimeout(() => readAll().then(() => (isOver() ? hangUp() : listen())), Math.min(30000, 2000 * attempts) * (0.75 + Math.random() / 2));
    }
  };
  for (const kind of KINDS) source.addEventListener(kind, (message) => take(kind, JSON.parse(message.data)));
}

function hangUp() {
  if (source) source.close();
  connection("over", "Ended");
}

// --- Bidding ---

const newKey = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

// Sends once more after a lost connection: the key makes one bid of both.
async function send(url, body) {
  const options = {
    method: "POST", body: JSON.stringify(body),
    headers: {
      Accept: "application/json", "Content-Type": "application/json", "Idempotency-Key": newKey(),
      "X-CSRFToken": document.querySelector("[name=csrfmiddlewaretoken]").value,
    },
  };
  for (let attempt = 1; ; attempt += 1) {
    try {
      const answer = await fetch(url, options);
      const data = await answer.json();
      const isBusy = answer.status === 503 || (answer.status === 409 && data.errors[0].code === "idempotency_in_progress");
      if (!isBusy || attempt === 4) return { isOk: answer.ok, data };
    } catch (error) {
      if (attempt === 4) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 500 * attempt));
  }
}

function refuse(text) {
  const element = part("refusal");
  element.textContent = text;
  element.hidden = !text;
  part("amount").setAttribute("aria-invalid", text ? "true" : "false");
}

async function act(button, url, body, done) {
  button.disabled = true;
  refuse("");
  try {
    const { isOk, data } = await send(url, body);
    if (isOk) {
      done(data);
    } else {
      const error = data.errors[0];
      refuse((REFUSALS[error.code] || (() => error.detail))(error.meta || {}));
    }
  } catch {
    refuse("The server cannot be reached. Your bid may or may not have arrived: see below whether it did, or try again.");
  } finally {
    button.disabled = false;
    readAuction().catch(() => {});
  }
}

function offerBids() {
  const form = part("bid"), field = part("amount");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = field.value.replace(/[\s,]/g, "");
    if (!/^[0-9]{1,10}(\.[0-9]{1,2})?$/.test(text) || Number(text) === 0) {
      refuse(REFUSALS.invalid());
      field.focus();
      return;
    }
    act(form.querySelector("[type=submit]"), `${auctionUrl}/bids`, { amount: text }, (answer) => {
      field.value = "";
      const isLeading = answer.position === "leading";
      announce(isLeading ? "Your bid leads." : `Your bid was outbid at once. The next bid is ${amount(answer.min_next)} at least.`);
    });
  });
  part("use-min").addEventListener("click", () => { field.value = state.min_next || ""; field.focus(); });
  const dialog = part("buy-dialog");
  part("buy-ask").addEventListener("click", () => dialog.showModal());
  part("buy-no").addEventListener("click", () => dialog.close());
  part("buy-yes").addEventListener("click", () => { dialog.close(); act(part("buy-ask"), `${auctionUrl}/buy-now`, {}, () => {}); });
}

if (part("bid")) offerBids();
setInterval(renderClock, 250);
setInterval(() => readClock().catch(() => {}), 300000);
document.addEventListener("visibilitychange", () => { if (!document.hidden && !isOver()) readClock().then(readAuction).catch(() => {}); });
readAll().then(() => (isOver() ? hangUp() : listen()));
