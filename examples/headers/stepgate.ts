// What Stepgate decided about a request, read from its headers. Node only; copy it into your API.
//
//     const pairs = Object.entries(request.headersDistinct).flatMap(([n, vs]) => (vs ?? []).map((v): [string, string] => [n, v]));
//     const decision = read(pairs, { k1: SECRET });
//     if (!isClear(decision)) { /* unknown, restricted, or being watched: offer less, or ask for a confirmation */ }
import { createHmac, timingSafeEqual } from "node:crypto";

// In the order in which they are signed.
const NAMES = ["decision", "would", "mode", "score", "reasons", "id"];
const DECISIONS = ["allow", "step-up", "restrict", "deny"];
const SIGNATURE = /^:([A-Za-z0-9+/]+=*):;t=(\d{1,12});kid="([A-Za-z0-9._-]{1,64})"$/;
const REASON = /^([a-z][a-z-]*)(?:;w=(-?\d{1,12}\.\d{1,3}))?$/;

/** A decision. `unknown` where there is none that can be believed: never take it for `allow`. */
export type Decision = {
  decision: string;
  would: string | null; // in shadow mode: what enforcing would have done, where it differs
  mode: string | null;
  score: number | null; // 0 to 100: the probability that somebody else than the owner asks
  reasons: Record<string, number>; // code: nats, 0 for notes
  id: string | null;
};

const UNKNOWN: Decision = { decision: "unknown", would: null, mode: null, score: null, reasons: {}, id: null };

/** Whether nothing speaks against the owner, in shadow mode too. */
export function isClear(decision: Decision): boolean {
  return decision.decision === "allow" && (decision.would === null || decision.would === "allow");
}

/** Reads name and value pairs. With `secrets` (by kid) the signature has to hold and be younger than `maxAge` seconds. */
export function read(
  pairs: Iterable<[string, string]>,
  secrets?: Record<string, string>,
  now: number = Date.now() / 1000,
  maxAge = 60,
): Decision {
  const found = new Map<string, string>();
  for (const [rawName, value] of pairs) {
    const name = rawName.toLowerCase();
    if (!name.startsWith("x-stepgate-")) continue;
    if (found.has(name)) return UNKNOWN; // Stepgate writes each once
    found.set(name, value.trim());
  }
  if (secrets && !isSigned(found, new Map(Object.entries(secrets)), now, maxAge)) return UNKNOWN;
  const [decision, would, mode, score, listed, id] = NAMES.map((name) => found.get(`x-stepgate-${name}`) ?? null);
  if (!decision || !DECISIONS.includes(decision) || (mode !== "enforce" && mode !== "shadow")) return UNKNOWN;
  if (!/^(100|\d{1,2})$/.test(score ?? "")) return UNKNOWN;
  const reasons: Record<string, number> = {};
  for (const item of (listed ?? "").split(/,\s*/)) {
    const parsed = REASON.exec(item);
    if (parsed) reasons[parsed[1]] = Number(parsed[2] ?? 0);
  }
  return { decision, would, mode, score: Number(score), reasons, id };
}

function isSigned(found: Map<string, string>, secrets: Map<string, string>, now: number, maxAge: number): boolean {
  const parsed = SIGNATURE.exec(found.get("x-stepgate-signature") ?? "");
  const secret = parsed && secrets.get(parsed[3]);
  if (!parsed || !secret || Math.abs(now - Number(parsed[2])) > maxAge) return false;
  const hmac = createHmac("sha256", secret);
  for (const name of NAMES) {
    const value = found.get(`x-stepgate-${name}`);
    if (value !== undefined) hmac.update(`x-stepgate-${name}: ${value}\n`);
  }
  const wanted = hmac.update(`t=${parsed[2]};kid=${parsed[3]}`).digest();
  const given = Buffer.from(parsed[1], "base64");
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}
