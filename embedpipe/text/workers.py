"""Worker processes for the first pass over a corpus, fed over pipes.

Chunks are numbered; results come back in order; at most two chunks for each worker are in memory at any time.
"""

import json
import queue
import subprocess
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

from embedpipe.children import answer_requests, end_children, fate, start_child
from embedpipe.errors import EmbedpipeError, OutputError
from embedpipe.text.chunks import ChunkFiles, process_chunk
from embedpipe.text.deduplicate import Signer
from embedpipe.text.sentences import SentenceSplitter
from embedpipe.text.tokenizer import load_tokenizer

__all__ = ["chunk_worker", "process_in_order", "serve"]

Result = dict[str, int]
Settings = dict[str, Any]


def chunk_worker(settings: Settings) -> Callable[[int, Sequence[str]], Result]:
    """Return the function that processes one numbered chunk of texts and writes its files.

    Parameters
    ----------
    settings : plain JSON with ``tokenizer``, ``sentences``, ``permutations``, ``max_sentence`` and ``folder``.
    """
    tokenizer = load_tokenizer(settings["tokenizer"])
    splitter = SentenceSplitter.from_spec(settings["sentences"])
    signer = Signer(settings["permutations"])
    folder, longest = Path(settings["folder"]), int(settings["max_sentence"])

    def work(number: int, texts: Sequence[str]) -> Result:
        chunk = process_chunk(texts, splitter, tokenizer, signer, longest)
        ChunkFiles(folder, number).save(chunk)
        return {
            "documents": len(texts),
            "characters": sum(map(len, texts)),
            "bytes": sum(len(text) if text.isascii() else len(_encode(text)) for text in texts),
            "types": len(chunk.types),
            "cut": chunk.n_cut,
        }

    return work


def process_in_order(chunks: Iterable[Sequence[str]], settings: Settings, workers: int) -> Iterator[Result]:
    """Yield the result of every chunk in order, worked on by `workers` processes (1: in this one).

    Raises
    ------
    OutputError
        If a worker cannot write its files.
    EmbedpipeError
        If a worker process ends before its work, killed for memory, say.
    """
    if workers <= 1:
        work = chunk_worker(settings)
        for number, texts in enumerate(chunks):
            yield work(number, texts)
        return
    processes: list[subprocess.Popen[bytes]] = []
    idle: queue.SimpleQueue[subprocess.Popen[bytes]] = queue.SimpleQueue()
    executor = ThreadPoolExecutor(workers, thread_name_prefix="embedpipe-text")
    try:
        for _ in range(workers):
            processes.append(_start(settings))
            idle.put(processes[-1])
        waiting: deque[Future[Result]] = deque()
        for number, texts in enumerate(chunks):
            waiting.append(executor.submit(_ask, idle, number, texts))
            del texts
            if len(waiting) >= 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for process in processes:
            process.kill()
        executor.shutdown(wait=True, cancel_futures=True)
        end_children(processes)


def serve(requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer requests until they end: first the settings, then chunks; the loop that a worker process runs."""
    work = chunk_worker(json.loads(requests.readline()))
    while line := requests.readline():
        header = json.loads(line)
        data = requests.read(sum(header["sizes"]))
        texts, position = [], 0
        for size in header["sizes"]:
            texts.append(data[position : position + size].decode("utf-8", "surrogatepass"))
            position += size
        reply: dict[str, Any]
        try:
            reply = {"result": work(header["number"], texts)}
        except OSError as error:
            reply = {"unwritable": f"{error.filename or 'prepared text'}: {error.strerror or error}"}
        replies.write(json.dumps(reply).encode() + b"\n")
        replies.flush()


def _start(settings: Settings) -> subprocess.Popen[bytes]:
    process = start_child("embedpipe.text.workers:_main")
    assert process.stdin is not None
    process.stdin.write(json.dumps(settings).encode() + b"\n")
    process.stdin.flush()
    return process


def _ask(idle: "queue.SimpleQueue[subprocess.Popen[bytes]]", number: int, texts: Sequence[str]) -> Result:
    process = idle.get()
    assert process.stdin is not None
    assert process.stdout is not None
    encoded = list(map(_encode, texts))
    header = json.dumps({"number": number, "sizes": list(map(len, encoded))}).encode()
    try:
        process.stdin.write(header + b"\n" + b"".join(encoded))
        process.stdin.flush()
        line = process.stdout.readline()
    except (BrokenPipeError, ValueError):
        line = b""
    idle.put(process)
    if not line:
        raise EmbedpipeError(
            f"a worker process ended ({fate(process)}) while it worked on part {number + 1} of the text; if it said "
            "why, that is above. If memory ran out, close other programs or use one core (taskset -c 0); start again"
        )
    reply = json.loads(line)
    if "unwritable" in reply:
        raise OutputError(f"cannot write the prepared text: {reply['unwritable']}")
    result: Result = reply["result"]
    return result


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _main() -> None:
    answer_requests(serve)
