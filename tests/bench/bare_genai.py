"""A bare onnxruntime-genai loop over the same model: what the hardware gives, with no server and no client.

    uv run --with onnxruntime-genai==0.18.0 python tests/bench/bare_genai.py MODEL_FOLDER MAX_TOKENS ROUNDS QUESTION...

Prints one line for each answer: seconds to the first token, tokens/s.
"""

import json
import math
import sys
import time

import onnxruntime_genai as og


def main(folder: str, max_tokens: int, rounds: int, questions: list[str]) -> None:
    """Answers every question that many times."""
    model = og.Model(folder)
    tokenizer = og.Tokenizer(model)
    answer(model, tokenizer, questions[0], max_tokens)  # once without a clock
    for _ in range(rounds):
        for question in questions:
            print(*answer(model, tokenizer, question, max_tokens))  # noqa: T201  # this is its output


def answer(model: og.Model, tokenizer: og.Tokenizer, question: str, max_tokens: int) -> tuple[float, float]:
    """Answers one question greedily and gives the seconds to the first token, and tokens/s."""
    started = time.perf_counter()
    messages = json.dumps([{"role": "user", "content": question}])
    tokens = tokenizer.encode(tokenizer.apply_chat_template(messages, add_generation_prompt=True))
    params = og.GeneratorParams(model)
    params.set_search_options(max_length=len(tokens) + max_tokens, do_sample=False)
    generator = og.Generator(model, params)
    generator.append_tokens(tokens)
    stream, arrivals = tokenizer.create_stream(), []
    while not generator.is_done():
        generator.generate_next_token()
        stream.decode(generator.get_next_tokens()[0])
        arrivals.append(time.perf_counter() - started)
    seconds = arrivals[-1] - arrivals[0]
    return arrivals[0], (len(arrivals) - 1) / seconds if seconds else math.nan


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
