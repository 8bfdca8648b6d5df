"""The floor for `labkit ask`: the least that a program can do to stream from the same model. No labkit in it.

    python tests/bench/floor.py MODEL_FOLDER QUESTION MAX_TOKENS

It imports openai, as every client program does, and talks to the model through the native ChatSession.
"""

import os
import sys
import tempfile

import openai  # noqa: F401  # its import is part of the floor
from foundry_local_sdk import (
    CatalogType,
    ChatSession,
    Configuration,
    FoundryLocalManager,
    LogLevel,
    MessageItem,
    MessageRole,
    ModelInfoBuilder,
    Request,
    RequestOptions,
    SearchOptions,
)


def main(folder: str, question: str, max_tokens: int) -> None:
    """Streams one answer to standard output."""
    os.environ["CI"] = "true"  # silences the runtime's start-up event, as labkit does
    with tempfile.TemporaryDirectory() as home:
        FoundryLocalManager.initialize(
            Configuration(app_name="floor", app_data_dir=home, model_cache_dir=home, log_level=LogLevel.FATAL)
        )
        manager = FoundryLocalManager.instance
        model = manager.get_catalog(CatalogType.LOCAL).register_model(
            folder, "floor:1", ModelInfoBuilder().set_string_property("task", "chat-completion")
        )
        model.load()
        with ChatSession(model) as session:
            session.set_streaming(True)
            session.set_options(RequestOptions(search=SearchOptions(temperature=0.0, max_output_tokens=max_tokens)))
            request = Request()
            request.add_item(MessageItem(MessageRole.USER, question))
            with session.process_streaming_request(request) as stream:
                for item in stream:
                    sys.stdout.write(getattr(item, "text", ""))
                    sys.stdout.flush()
        manager.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
