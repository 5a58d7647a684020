"""What stands in for Stripe's own page: two buttons, and no field for a card."""

from __future__ import annotations

from html import escape

from .ledger import Session

_PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Simulated card page</title></head><body>
<h1>Simulated card page</h1><p>{name}: {amount} {currency} in minor units ({status})</p>
<button onclick="act('SUCCEEDED')">Pay</button> <button onclick="act('FAILED')">Decline</button>
<a href="{cancel}">Back</a><p id="said"></p>
<script>async function act(result) {{
  const reply = await fetch({path}, {{method: "POST", body: JSON.stringify({{result}})}});
  const body = await reply.json();
  if (body.status === "complete") location.assign({success});
  else document.getElementById("said").textContent = body.status || body.error.message; }}
</script></body></html>"""


def page(session: Session, charge_id: str) -> str:
    return _PAGE.format(
        name=escape(session.name),
        amount=session.amount,
        currency=escape(session.currency.upper()),
        status=session.status,
        cancel=escape(session.cancel_url or "#"),
        path=_script(f"/_pay/{charge_id}"),
        success=_script(session.success_url),
    )


def _script(text: str) -> str:
    """A string in a script that cannot end the script."""
    safe = "".join(c if c.isalnum() or c in "/:?&=._-%" else f"\\u{ord(c):04x}" for c in text)
    return f'"{safe}"'
