"""A language model of 300 kB that knows nothing: weights by chance, in the GGUF format, for a real llama.cpp server.

    python tiny_llama.py FILE

Run by a Python that has the packages gguf and numpy. Tokens are single characters and bytes, so that the model can
write anything; what it writes is made by the server's grammar and by chance, the same in every file. One number of each
embedding is the same for all tokens, and so lets some tokens be likelier than others: those that end a text, so that
answers are short.
"""

from __future__ import annotations

import sys

import gguf
import numpy as np

CONTEXT = 8192
"""Tokens, which here are characters."""
WIDTH, HEADS, INNER, LAYERS = 32, 2, 64, 2
CHARACTERS = [chr(code) for code in range(32, 127)]
LIKED = {
    "</s>": 2.0,
    '"': 1.5,
    "}": 1.5,
    "]": 1.0,
    **dict.fromkeys("aeinorst", 1.0),
    **dict.fromkeys("0123456789", 0.3),
}
"""How much likelier some tokens are, beside 0 for the others."""
DISLIKED = -4.0
"""For single bytes: with them, most texts would not be Unicode."""


def tokens() -> tuple[list[str], list[gguf.TokenType]]:
    control = [("<unk>", gguf.TokenType.UNKNOWN), ("<s>", gguf.TokenType.CONTROL), ("</s>", gguf.TokenType.CONTROL)]
    single = [(f"<0x{code:02X}>", gguf.TokenType.BYTE) for code in range(256)]
    spelt = [(one.replace(" ", "▁"), gguf.TokenType.NORMAL) for one in CHARACTERS]
    names, types = zip(*control, *single, *spelt, strict=True)
    return list(names), list(types)


def main(path: str) -> None:
    names, types = tokens()
    chance = np.random.default_rng(7)

    def weights(*size: int, spread: float = 0.1) -> np.ndarray:
        return chance.normal(0, spread, size).astype(np.float32)

    made = gguf.GGUFWriter(path, "llama")
    made.add_context_length(CONTEXT)
    made.add_embedding_length(WIDTH)
    made.add_block_count(LAYERS)
    made.add_feed_forward_length(INNER)
    made.add_head_count(HEADS)
    made.add_layer_norm_rms_eps(1e-5)
    made.add_tokenizer_model("llama")
    made.add_token_list(names)
    made.add_token_scores([0.0] * len(names))
    made.add_token_types(types)
    made.add_unk_token_id(0)
    made.add_bos_token_id(1)
    made.add_eos_token_id(2)
    made.add_chat_template("{% for message in messages %}{{ message['content'] }}\n{% endfor %}")

    embedding, output = weights(len(names), WIDTH, spread=1.0), weights(len(names), WIDTH, spread=0.2)
    embedding[:, 0] = 4.0
    output[:, 0] = [
        LIKED.get(name, DISLIKED if kind == gguf.TokenType.BYTE else 0.0)
        for name, kind in zip(names, types, strict=True)
    ]
    ones = np.ones(WIDTH, np.float32)
    made.add_tensor("token_embd.weight", embedding)
    made.add_tensor("output_norm.weight", ones)
    made.add_tensor("output.weight", output)
    for layer in range(LAYERS):
        for norm in ("attn_norm", "ffn_norm"):
            made.add_tensor(f"blk.{layer}.{norm}.weight", ones)
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            made.add_tensor(f"blk.{layer}.{part}.weight", weights(WIDTH, WIDTH))
        for part in ("ffn_gate", "ffn_up"):
            made.add_tensor(f"blk.{layer}.{part}.weight", weights(INNER, WIDTH))
        made.add_tensor(f"blk.{layer}.ffn_down.weight", weights(WIDTH, INNER))
    made.write_header_to_file()
    made.write_kv_data_to_file()
    made.write_tensors_to_file()
    made.close()


if __name__ == "__main__":
    main(sys.argv[1])
