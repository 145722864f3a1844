"""What Stepgate decided about a request, read from its headers. Standard library only; copy it into your API.

    decision = stepgate.read(request.headers.items(), secrets={"k1": SECRET})
    if not decision.is_clear():
        ...  # unknown, restricted, or being watched: offer less, or ask for a confirmation
"""

import base64
import binascii
import hashlib
import hmac
import re
import time
from dataclasses import dataclass, field

# In the order in which they are signed.
NAMES = ("decision", "would", "mode", "score", "reasons", "id")
DECISIONS = ("allow", "step-up", "restrict", "deny")
SIGNATURE = re.compile(r':([A-Za-z0-9+/]+=*):;t=([0-9]{1,12});kid="([A-Za-z0-9._-]{1,64})"')
REASON = re.compile(r"([a-z][a-z-]*)(?:;w=(-?\d{1,12}\.\d{1,3}))?")


@dataclass(frozen=True)
class Decision:
    """A decision. `unknown` where there is none that can be believed: never take it for `allow`."""

    decision: str = "unknown"
    would: str | None = None  # in shadow mode: what enforcing would have done, where it differs
    mode: str | None = None
    score: int | None = None  # 0 to 100: the probability that somebody else than the owner asks
    reasons: dict[str, float] = field(default_factory=dict)  # code: nats, 0 for notes
    id: str | None = None

    def is_clear(self) -> bool:
        """Whether nothing speaks against the owner, in shadow mode too."""
        return self.decision == "allow" and self.would in (None, "allow")


UNKNOWN = Decision()


def read(pairs, secrets=None, now=None, max_age=60) -> Decision:
    """Reads name and value pairs. With `secrets` (by kid) the signature has to hold and be younger than `max_age` seconds; with
    an empty dictionary none does. Only None reads without one."""
    found = {}
    for name, value in pairs:
        name = name.lower()
        if name.startswith("x-stepgate-"):
            if name in found:
                return UNKNOWN  # Stepgate writes each once
            found[name] = value.strip()
    if secrets is not None and not _is_signed(found, secrets, time.time() if now is None else now, max_age):
        return UNKNOWN
    values = {name: found.get("x-stepgate-" + name) for name in NAMES}
    if values["decision"] not in DECISIONS or values["mode"] not in ("enforce", "shadow"):
        return UNKNOWN
    if not re.fullmatch(r"100|[0-9]{1,2}", values["score"] or ""):
        return UNKNOWN
    reasons = {}
    for item in filter(None, re.split(r",\s*", values["reasons"] or "")):
        parsed = REASON.fullmatch(item)
        if parsed:
            reasons[parsed[1]] = float(parsed[2] or 0)
    return Decision(values["decision"], values["would"], values["mode"], int(values["score"]), reasons, values["id"])


def _is_signed(found, secrets, now, max_age) -> bool:
    parsed = SIGNATURE.fullmatch(found.get("x-stepgate-signature", ""))
    # A secret that is empty is one that was not set: anybody could sign with it.
    if not parsed or not secrets.get(parsed[3]) or abs(now - int(parsed[2])) > max_age:
        return False
    lines = [f"x-stepgate-{name}: {found['x-stepgate-' + name]}\n" for name in NAMES if "x-stepgate-" + name in found]
    message = "".join(lines) + f"t={parsed[2]};kid={parsed[3]}"
    wanted = hmac.new(secrets[parsed[3]].encode(), message.encode(), hashlib.sha256).digest()
    try:
        return hmac.compare_digest(wanted, base64.b64decode(parsed[1], validate=True))
    except binascii.Error:
        return False
