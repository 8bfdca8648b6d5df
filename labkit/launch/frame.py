"""A link and an embedded frame for a notebook.

It knows nothing of what is in the frame.
"""

from __future__ import annotations

from html import escape

_HEIGHT = 640  # pixels


def frame(name: str, url: str, note: str, is_running: bool) -> str:
    """Gives the HTML that shows a page inside a notebook.

    Args:
        name: what the page is, in words.
        url: its address.
        note: what else people should know; may be empty.
        is_running: whether there is anything to show.
    """
    name, url = escape(name), escape(url)
    if not is_running:
        return f"<p role='status'>{name} has ended.</p>"
    words = f"<p>{escape(note)}</p>" if note else ""
    return (
        f"{words}<p>{name}: <a href='{url}' target='_blank' rel='noopener'>{url}</a> (opens in a new tab)</p>"
        f"<iframe src='{url}' title='{name}' width='100%' height='{_HEIGHT}' allow='clipboard-write' "
        "style='border:1px solid #8886;border-radius:6px'></iframe>"
    )
