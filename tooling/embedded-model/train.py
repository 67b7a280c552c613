#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the embedded demo model: a small Llama-style writer of simple English stories.

Stages (each a subcommand; every path is an option):

  sample     write a synthetic corpus with a llama2.c version-0 teacher (optional)
  train      train the byte-level BPE tokenizer and the model, keep the best weights
  export     write the Hugging Face folder (F16 weights, tokenizer, configs)
  evaluate   held-out bits per byte, side by side with reference models
  reference  greedy continuation and logits computed by the transformers library

Needs torch, numpy, tokenizers, safetensors; sentencepiece for the teacher and
transformers for `reference`. Runs on CUDA where there is one, else on the CPU.
"""

import argparse
import hashlib
import json
import math
import os
import random
import re
import struct
import sys
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

END = "<|endoftext|>"

# --------------------------------------------------------------------------- text

# UTF-8 that was once decoded as Windows-1252 leaves these three-character runs.
MOJIBAKE = [
    ("\u00e2\u20ac\u2122", "'"),
    ("\u00e2\u20ac\u02dc", "'"),
    ("\u00e2\u20ac\u0153", '"'),
    ("\u00e2\u20ac\u009d", '"'),
    ("\u00e2\u20ac\u201d", "-"),
    ("\u00e2\u20ac\u201c", "-"),
    ("\u00e2\u20ac\u0160", " "),
    ("\u00e2\u20ac\u00a6", "..."),
    ("\u00e2\u20ac", '"'),
]
SIMPLER = str.maketrans(
    {
        "\u2018": "'",
        "\u2019": "'",
        "\u201c": '"',
        "\u201d": '"',
        "\u00ab": '"',
        "\u00bb": '"',
        "\u2013": "-",
        "\u2014": "-",
        "\u2026": "...",
        "\u00a0": " ",
        "\u200a": " ",
        "\r": "\n",
        "\t": " ",
    }
)


def clean(text):
    """Straight quotes, plain dashes, one blank line between paragraphs."""
    for bad, good in MOJIBAKE:
        text = text.replace(bad, good)
    text = text.translate(SIMPLER)
    text = re.sub(r" +", " ", text)
    text = re.sub(r" ?\n ?", "\n", text)
    return re.sub(r"\n+", "\n\n", text).strip()


def read_stories(path, drop_last):
    with open(path, encoding="utf-8", errors="ignore") as f:
        parts = f.read().split(END)
    if drop_last:
        parts = parts[:-1]
    return [s for s in (clean(p) for p in parts) if len(s) >= 80]


def unique(stories):
    seen, out = set(), []
    for s in stories:
        key = hashlib.sha1(s.encode()).digest()
        if key not in seen:
            seen.add(key)
            out.append(s)
    return out


def split_stories(stories, share):
    """A fixed split by content, so that the same story is always on the same side."""
    train, check = [], []
    for s in stories:
        h = int.from_bytes(hashlib.sha256(s.encode()).digest()[:4], "big") / 2**32
        (check if h < share else train).append(s)
    return train, check


def cut(text, limit):
    """As many whole paragraphs as fit; a first one that is too long is cut at a space."""
    if len(text) <= limit:
        return text.strip()
    end = text[: limit + 2].rfind("\n\n")
    if end <= 0:
        end = text[:limit].rfind(" ")
    return text[:end].strip()


def story_passages(text, count, limit):
    """The heads of `count` stories spread evenly over a text that has no story marks.

    A story is taken to start at a paragraph that opens with "Once upon a time" and to
    end where the next one starts.
    """
    starts = [m.start() for m in re.finditer(r"^Once upon a time", text, re.M)]
    stories = [text[b:e] for b, e in zip(starts, starts[1:] + [len(text)])]
    count = min(count, len(stories))
    return [cut(stories[k * len(stories) // count], limit) for k in range(count)]


def passages(text, count, limit):
    """`count` passages of at most `limit` characters, spread evenly over the text.

    Passage k begins at the first paragraph that starts at or after character
    k * len / count and takes whole paragraphs while they fit; a first paragraph
    that is too long alone is cut at its last space.
    """
    starts = [0] + [m.end() for m in re.finditer(r"\n\n", text)]
    out = []
    for k in range(count):
        at = next((s for s in starts if s >= k * len(text) // count), None)
        if at is None:
            break
        out.append(cut(text[at:], limit))
    return out


# -------------------------------------------------------------------------- model


class Shape:
    def __init__(self, vocab, hidden, inner, layers, heads, kv_heads, eps=1e-5, theta=10000.0):
        self.vocab, self.hidden, self.inner, self.layers = vocab, hidden, inner, layers
        self.heads, self.kv_heads, self.eps, self.theta = heads, kv_heads, eps, theta
        self.head_dim = hidden // heads


class Norm(nn.Module):
    def __init__(self, size, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x):
        return F.rms_norm(x, (x.shape[-1],), self.weight, self.eps)


def rope_tables(shape, length, device):
    half = shape.head_dim // 2
    freq = shape.theta ** (-torch.arange(half, device=device, dtype=torch.float32) / half)
    angle = torch.outer(torch.arange(length, device=device, dtype=torch.float32), freq)
    return torch.cos(angle), torch.sin(angle)


def rotate(x, cos, sin):
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)


def causal_attention(q, k, v, block=64):
    """Grouped-query attention in blocks of queries, each against the keys up to its end.

    q: [rows, heads, time, dim]; k, v: [rows, kv heads, time, dim]. On a CPU this takes half
    the time of the library's own kernel, forward and backward together, or less.
    """
    rows, heads, time_, dim = q.shape
    kv = k.shape[1]
    group = heads // kv
    q = (q * dim**-0.5).view(rows, kv, group, time_, dim)
    out = []
    for at in range(0, time_, block):
        n = min(block, time_ - at)
        seen = at + n
        mask = torch.full((n, n), float("-inf"), dtype=q.dtype, device=q.device).triu(1)
        part = q[:, :, :, at:seen].reshape(rows, kv, group * n, dim)
        scores = (part @ k[:, :, :seen].mT).view(rows, kv, group, n, seen) + F.pad(mask, (at, 0))
        p = torch.softmax(scores, dim=-1).view(rows, kv, group * n, seen)
        out.append((p @ v[:, :, :seen]).view(rows, kv, group, n, dim))
    return torch.cat(out, dim=3).view(rows, heads, time_, dim)


class Attention(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.s = s
        self.q_proj = nn.Linear(s.hidden, s.heads * s.head_dim, bias=False)
        self.k_proj = nn.Linear(s.hidden, s.kv_heads * s.head_dim, bias=False)
        self.v_proj = nn.Linear(s.hidden, s.kv_heads * s.head_dim, bias=False)
        self.o_proj = nn.Linear(s.heads * s.head_dim, s.hidden, bias=False)

    def forward(self, x, cos, sin, cache=None):
        b, t, _ = x.shape
        s = self.s
        q = self.q_proj(x).view(b, t, s.heads, s.head_dim).transpose(1, 2)
        k = self.k_proj(x).view(b, t, s.kv_heads, s.head_dim).transpose(1, 2)
        v = self.v_proj(x).view(b, t, s.kv_heads, s.head_dim).transpose(1, 2)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        group = s.heads // s.kv_heads
        if cache is None:
            if x.is_cuda:
                k = k.repeat_interleave(group, dim=1)
                v = v.repeat_interleave(group, dim=1)
                y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            else:
                # v has the type that autocast chose; the softmax stays in it too.
                with torch.autocast(x.device.type, enabled=False):
                    y = causal_attention(q.to(v.dtype), k.to(v.dtype), v)
        else:
            # One new token per row; the cache holds keys as [rows, kv, dim, time].
            at = cache["at"]
            cache["k"][:, :, :, at] = k[:, :, 0]
            cache["v"][:, :, at] = v[:, :, 0]
            q = q.reshape(b, s.kv_heads, group, s.head_dim) * s.head_dim**-0.5
            p = torch.softmax(q @ cache["k"][:, :, :, : at + 1], dim=-1)
            y = (p @ cache["v"][:, :, : at + 1]).reshape(b, s.heads, 1, s.head_dim)
        return self.o_proj(y.transpose(1, 2).reshape(b, t, -1))


class Mlp(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.gate_proj = nn.Linear(s.hidden, s.inner, bias=False)
        self.up_proj = nn.Linear(s.hidden, s.inner, bias=False)
        self.down_proj = nn.Linear(s.inner, s.hidden, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Block(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.input_layernorm = Norm(s.hidden, s.eps)
        self.self_attn = Attention(s)
        self.post_attention_layernorm = Norm(s.hidden, s.eps)
        self.mlp = Mlp(s)

    def forward(self, x, cos, sin, drop, cache=None):
        x = x + F.dropout(self.self_attn(self.input_layernorm(x), cos, sin, cache), drop, drop > 0)
        return x + F.dropout(self.mlp(self.post_attention_layernorm(x)), drop, drop > 0)


class Llama(nn.Module):
    """Parameter names are those of Hugging Face checkpoints, less the `model.` in front."""

    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        self.embed_tokens = nn.Embedding(shape.vocab, shape.hidden)
        self.layers = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = Norm(shape.hidden, shape.eps)
        self.fast = None  # the same blocks, compiled, for training

    def start_weights(self):
        for name, p in self.named_parameters():
            if p.dim() == 2:
                std = 0.02 if "embed" in name else p.shape[1] ** -0.5
                if name.endswith(("o_proj.weight", "down_proj.weight")):
                    std /= math.sqrt(2 * self.shape.layers)
                nn.init.normal_(p, 0.0, std)

    def hidden_states(self, ids, drop=0.0, caches=None):
        if caches is None:
            cos, sin = rope_tables(self.shape, ids.shape[1], ids.device)
        else:
            at = caches[0]["at"]
            cos, sin = caches[0]["cos"][at : at + 1], caches[0]["sin"][at : at + 1]
        x = self.embed_tokens(ids)
        for i, block in enumerate(self.fast if self.fast and self.training else self.layers):
            x = block(x, cos, sin, drop, None if caches is None else caches[i])
        return self.norm(x)

    def forward(self, ids, targets=None, drop=0.0):
        logits = F.linear(self.hidden_states(ids, drop), self.embed_tokens.weight)
        if targets is None:
            return logits
        return F.cross_entropy(logits.float().flatten(0, 1), targets.flatten())


def empty_caches(model, rows, length, device):
    s = model.shape
    cos, sin = rope_tables(s, length, device)
    return [
        {
            "k": torch.zeros(rows, s.kv_heads, s.head_dim, length, device=device),
            "v": torch.zeros(rows, s.kv_heads, length, s.head_dim, device=device),
            "at": 0,
            "cos": cos,
            "sin": sin,
        }
        for _ in range(s.layers)
    ]


# ------------------------------------------------------------- models read from disk


def load_llama2c(path):
    """A llama2.c version-0 checkpoint; its interleaved rotary rows become half-split ones."""
    raw = open(path, "rb").read()
    dim, inner, layers, heads, kv_heads, vocab, _ = struct.unpack("<7i", raw[:28])
    data = np.frombuffer(raw, dtype="<f4", offset=28)
    vocab = abs(vocab)
    shape = Shape(vocab, dim, inner, layers, heads, kv_heads, 1e-5)
    model, at = Llama(shape), 0

    def take(*size):
        nonlocal at
        n = int(np.prod(size))
        out = torch.from_numpy(data[at : at + n].copy()).view(*size)
        at += n
        return out

    def halves(w, count):
        d = shape.head_dim
        return w.view(layers, count, d // 2, 2, dim).transpose(2, 3).reshape(layers, count * d, dim)

    kv = kv_heads * shape.head_dim
    state = {"embed_tokens.weight": take(vocab, dim)}
    parts = [("input_layernorm", take(layers, dim))]
    parts.append(("self_attn.q_proj", halves(take(layers, dim, dim), heads)))
    parts.append(("self_attn.k_proj", halves(take(layers, kv, dim), kv_heads)))
    parts.append(("self_attn.v_proj", take(layers, kv, dim)))
    parts.append(("self_attn.o_proj", take(layers, dim, dim)))
    parts.append(("post_attention_layernorm", take(layers, dim)))
    parts.append(("mlp.gate_proj", take(layers, inner, dim)))
    parts.append(("mlp.down_proj", take(layers, dim, inner)))
    parts.append(("mlp.up_proj", take(layers, inner, dim)))
    for name, w in parts:
        for i in range(layers):
            state[f"layers.{i}.{name}.weight"] = w[i]
    state["norm.weight"] = take(dim)
    model.load_state_dict(state)
    return model.eval()


def load_folder(folder):
    """A Hugging Face folder of the Llama kind with a tied head."""
    from safetensors.torch import load_file

    c = json.load(open(os.path.join(folder, "config.json")))
    model = Llama(
        Shape(
            c["vocab_size"],
            c["hidden_size"],
            c["intermediate_size"],
            c["num_hidden_layers"],
            c["num_attention_heads"],
            c["num_key_value_heads"],
            c["rms_norm_eps"],
            c.get("rope_theta", 10000.0),
        )
    )
    state = {}
    for name, w in load_file(os.path.join(folder, "model.safetensors")).items():
        if name == "lm_head.weight":
            name = "model.embed_tokens.weight"
        state[name.removeprefix("model.")] = w.float()
    model.load_state_dict(state)
    return model.eval()


def folder_encoder(folder):
    from tokenizers import Tokenizer

    tok = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    return lambda text: tok.encode(text).ids


def sentencepiece_model(path):
    import sentencepiece

    return sentencepiece.SentencePieceProcessor(model_file=path)


# ------------------------------------------------------------------------ measuring


@torch.no_grad()
def bits_per_byte(model, encode, texts):
    """Each text alone after the start token; sum of -log2 p over all tokens / UTF-8 bytes."""
    device = next(model.parameters()).device
    bits = size = tokens = 0
    for text in texts:
        ids = torch.tensor([encode(text)], device=device)
        logits = model(ids[:, :-1]).double()
        nll = F.cross_entropy(logits[0], ids[0, 1:], reduction="sum")
        bits += nll.item() / math.log(2)
        size += len(text.encode())
        tokens += ids.shape[1] - 1
    return {"bitsPerByte": bits / size, "tokens": tokens, "bytes": size}


@torch.no_grad()
def write_story(model, tok, prompt, temperature, length, generator):
    device = next(model.parameters()).device
    ids = tok.encode(prompt).ids
    for _ in range(length):
        logits = model(torch.tensor([ids[-512:]], device=device))[0, -1].float().cpu()
        if temperature == 0:
            new = int(logits.argmax())
        else:
            p = torch.softmax(logits / temperature, dim=-1)
            new = int(torch.multinomial(p, 1, generator=generator))
        if new == 0:
            break
        ids.append(new)
    return tok.decode(ids)


# --------------------------------------------------------------------- stage: sample


@torch.no_grad()
def stage_sample(a):
    """Stories at a given temperature from the teacher; unfinished ones are dropped."""
    torch.manual_seed(a.seed)
    device = pick_device(a)
    model = load_llama2c(a.teacher).to(device)
    sp = sentencepiece_model(a.teacher_tokenizer)
    began, done, seen, size = time.time(), 0, set(), 0
    with open(a.out, "w", encoding="utf-8") as out:
        while size < a.megabytes * 1e6 and time.time() - began < a.minutes * 60:
            caches = empty_caches(model, a.rows, 512, device)
            rows = torch.arange(a.rows, device=device)  # which story each cache row writes
            tokens = torch.full((a.rows, 512), 1, device=device)
            last = tokens[:, :1]
            ends = torch.zeros(a.rows, dtype=torch.long, device=device)
            alive = torch.ones(a.rows, dtype=torch.bool, device=device)
            for at in range(511):
                for c in caches:
                    c["at"] = at
                h = model.hidden_states(last, caches=caches)[:, 0]
                logits = F.linear(h, model.embed_tokens.weight) / a.temperature
                # Exponential race: the same draw as multinomial, cheaper for many rows.
                race = torch.empty_like(logits).exponential_()
                new = (torch.softmax(logits, dim=-1) / race).argmax(dim=-1)
                tokens[rows, at + 1] = new
                stop = alive & (new <= 2)
                ends[rows[stop]] = at + 1
                alive &= ~stop
                last = new[:, None]
                left = int(alive.sum()) if at % 8 == 7 else len(rows)
                if left == 0:
                    break
                if left < 0.75 * len(rows):
                    keep = alive.nonzero()[:, 0]
                    rows, last, alive = rows[keep], last[keep], alive[keep]
                    for c in caches:
                        c["k"], c["v"] = c["k"][keep], c["v"][keep]
            stop_at = ends.tolist()
            for row, end in zip(tokens.tolist(), stop_at):
                if end < 40:
                    continue
                text = clean(sp.decode(row[1:end]))
                key = hashlib.sha1(text.encode()).digest()
                if key in seen or "\ufffd" in text or "\u2047" in text:
                    continue
                seen.add(key)
                out.write(text + "\n" + END + "\n")
                size += len(text.encode())
                done += 1
            say(f"{done} stories, {size / 1e6:.1f} MB, {time.time() - began:.0f} s")


# ---------------------------------------------------------------------- stage: train


def train_tokenizer(stories, vocab):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tok.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tok.train_from_iterator(stories, trainer)
    tok.post_processor = processors.TemplateProcessing(
        single=f"{END} $A", pair=f"{END} $A {END} $B", special_tokens=[(END, 0)]
    )
    return tok


def token_stream(tok, stories, seed):
    """All stories in one row, <|endoftext|> in front of each."""
    order = list(stories)
    random.Random(seed).shuffle(order)
    ids = []
    for at in range(0, len(order), 5000):
        for e in tok.encode_batch(order[at : at + 5000]):
            ids.append(np.array(e.ids, dtype=np.uint16))
    ids.append(np.zeros(1, dtype=np.uint16))
    return np.concatenate(ids)


class Windows:
    """Random windows of a token stream; each pass covers it once, at a fresh offset."""

    def __init__(self, stream, length, seed):
        self.stream, self.length = stream, length
        self.rng = np.random.default_rng(seed)
        self.queue = []

    def take(self, count):
        rows = []
        for _ in range(count):
            if not self.queue:
                first = int(self.rng.integers(self.length))
                starts = np.arange(first, len(self.stream) - self.length - 1, self.length)
                self.rng.shuffle(starts)
                self.queue = starts.tolist()
            at = self.queue.pop()
            rows.append(self.stream[at : at + self.length + 1])
        return np.stack(rows).astype(np.int64)


def orthogonal(m):
    """Newton-Schulz steps towards the nearest matrix with equal singular values."""
    tall = m.shape[-2] > m.shape[-1]
    x = m.mT if tall else m
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(5):
        g = x @ x.mT
        x = 3.4445 * x + (-4.775 * g + 2.0315 * g @ g) @ x
    return x.mT if tall else x


class OrthogonalMomentum(torch.optim.Optimizer):
    """Momentum whose step is orthogonalised (the method known as Muon), for matrices."""

    def __init__(self, params, lr, momentum=0.95, weight_decay=0.0):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            same = {}
            for p in group["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                m.lerp_(p.grad, 1 - group["momentum"])
                same.setdefault(p.shape, []).append((p, p.grad.lerp(m, group["momentum"])))
            for size, pairs in same.items():
                steps = orthogonal(torch.stack([g for _, g in pairs]))
                scale = group["lr"] * max(1.0, size[0] / size[1]) ** 0.5
                for (p, _), step in zip(pairs, steps):
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                    p.add_(step, alpha=-scale)


def stage_train(a):
    torch.manual_seed(a.seed)
    device = pick_device(a)
    os.makedirs(a.work, exist_ok=True)
    real = []
    for path in a.text:
        found = read_stories(path, drop_last=True)
        say(f"{os.path.basename(path)}: {len(found)} stories")
        real += found
    real, check = split_stories(unique(real), a.check_share)
    say(f"real text: {len(real)} stories to train on, {len(check)} to stop early by")
    tok = train_tokenizer(real, a.vocab)
    tok.save(os.path.join(a.work, "tokenizer.json"), pretty=False)
    encode = lambda text: tok.encode(text).ids
    real_ids = token_stream(tok, real, a.seed)
    check_texts = [cut(s, 700) for s in check][: a.check_count]
    sampled_ids = None
    if a.sampled:
        sampled = unique([s for path in a.sampled for s in read_stories(path, drop_last=False)])
        sampled_ids = token_stream(tok, sampled, a.seed)
    real_bytes = sum(len(s.encode()) for s in real)
    say(
        f"tokens: real {len(real_ids)} ({real_bytes / len(real_ids):.2f} bytes each), "
        f"sampled {0 if sampled_ids is None else len(sampled_ids)}"
    )
    shape = Shape(tok.get_vocab_size(), a.hidden, a.inner, a.layers, a.heads, a.kv_heads)
    model = Llama(shape)
    model.start_weights()
    model.to(device)
    count = sum(p.numel() for p in model.parameters())
    say(f"{count} parameters on {device}")
    matrices = [p for n, p in model.named_parameters() if p.dim() == 2 and "embed" not in n]
    others = [p for n, p in model.named_parameters() if p.dim() != 2 or "embed" in n]
    embed = [p for p in others if p.dim() == 2]
    norms = [p for p in others if p.dim() == 1]
    adam_groups = [
        {"params": embed, "lr": a.lr_embed, "weight_decay": 0.01},
        {"params": norms, "lr": a.lr_embed, "weight_decay": 0.0},
    ]
    if a.optimizer == "adamw":
        adam_groups.append({"params": matrices, "lr": a.lr, "weight_decay": a.weight_decay})
        optimizers = []
    else:
        optimizers = [OrthogonalMomentum(matrices, a.lr, weight_decay=a.weight_decay)]
    optimizers.append(torch.optim.AdamW(adam_groups, betas=(0.9, 0.95), eps=1e-8))
    for o in optimizers:
        for g in o.param_groups:
            g["top"] = g["lr"]

    if a.compile:
        # Block by block: one small graph serves all layers, so compiling stays short.
        model.fast = [torch.compile(b, dynamic=False) for b in model.layers]
        warm_ids = torch.zeros(a.batch, a.length, dtype=torch.long, device=device)
        with torch.autocast(device.type, torch.bfloat16, enabled=a.bf16):
            model(warm_ids, warm_ids, a.dropout).backward()
        model.zero_grad(set_to_none=True)
        say("compiled")

    def windows(length):
        return (
            Windows(real_ids, length, a.seed + length),
            None if sampled_ids is None else Windows(sampled_ids, length, a.seed + length + 1),
        )

    length, rows = a.length, a.batch
    real_win, sampled_win = windows(length)
    rng = np.random.default_rng(a.seed)
    began, best, history, done, step = time.time(), float("inf"), [], 0.0, 0
    next_check, seen, real_seen = a.check_every, 0, 0
    while done < 1.0:
        # Progress is by steps, or by the clock where a time limit would end it sooner.
        done = max(step / a.steps, (time.time() - began) / (a.minutes * 60))
        warm = min(1.0, (step + 1) / a.warmup)
        cool = 1.0 if done < 1 - a.decay else max(0.0, (1 - done) / a.decay)
        for o in optimizers:
            for g in o.param_groups:
                g["lr"] = g["top"] * warm * cool
        if done >= a.long_from and length == a.length:
            # So that positions up to twice the length are learned too.
            length, rows = 2 * a.length, max(1, a.batch // 2)
            real_win, sampled_win = windows(length)
        late = min(1.0, max(0.0, (done - 0.4) / 0.5))
        share = 1.0 if sampled_win is None else a.real_first + (a.real_last - a.real_first) * late
        from_real = int((rng.random(rows) < share).sum())
        parts = [real_win.take(from_real)] if from_real else []
        if from_real < rows:
            parts.append(sampled_win.take(rows - from_real))
        batch = torch.from_numpy(np.concatenate(parts)).to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=a.bf16):
            loss = model(batch[:, :-1], batch[:, 1:], a.dropout)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for o in optimizers:
            o.step()
            o.zero_grad(set_to_none=True)
        step += 1
        seen += rows * length
        real_seen += from_real * length
        if step % a.log_every == 0:
            rate = seen / (time.time() - began)
            say(f"step {step} ({done:.3f}) loss {loss.item():.4f}, {rate:.0f} tokens/s, share {share:.2f}")
        if done >= next_check or done >= 1.0:
            next_check += a.check_every
            model.eval()
            value = bits_per_byte(model, encode, check_texts)["bitsPerByte"]
            model.train()
            history.append({"step": step, "loss": loss.item(), "check": value})
            say(f"check at {done:.2f}: {value:.4f} bits per byte; real passes {real_seen / len(real_ids):.2f}")
            if value < best:
                best = value
                torch.save(model.state_dict(), os.path.join(a.work, "best.pt"))
    facts = {
        "parameters": count,
        "shape": vars(shape),
        "tokensSeen": seen,
        "steps": step,
        "seconds": round(time.time() - began, 1),
        "realStories": len(real),
        "realTokens": len(real_ids),
        "realPasses": round(real_seen / len(real_ids), 2),
        "sampledTokens": 0 if sampled_ids is None else len(sampled_ids),
        "bestCheckBitsPerByte": best,
        "history": history,
        "options": {
            k: v
            for k, v in vars(a).items()
            if isinstance(v, (int, float, bool)) or k in ("optimizer",)
        },
    }
    json.dump(facts, open(os.path.join(a.work, "train.json"), "w"), indent=2)


# --------------------------------------------------------------------- stage: export


def stage_export(a):
    from safetensors.torch import save_file
    from tokenizers import Tokenizer

    os.makedirs(a.out, exist_ok=True)
    facts = json.load(open(os.path.join(a.work, "train.json")))
    s = facts["shape"]
    state = torch.load(os.path.join(a.work, "best.pt"), map_location="cpu")
    tensors = {f"model.{k}": v.to(torch.float16).contiguous() for k, v in state.items()}
    if not all(torch.isfinite(v).all() for v in tensors.values()):
        sys.exit("a weight does not fit into float16")
    save_file(tensors, os.path.join(a.out, "model.safetensors"), metadata={"format": "pt"})
    os.chmod(os.path.join(a.out, "model.safetensors"), 0o644)
    write = lambda name, data: open(os.path.join(a.out, name), "w").write(
        json.dumps(data, indent=2) + "\n"
    )
    write(
        "config.json",
        {
            "architectures": ["LlamaForCausalLM"],
            "attention_bias": False,
            "attention_dropout": 0.0,
            "bos_token_id": 0,
            "eos_token_id": 0,
            "head_dim": s["head_dim"],
            "hidden_act": "silu",
            "hidden_size": s["hidden"],
            "initializer_range": 0.02,
            "intermediate_size": s["inner"],
            "max_position_embeddings": 512,
            "mlp_bias": False,
            "model_type": "llama",
            "num_attention_heads": s["heads"],
            "num_hidden_layers": s["layers"],
            "num_key_value_heads": s["kv_heads"],
            "pretraining_tp": 1,
            "rms_norm_eps": s["eps"],
            "rope_scaling": None,
            "rope_theta": s["theta"],
            "tie_word_embeddings": True,
            "torch_dtype": "float16",
            "use_cache": True,
            "vocab_size": s["vocab"],
        },
    )
    write("generation_config.json", {"bos_token_id": 0, "eos_token_id": 0})
    write(
        "tokenizer_config.json",
        {
            "add_bos_token": True,
            "add_eos_token": False,
            "add_prefix_space": False,
            "added_tokens_decoder": {
                "0": {
                    "content": END,
                    "lstrip": False,
                    "normalized": False,
                    "rstrip": False,
                    "single_word": False,
                    "special": True,
                }
            },
            "bos_token": END,
            "clean_up_tokenization_spaces": False,
            "eos_token": END,
            "model_max_length": 512,
            "tokenizer_class": "PreTrainedTokenizerFast",
        },
    )
    Tokenizer.from_file(os.path.join(a.work, "tokenizer.json")).save(
        os.path.join(a.out, "tokenizer.json"), pretty=False
    )
    total = sum(os.path.getsize(os.path.join(a.out, f)) for f in os.listdir(a.out))
    say(f"{total} bytes in {a.out}")
    if total > 4_000_000:
        sys.exit("over the limit of 4,000,000 bytes")


# ------------------------------------------------------------------- stage: evaluate


def stage_evaluate(a):
    device = pick_device(a)
    text = clean(open(a.held_out, encoding="utf-8").read())
    texts = story_passages(text, a.count, 700)
    # Models differ in how their training text broke paragraphs: give each its best.
    forms = {"blankLine": texts, "newline": [t.replace("\n\n", "\n") for t in texts]}
    forms["space"] = [t.replace("\n\n", " ") for t in texts]
    anywhere = passages(text, a.count, 700)
    forms["anyParagraph"] = [t.replace("\n\n", "\n") for t in anywhere]
    entries = []
    if a.llama2c:
        sp = sentencepiece_model(a.llama2c_tokenizer)
        encode = lambda t: [1] + sp.encode(t)
        entries.append(("stories260K", load_llama2c(a.llama2c), encode))
    for item in a.folder:
        name, folder = item.split("=", 1)
        entries.append((name, load_folder(folder), folder_encoder(folder)))
    if a.work:
        from tokenizers import Tokenizer

        facts = json.load(open(os.path.join(a.work, "train.json")))
        s = facts["shape"]
        model = Llama(
            Shape(s["vocab"], s["hidden"], s["inner"], s["layers"], s["heads"], s["kv_heads"])
        )
        model.load_state_dict(torch.load(os.path.join(a.work, "best.pt"), map_location="cpu"))
        tok = Tokenizer.from_file(os.path.join(a.work, "tokenizer.json"))
        entries.append(("before rounding", model.eval(), lambda t: tok.encode(t).ids))
    results = {}
    for name, model, encode in entries:
        model.to(device)
        rows = {form: bits_per_byte(model, encode, ts) for form, ts in forms.items()}
        results[name] = {
            "parameters": sum(p.numel() for p in model.parameters()),
            **rows,
            "best": min(rows[f]["bitsPerByte"] for f in ("blankLine", "newline", "space")),
        }
        say(name + ": " + ", ".join(f"{k} {v['bitsPerByte']:.4f}" for k, v in rows.items()))
    report = {
        "protocol": (
            f"The heads of {len(texts)} stories spread evenly over the held-out file (a story "
            "starts at a paragraph that opens with 'Once upon a time'), whole paragraphs up to "
            "700 characters, quotes and dashes made plain; each scored alone after the model's "
            "start token; sum of -log2 p over all tokens / sum of UTF-8 bytes. 'blankLine', "
            "'newline' and 'space' differ only in what parts the paragraphs; 'best' is the lowest "
            "of the three. 'anyParagraph' is the same for passages that begin at any paragraph, "
            "so mostly inside a story, with single newlines."
        ),
        "models": results,
    }
    if a.work:
        report["training"] = facts
    if a.out:
        open(a.out, "w").write(json.dumps(report, indent=2) + "\n")


def stage_samples(a):
    from tokenizers import Tokenizer

    model = load_folder(a.folder)
    tok = Tokenizer.from_file(os.path.join(a.folder, "tokenizer.json"))
    g = torch.Generator().manual_seed(a.seed)
    for prompt in a.prompt:
        for temperature in (0, 0.7, 0.7):
            say(f"--- {prompt!r}, temperature {temperature}")
            say(write_story(model, tok, prompt, temperature, a.length, g))


# ------------------------------------------------------------------ stage: reference


def stage_reference(a):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tok = AutoTokenizer.from_pretrained(a.folder)
    model = AutoModelForCausalLM.from_pretrained(a.folder, dtype=torch.float32).eval()
    if type(model).__name__ != "LlamaForCausalLM":
        sys.exit("transformers chose another class")
    prompt = "Once upon a time"
    ids = tok(prompt)["input_ids"]
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0, -1]
        ours = load_folder(a.folder)(torch.tensor([ids]))[0, -1]
        difference = (logits - ours).abs().max().item()
        full = list(ids)
        for _ in range(80):
            full.append(int(model(torch.tensor([full])).logits[0, -1].argmax()))
    say(f"largest difference to our own forward pass: {difference:.2e}")
    if difference > 1e-3:
        sys.exit("transformers and the training code disagree")
    data = {
        "prompt": prompt,
        "promptIds": ids,
        "continuationIds": full[len(ids) :],
        "text": tok.decode(full, skip_special_tokens=True),
        "logits": [float(f"{x:.7g}") for x in logits.tolist()],
    }
    open(a.out, "w").write(json.dumps(data) + "\n")
    say(data["text"])


# -------------------------------------------------------------------- command line


def say(text):
    print(text, flush=True)


def pick_device(a):
    if a.threads:
        torch.set_num_threads(a.threads)
    return torch.device("cuda" if torch.cuda.is_available() and not a.cpu else "cpu")


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--threads", type=int, default=0, help="CPU threads (0: the library's choice)")
    p.add_argument("--cpu", action="store_true", help="use the CPU even where there is a GPU")
    p.add_argument("--seed", type=int, default=1)
    sub = p.add_subparsers(dest="stage", required=True)

    s = sub.add_parser("sample")
    s.add_argument("--teacher", required=True, help="llama2.c version-0 checkpoint")
    s.add_argument("--teacher-tokenizer", required=True, help="its SentencePiece model")
    s.add_argument("--out", required=True)
    s.add_argument("--megabytes", type=float, default=30)
    s.add_argument("--minutes", type=float, default=1e9)
    s.add_argument("--rows", type=int, default=512)
    s.add_argument("--temperature", type=float, default=1.0)

    t = sub.add_parser("train")
    t.add_argument("--text", nargs="+", required=True, help=f"files of stories parted by {END}")
    t.add_argument("--sampled", nargs="*", help="files that `sample` wrote")
    t.add_argument("--work", required=True, help="folder for the tokenizer and the best weights")
    t.add_argument("--vocab", type=int, default=1536)
    t.add_argument("--hidden", type=int, default=192)
    t.add_argument("--inner", type=int, default=480)
    t.add_argument("--layers", type=int, default=4)
    t.add_argument("--heads", type=int, default=6)
    t.add_argument("--kv-heads", type=int, default=2)
    t.add_argument("--length", type=int, default=256, help="tokens of a training window")
    t.add_argument("--long-from", type=float, default=0.8, help="from here on windows twice as long")
    t.add_argument("--batch", type=int, default=32, help="windows of a step (half as many long ones)")
    t.add_argument("--steps", type=int, default=3000)
    t.add_argument("--minutes", type=float, default=1e9)
    t.add_argument("--optimizer", choices=["muon", "adamw"], default="muon")
    t.add_argument("--lr", type=float, default=0.02)
    t.add_argument("--lr-embed", type=float, default=0.004)
    t.add_argument("--weight-decay", type=float, default=0.1)
    t.add_argument("--warmup", type=int, default=50)
    t.add_argument("--decay", type=float, default=0.6, help="last part in which the rate falls")
    t.add_argument("--dropout", type=float, default=0.0)
    t.add_argument("--real-first", type=float, default=0.2, help="share of real text at first")
    t.add_argument("--real-last", type=float, default=0.8, help="share of real text at the end")
    t.add_argument("--check-share", type=float, default=0.04)
    t.add_argument("--check-count", type=int, default=100)
    t.add_argument("--check-every", type=float, default=0.05)
    t.add_argument("--log-every", type=int, default=50)
    t.add_argument("--bf16", action="store_true")
    t.add_argument("--compile", action="store_true")

    x = sub.add_parser("export")
    x.add_argument("--work", required=True)
    x.add_argument("--out", required=True)

    e = sub.add_parser("evaluate")
    e.add_argument("--held-out", required=True)
    e.add_argument("--count", type=int, default=100)
    e.add_argument("--llama2c")
    e.add_argument("--llama2c-tokenizer")
    e.add_argument("--folder", nargs="*", default=[], help="NAME=FOLDER of further models")
    e.add_argument("--work", help="also measure the weights before rounding")
    e.add_argument("--out")

    m = sub.add_parser("samples")
    m.add_argument("--folder", required=True)
    m.add_argument("--prompt", nargs="+", default=["Once upon a time"])
    m.add_argument("--length", type=int, default=200)

    r = sub.add_parser("reference")
    r.add_argument("--folder", required=True)
    r.add_argument("--out", required=True)

    a = p.parse_args()
    globals()["stage_" + a.stage](a)


if __name__ == "__main__":
    main()
