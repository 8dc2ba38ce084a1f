"""Serves a model with llama.cpp's own HTTP server at 127.0.0.1:PORT until it is killed: `python llama_server.py FILE PORT`.

Run by the environment of `make interop`, which has `xllamacpp`: llama.cpp as a library, with its server in it.
"""

import signal
import sys

import xllamacpp


def serve(file: str, port: int) -> None:
    """Serve until a signal comes."""
    asked = xllamacpp.CommonParams()
    asked.model.path = file
    asked.model_alias = {"tiny"}
    asked.hostnames = ["127.0.0.1"]
    asked.port = port
    asked.n_ctx = 65536
    asked.n_predict = 2048
    asked.n_parallel = 1
    asked.cache_ram_mib = 0
    asked.sampling.temp = 0
    asked.sampling.seed = 1
    asked.cpuparams.n_threads = asked.cpuparams_batch.n_threads = 1  # two wait for each other on a busy machine
    server = xllamacpp.Server(asked)
    print(server.listening_address, flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
