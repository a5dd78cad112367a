"""The page of a service: one document, which loads nothing else."""

import base64
import hashlib
from importlib import resources

_POLICY = (
    "default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; img-src blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def read_page() -> tuple[str, dict[str, str]]:
    """The page, and the headers that allow a browser to run its own script and style and no others."""
    files = resources.files(__package__)
    html, style, script = (
        (files / name).read_text(encoding="utf-8") for name in ("index.html", "style.css", "script.js")
    )
    text = html.replace("></style>", f">{style}</style>").replace("></script>", f">{script}</script>")
    policy = _POLICY.format(style=_digest(style), script=_digest(script))
    return text, {"Content-Security-Policy": policy, "Permissions-Policy": "camera=(self)"}


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
