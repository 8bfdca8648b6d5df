"""What was measured in the browser, and the chart of runtimes.

It knows nothing of how the figures came.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labkit.plots import Picture

_NAMES = {"wasm": "Browser, WebAssembly", "webgpu": "Browser, WebGPU"}


@dataclass(frozen=True)
class Runtime:
    """How one runtime did with the chat model.

    Attributes:
        name: which runtime.
        load_seconds: until the model could be asked.
        first_token: seconds until the first token was there.
        tokens_per_second: tokens of the answer over its whole time, the wait for the first one included.
        text: the answer.
    """

    name: str
    load_seconds: float
    first_token: float
    tokens_per_second: float
    text: str = field(repr=False)


@dataclass(frozen=True)
class Figures:
    """What the page has measured; empty when there is no browser to ask.

    Attributes:
        raw: the figures as the page wrote them.
        note: what to do when there are none.
    """

    raw: dict[str, Any] = field(default_factory=dict, repr=False)
    note: str = ""

    @property
    def runtimes(self) -> list[Runtime]:
        """The chat model's figures, one entry for each provider that ran."""
        return [self._runtime(name, found["chat"]) for name, found in self._ran().items()]

    @property
    def probabilities(self) -> dict[str, list[list[float]]]:
        """By provider, the ten probabilities of each sample digit."""
        return {name: found["digits"]["probabilities"] for name, found in self._ran().items()}

    @property
    def requests(self) -> list[str]:
        """The addresses of all requests that the page had made when it was measured, its worker's included."""
        return list(self.raw.get("requests", ()))

    @property
    def adapter(self) -> str:
        """The graphics adapter, in words."""
        can = self.raw.get("capabilities", {})
        name = can.get("adapter") or "no graphics adapter"
        return f"{name} (imitated by the processor)" if can.get("isSoftware") and can.get("adapter") else name

    def __repr__(self) -> str:
        if not self.raw:
            return f"<Figures: none yet. {self.note}>"
        return f"<Figures: {', '.join(self._ran()) or 'none'}; {self.adapter}>"

    def _ran(self) -> dict[str, Any]:
        return {name: found for name, found in self.raw.get("providers", {}).items() if "chat" in found}

    def _runtime(self, name: str, chat: dict[str, Any]) -> Runtime:
        label = _NAMES[name]
        if name == "webgpu" and self.raw["capabilities"]["isSoftware"]:
            label += " (imitated)"
        return Runtime(label, chat["load_seconds"], chat["first_token"], chat["tokens_per_second"], chat["text"])


def compare(runtimes: Sequence[Runtime]) -> Picture:
    """Draws load time, first token and speed of several runtimes side by side.

    Args:
        runtimes: what was measured.
    """
    from matplotlib.figure import Figure

    from labkit.plots import STYLES, picture

    panels = (
        ("Load", "seconds", "{:.2f}", [each.load_seconds for each in runtimes]),
        ("First token", "seconds", "{:.3f}", [each.first_token for each in runtimes]),
        ("Speed", "tokens per second", "{:,.0f}", [each.tokens_per_second for each in runtimes]),
    )
    figure = Figure(figsize=(9, 1.2 + 0.5 * len(runtimes)), layout="constrained")
    for ax, (title, unit, form, values) in zip(figure.subplots(1, len(panels), sharey=True), panels, strict=True):
        colours = [STYLES[number % len(STYLES)][0] for number in range(len(runtimes))]
        bars = ax.barh([each.name for each in runtimes], values, color=colours)
        ax.bar_label(bars, fmt=form, padding=3)
        ax.set(title=title, xlabel=unit, xlim=(0, max([*values, 1e-9]) * 1.4))
        ax.spines[["top", "right"]].set_visible(False)
    figure.axes[0].invert_yaxis()
    return picture(figure, "; ".join(map(_in_words, runtimes)) + ".")


def _in_words(runtime: Runtime) -> str:
    return (
        f"{runtime.name}: loaded in {runtime.load_seconds:.2f} s, first token {runtime.first_token:.3f} s, "
        f"{runtime.tokens_per_second:.0f} tokens/s"
    )
