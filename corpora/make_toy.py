"""Write a toy corpus to standard output: python corpora/make_toy.py en > toy-en.txt

Documents are separated by blank lines. With --truth the planted analogies, synonyms and topics are written as JSON.
The grammars are in embedpipe/text/toy_english.py and toy_chinese.py; `embedpipe run builtin:toy-en` needs no file.
"""

import argparse
import json
import sys
from dataclasses import asdict

from embedpipe.text.toy import toy_corpus, toy_truth


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("language", choices=["en", "zh"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--documents", type=int, default=420)
    parser.add_argument("--truth", action="store_true", help="write the truth, not the text")
    arguments = parser.parse_args()
    if arguments.truth:
        json.dump(asdict(toy_truth(arguments.language)), sys.stdout, ensure_ascii=False, indent=1)
        return
    for document in toy_corpus(arguments.language, seed=arguments.seed, n_documents=arguments.documents):
        sys.stdout.write(document.text + "\n\n")


if __name__ == "__main__":
    main()
