"""Runs the onnx package's checker, with strict shape inference, over models.

Paths come from standard input, one a line; the answer to each is a line: ok, or what is wrong.
"""

import sys

import onnx

for line in sys.stdin:
    try:
        onnx.checker.check_model(line.rstrip("\n"), full_check=True)
        print("ok", flush=True)
    except Exception as e:
        print(type(e).__name__ + ": " + " ".join(str(e).split()), flush=True)
