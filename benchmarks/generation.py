"""Measure language models: python benchmarks/generation.py PART [ARGUMENTS of the part; --help lists them]

training    tokens a second beside a bare loop and PyTorch's example (generation_training.py)
writing     tokens a second of every decoder, and the first streamed word (generation_writing.py)
products    milliseconds of its output layer, and what bfloat16 changes (generation_products.py)
scoring     microseconds a token of losses, and of dynamic evaluation (generation_scoring.py)
quality     perplexity of plain and AWD-LSTM and of the cache, beside Kneser-Ney (generation_quality.py)
start       perplexity after equal seconds, begun from word vectors and from random ones (generation_start.py)
latent      the generative model p(x | z) beside the language model (generation_latent.py)

Networks run on a GPU where one is there; --device cpu or cuda says otherwise. products is of the CPU alone.
"""

import runpy
import sys
from pathlib import Path

PARTS = ("training", "writing", "products", "scoring", "quality", "start", "latent")


def main() -> None:
    """Run the benchmark of one part with the arguments that follow its name."""
    if len(sys.argv) < 2 or sys.argv[1] not in PARTS:
        raise SystemExit(__doc__)
    part = Path(__file__).with_name(f"generation_{sys.argv[1]}.py")
    sys.argv = [str(part), *sys.argv[2:]]
    runpy.run_path(str(part), run_name="__main__")


if __name__ == "__main__":
    main()
