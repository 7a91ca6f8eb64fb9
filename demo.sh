#!/usr/bin/env bash
# The main job on the Wikipedia articles inside gensim's test data, then one query of each kind.
set -euo pipefail
bundle=${1:-demo.bundle}
embedpipe="${BIN:+$BIN/}embedpipe"

show() {
  printf '\n$ embedpipe'
  for word in "$@"; do
    case $word in *' '*) printf " '%s'" "$word" ;; *) printf ' %s' "$word" ;; esac
  done
  printf '\n'
  "$embedpipe" "$@"
}

show run builtin:wikipedia -o "$bundle"
show similar "$bundle" physics -k 5
show analogy "$bundle" he his she -k 3
printf '\n$ embedpipe encode %s - | ... the cosine of the first sentence with the others\n' "$bundle"
printf '%s\n' 'the army attacked the city' 'troops captured the town' 'water is made of hydrogen and oxygen' |
  "$embedpipe" encode "$bundle" - -o "$bundle.work/demo.jsonl"
"${BIN:+$BIN/}python" - "$bundle.work/demo.jsonl" <<'PYTHON'
import json
import sys

rows = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
first = rows[0]
for other in rows[1:]:
    cosine = sum(a * b for a, b in zip(first["vector"], other["vector"], strict=True))
    print(f"{cosine:6.3f}  {first['text']}  |  {other['text']}")
PYTHON
show generate "$bundle" 'the history of' -n 3 --seed 1
show info "$bundle"
