"""Packs small node tests of the Python package onnx for the test of this folder.

usage: python node_subset.py DIR results.json OUT.zip

DIR is what node_tests.py wrote. Of every operator two small cases that pass are taken, and of those
whose names have _expanded none: they are models of other operators.
"""
import json
import os
import sys
import zipfile

import onnx


def main():
    folder, results, out = sys.argv[1:]
    passed = [r["name"] for r in json.load(open(results))["nodes"] if r["status"] == "pass"]
    by_op = {}
    for name in passed:
        if "_expanded" in name:
            continue
        path = os.path.join(folder, name)
        files = [f for f in sorted(os.listdir(path))]
        size = sum(os.path.getsize(os.path.join(path, f)) for f in files)
        model = onnx.load(os.path.join(path, "model.onnx"))
        ops = {n.op_type for n in model.graph.node}
        if len(ops) == 1 and size <= 5000:
            by_op.setdefault(ops.pop(), []).append((size, name, files))
    n = 0
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as z:
        for op in sorted(by_op):
            cases = sorted(by_op[op])
            # The smallest and the largest differ most.
            for size, name, files in [cases[i] for i in sorted({0, len(cases) - 1})]:
                n += 1
                for f in files:
                    info = zipfile.ZipInfo(f"{name}/{f}", (1980, 1, 1, 0, 0, 0))
                    info.compress_type = zipfile.ZIP_DEFLATED
                    z.writestr(info, open(os.path.join(folder, name, f), "rb").read())
    print(n, "cases of", len(by_op), "operators,", os.path.getsize(out), "bytes")


main()
