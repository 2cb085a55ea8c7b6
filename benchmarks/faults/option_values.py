"""Values of options and arguments as a user might give them by mistake, and worse."""

from __future__ import annotations

import os
import random
import socket
from pathlib import Path

NUMBERS = (
    "0", "-1", "1", "2", "3", "-0", "+1", "1e3", "1e9", "1e30", "1e308", "1e309", "-1e309", "nan", "NaN", "inf",
    "-inf", "0.5", "-0.5", "1e-320", "2147483648", "9223372036854775807", "9223372036854775808",
    "18446744073709551616", "-9223372036854775809", "9" * 400, "9" * 5000, "0x10", "1_000", "1,5", "１２", "١", "1k",
    "1.5M", "-1k", "1e400k", "k", "5m", "2h", "1e300h", "-5m", "5 m", "0s", "1e-9s", "nans", "5mm", "h", "1d",
    "0.0001s",
)  # fmt: skip
WORDS = (
    "", " ", "x", "None", "null", "true", "auto", "none", "[]", "{}", "[1, 2", "'", '"', "\\", "a\nb", "\x1b[31mred",
    "<script>alert(1)</script>", "\u202egpj", "é" * 120, "x" * 5000, "-", "--", "--help", "../..", "~", "*", "%s",
    "{0}", "a=b", "cpu", "cuda", "cuda:99", "mps", "digits", "ring", "class:", "sefa:", "sefa:-1", "sefa:99999",
    "pca:x", "pca:1e9", "0:0", "5:2", "-1:99999999999", "coarse", "0,1", "0,,1", "1," * 400 + "1", "slerp",
    "mp4", "gif", "exe",
    "os:system", "builtins:exec", "package.module:factory", "\udcff", "vanilla", "stylegan2", "pix2pix",
)  # fmt: skip
SETTINGS = (
    "optimizer.lr", "optimizer.betas", "optimizer.kind", "generator.width", "generator.widths", "generator.kind",
    "discriminator.widths", "discriminator.dropout", "data.size", "data.channels", "data.fit", "data.held_out",
    "data.range", "data.workers", "data.kind", "training.batch_size", "training.ema_half_life", "training.seed",
    "training.tick_examples", "training.checkpoint_examples", "training.preview_examples", "training.precision",
    "training.compile", "latent.size", "latent.kind", "objective.kind", "terms.r1.weight", "terms.nothing.weight",
    "augment.kind", "augment.probability", "evaluation.features", "evaluation.samples", "evaluation.every_examples",
    "diagnostics.samples", "diagnostics.every_examples", "nothing.at_all", "data", "a.b.c.d.e", ".x", "x.",
    "moves", "moves.discriminator", "metadata.format", "recipe.name", "optimizer.discriminator.lr",
)  # fmt: skip


def make_paths(folder: Path) -> list[str]:
    """Make paths of all sorts in a folder, and return them: files, links, FIFOs, sockets, devices, missing ones."""
    folder.mkdir()
    (folder / "empty").mkdir()
    (folder / "precious.png").write_bytes(b"do not overwrite")
    (folder / "precious.txt").write_text("do not overwrite", "utf8")
    (folder / "precious").mkdir()
    (folder / "precious" / "recipe.toml").write_text("x = [", "utf8")
    (folder / "precious" / "thesis.txt").write_text("do not overwrite", "utf8")
    (folder / "zero.png").touch()
    (folder / "zero.zip").touch()
    (folder / "text.npz").write_text("no array", "utf8")
    (folder / "bad.toml").write_text("[generator\n", "utf8")
    (folder / "other.toml").write_text('description = "x"\n[generator]\nkind = "no"\n', "utf8")
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "dangling").symlink_to(folder / "nowhere")
    (folder / "cycle").mkdir()
    (folder / "cycle" / "up").symlink_to(folder / "cycle")
    os.mkfifo(folder / "fifo")
    os.mkfifo(folder / "fifo.png")
    handle = os.open(folder, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"/proc/self/fd/{handle}/socket")  # the path of a socket has at most 107 bytes
    os.close(handle)
    made = [str(path) for path in sorted(folder.iterdir())]
    special = ["/dev/null", "/dev/zero", "/dev/full", "/proc/self/mem", "/nonexistent/a/b", "/etc/passwd/x",
               "a" * 300, "/".join(["d"] * 3000), "nul\x00l", str(folder / "new" / "deep" / "er"),
               "http://localhost:1/x.zip", "file:///etc/passwd", "s3://bucket/x", str(folder / "ẞ\udcff")]  # fmt: skip
    return made + [path for path in special if "\x00" not in path]


def any_value(rng: random.Random, paths: list[str]) -> str:
    """Return a value of any sort."""
    return rng.choice(rng.choice([list(NUMBERS), list(WORDS), paths]))
