"""Export: turns a trained checkpoint into the files that Foundry Local serves and a browser runs.

Int8 weights of the MatMul operators only: a quantised embedding (GatherBlockQuantized) would not run in WebAssembly.
Does not know how the model was trained.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import onnx
import torch
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from labkit.training.model import CONTEXT, NORM_EPSILON, ROPE_BASE, ChatModel
from labkit.training.recipe import Recipe
from labkit.training.tokenizer import CHAT_TEMPLATE, END, PAD, load, number

MODELS = Path(__file__).parent.parent / "models"
VERSION = 1
FILES = (
    "genai_config.json", "model.onnx", "model.onnx.data", "tokenizer.json", "tokenizer_config.json",
    "chat_template.jinja", "inference_model.json",
)  # fmt: skip


class ExportError(RuntimeError):
    """The export went wrong; the message says where."""


def export(recipe: Recipe, checkpoint: Path, target: Path) -> None:
    """Write a model's files.

    Args:
        recipe: what the checkpoint was made from.
        checkpoint: the folder of the training.
        target: the folder to write, usually `labkit/models/<alias>`.

    Raises:
        ExportError: the builder failed, or the graph would not run in a browser.
    """
    with tempfile.TemporaryDirectory() as scratch:
        plain, built = Path(scratch, "plain"), Path(scratch, "built")
        _save_plain(recipe, checkpoint, plain)
        _build(plain, built, Path(scratch, "cache"))
        # The builder's copy cuts numbers into digits, as Qwen2 does; the network learnt them whole.
        shutil.copyfile(checkpoint / "tokenizer.json", built / "tokenizer.json")
        _write_name(recipe, built)
        check(built)
        _install(built, target)
    register(recipe.alias, target)


def register(alias: str, folder: Path) -> None:
    """Write a model's version, context length in tokens and SHA-256 digests into `manifest.json` beside its folder."""
    path = folder.parent / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    digests = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES}
    manifest[alias] = {"version": VERSION, "context_length": CONTEXT, "files": digests}
    path.write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def read(recipe: Recipe, checkpoint: Path) -> ChatModel:
    """Return the averaged network of a checkpoint."""
    state = torch.load(checkpoint / "checkpoint.pt", weights_only=False)
    model = ChatModel(recipe.shape, len(state["classes"]))
    model.load_state_dict(state["average"])
    return model.eval()


def check(folder: Path) -> None:
    """Make sure that the graph holds no operator that WebAssembly lacks, and that every file is there."""
    missing = [name for name in FILES if not (folder / name).exists()]
    if missing:
        raise ExportError(f"{folder} lacks {', '.join(missing)}; look at the builder's output.")
    graph = onnx.load(str(folder / "model.onnx"), load_external_data=False).graph
    if any(node.op_type == "GatherBlockQuantized" for node in graph.node):
        raise ExportError("The graph holds GatherBlockQuantized, which WebAssembly lacks; quantise MatMul only.")


def _save_plain(recipe: Recipe, checkpoint: Path, folder: Path) -> None:
    tokenizer = load(checkpoint)
    network = Qwen2ForCausalLM(_config(recipe, number(tokenizer, END), number(tokenizer, PAD)))
    weights = {name: value for name, value in read(recipe, checkpoint).state_dict().items() if "topic_head" not in name}
    missing, unexpected = network.load_state_dict(weights, strict=False)
    if unexpected or missing:
        raise ExportError(f"The weights do not fit Qwen2ForCausalLM: {missing} missing, {unexpected} unexpected.")
    network.save_pretrained(folder)
    _save_tokenizer(checkpoint, folder)


def _config(recipe: Recipe, end: int, pad: int) -> Qwen2Config:
    shape = recipe.shape
    return Qwen2Config(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.inner,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        max_position_embeddings=CONTEXT,
        rms_norm_eps=NORM_EPSILON,
        rope_parameters={"rope_type": "default", "rope_theta": ROPE_BASE},
        tie_word_embeddings=False,
        bos_token_id=pad,
        eos_token_id=end,
        pad_token_id=pad,
    )


def _save_tokenizer(checkpoint: Path, folder: Path) -> None:
    fast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=load(checkpoint), eos_token=END, pad_token=PAD, unk_token=PAD
    )
    fast.model_max_length = CONTEXT
    fast.chat_template = CHAT_TEMPLATE
    fast.save_pretrained(folder)


def _build(plain: Path, built: Path, cache: Path) -> None:
    arguments = ["-i", str(plain), "-o", str(built), "-p", "int8", "-e", "cpu", "-c", str(cache)]
    options = ["--extra_options", "int4_op_types_to_quantize=MatMul"]
    command = [sys.executable, "-m", "onnxruntime_genai.models.builder", *arguments, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own arguments
    if done.returncode:
        raise ExportError(f"The ONNX GenAI builder failed:\n{done.stderr[-2000:]}")


def _write_name(recipe: Recipe, folder: Path) -> None:
    text = json.dumps({"Name": f"{recipe.alias}:{VERSION}"}) + "\n"
    (folder / "inference_model.json").write_text(text, encoding="utf-8")


def _install(built: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copyfile(built / name, target / name)
