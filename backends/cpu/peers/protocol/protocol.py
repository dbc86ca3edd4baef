"""The protocol of ort.c for servers in Python: one command a line on standard input, one answer a line on standard output.

A server is a Protocol with its own input, and a do that knows more commands. Its source follows this one.
"""

import resource
import sys
import time

import numpy as np

OUT = sys.stdout.buffer  # of the protocol


class Protocol:
    def input(self, name, data):
        """Keeps an input of the next runs."""
        raise NotImplementedError

    @staticmethod
    def timed(n, f):
        ns = []
        for _ in range(n):
            t = time.perf_counter_ns()
            f()
            ns.append(str(time.perf_counter_ns() - t))
        return " ".join(["ok"] + ns)

    @staticmethod
    def tensors(named):
        """Answers with arrays of float32 or int64 and their names."""
        OUT.write(b"ok %d\n" % len(named))
        for name, x in named:
            kind = {np.dtype(np.float32): 1, np.dtype(np.int64): 7}[x.dtype]
            OUT.write((" ".join([name, str(kind), str(x.ndim)] + [str(d) for d in x.shape]) + "\n").encode())
            OUT.write(np.ascontiguousarray(x).tobytes())

    def do(self, cmd, args):
        """Answers a command. An answer of None was written already."""
        if cmd == "in":
            name, kind, _, *dims = args
            dims = [int(d) for d in dims]
            dtype = np.dtype({"1": np.float32, "7": np.int64}[kind])
            data = sys.stdin.buffer.read(int(np.prod(dims, dtype=np.int64)) * dtype.itemsize)
            self.input(name, np.frombuffer(data, dtype).reshape(dims).copy())
            return "ok"
        if cmd == "rss":
            return "ok %d" % (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
        raise ValueError("bad command: " + cmd)


def serve(server):
    """Answers until the command quit or the end of standard input."""
    sys.stdout = sys.stderr  # whatever a library prints
    for line in iter(sys.stdin.buffer.readline, b""):
        cmd, *args = line.decode().rstrip("\n").split(" ")
        if cmd == "quit":
            return
        try:
            reply = server.do(cmd, args)
        except Exception as e:  # whatever it is, the driver wants to know
            reply = "error %s: %s" % (type(e).__name__, " ".join(str(e).split()))
        if reply is not None:
            OUT.write(reply.encode() + b"\n")
        OUT.flush()
