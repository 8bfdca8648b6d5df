"""The tokenizer: byte-level BPE trained on the corpus, and the chat template that frames a conversation.

Knows text and tokens. Does not know what the texts mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from labkit.training.corpus import FOLLOW_UPS, REFUSAL, Corpus, wordings

PAD = "<|endoftext|>"
END = "<|im_end|>"
START = "<|im_start|>"
ROLES = {role: f"{START}{role}\n" for role in ("system", "user", "assistant")}
DROPOUT = 0.1
SPECIAL = (PAD, START, END, *ROLES.values())

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}"
    "{{ '<|im_start|>user\n ' + (message['content'] | trim | lower) + '<|im_end|>' }}"
    "{% else %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' }}"
    "{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def train(corpus: Corpus, size: int) -> Tokenizer:
    """Train the vocabulary.

    Args:
        corpus: the texts; of each topic the answers and the training wordings.
        size: number of tokens, the special ones included.

    Returns:
        A byte-level BPE tokenizer.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[AddedToken(text, special=True, normalized=False) for text in SPECIAL],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(corpus), trainer)
    return tokenizer


def user_text(content: str) -> str:
    """Return the content of a user's turn as the chat template writes it: trimmed, in lower case."""
    return " " + content.strip().lower()


def render(messages: Sequence[tuple[str, str]], prompt: bool = True) -> str:
    """Return the text that the chat template makes of a conversation.

    Args:
        messages: pairs of role and content.
        prompt: whether the assistant shall speak next.
    """
    turns = (f"{ROLES[role]}{user_text(text) if role == 'user' else text}{END}" for role, text in messages)
    return "".join(turns) + (ROLES["assistant"] if prompt else "")


def number(tokenizer: Tokenizer, text: str) -> int:
    """Return the number of a token that the vocabulary surely holds."""
    found = tokenizer.token_to_id(text)
    if found is None:
        raise ValueError(f"{text!r} is no token of this vocabulary; train the tokenizer again.")
    return found


def load(folder: Path) -> Tokenizer:
    """Read a tokenizer that was saved in a model's folder."""
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def torn(tokenizer: Tokenizer) -> Tokenizer:
    """Return a copy that leaves out a tenth of the merges by chance (BPE dropout, arXiv 1910.13267).

    Words that were learnt in several pieces are recognised when they are misspelt or inflected.
    """
    copy = Tokenizer.from_str(tokenizer.to_str())
    model = copy.model
    model.dropout = DROPOUT
    copy.model = model
    return copy


def _texts(corpus: Corpus) -> Iterator[str]:
    for topic in corpus.topics:
        yield from (topic.answer, topic.short, topic.example)
    yield from (talk.answer for talk in corpus.small_talk)
    yield REFUSAL
    yield from FOLLOW_UPS
    for _, group in wordings(corpus):
        yield from (user_text(question) for question in group.questions)
