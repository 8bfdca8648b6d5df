"""Who could answer: a model behind an endpoint, with its price, its limits and where its data goes.

It knows nothing of rules, and it sends nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from labkit.catalog import find_bundled
from labkit.client import Lab
from labkit.endpoint import Endpoint
from labkit.routing.request import Request

_MILLION = 1_000_000
_TOKEN, _BUNDLED_TOKEN = 4.0, 3.0  # characters of English; the bundled models have small vocabularies


class Price(NamedTuple):
    """What tokens cost.

    Attributes:
        prompt: USD for a million tokens of the prompt.
        completion: USD for a million tokens of the answer.
    """

    prompt: float = 0.0
    completion: float = 0.0

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Gives the price of one exchange, in USD.

        Args:
            prompt_tokens: tokens of the prompt.
            completion_tokens: tokens of the answer.
        """
        return (self.prompt * prompt_tokens + self.completion * completion_tokens) / _MILLION


FREE = Price()


@dataclass(frozen=True, eq=False)
class Backend:
    """A model that could answer.

    Attributes:
        name: the name that policies use.
        source: who answers: `foundry-local`, `azure`, `openai`, `openai-compatible` or `simulated-cloud`.
        model: the exact name that its endpoint accepts.
        is_private: whether everything it is sent stays on this machine.
        context_length: tokens that prompt and answer may have together, where known.
        price: what its tokens cost.
        capabilities: what it can do beyond text, such as `tools` and `json`.
        first_token_ms: the time to its first token that is expected until one was measured, in milliseconds.
        characters_per_token: how long its tokens are on average; about 4 for English, less for small vocabularies.
        lab: the way to it; without one it can be decided about, but not asked.
    """

    name: str
    source: str
    model: str
    is_private: bool
    context_length: int | None = None
    price: Price = FREE
    capabilities: frozenset[str] = frozenset()
    first_token_ms: float | None = None
    characters_per_token: float = _TOKEN
    lab: Lab | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if min(self.price) < 0 or self.characters_per_token <= 0:
            raise ValueError(f"Backend {self.name!r}: prices start at 0, and a token has more than 0 characters.")

    @property
    def side(self) -> str:
        """`local` if what it is sent stays on this machine, else `cloud`."""
        return "local" if self.is_private else "cloud"

    @property
    def is_free(self) -> bool:
        """Whether its tokens cost nothing."""
        return not any(self.price)

    def worst_cost(self, request: Request) -> float:
        """Estimates what a request costs if the answer is as long as it may be, in USD.

        Args:
            request: what is to be answered.
        """
        return self.price.of(request.prompt_tokens(self.characters_per_token), request.max_tokens)

    def answers_to(self, target: str) -> bool:
        """Says whether a policy means this backend by a name: its own, or that of its side."""
        return target in (self.name, self.side)

    @classmethod
    def of(
        cls,
        lab: Lab,
        name: str | None = None,
        *,
        is_private: bool | None = None,
        price: Price = FREE,
        capabilities: Iterable[str] = (),
        first_token_ms: float | None = None,
    ) -> Backend:
        """Makes a backend of a Lab.

        Args:
            lab: what `labkit.connect()` gave.
            name: the name for policies; the model's name when left out.
            is_private: whether its data stays on this machine. When left out, only Foundry Local is trusted with
                that: another server on this machine may pass everything on.
            price: what its tokens cost.
            capabilities: what it can do beyond text, such as `tools` and `json`.
            first_token_ms: the time to its first token that is expected until one was measured, in milliseconds.
        """
        return cls(
            name or lab.model.split(":")[0],
            lab.source,
            lab.model,
            _stays_here(lab) if is_private is None else is_private,
            lab.context_length,
            price,
            frozenset(capabilities),
            first_token_ms,
            _BUNDLED_TOKEN if find_bundled(lab.model) else _TOKEN,
            lab=lab,
        )


def _stays_here(lab: Lab) -> bool:
    return lab.source == "foundry-local" and Endpoint(lab.endpoint, lab.api_key).is_local
