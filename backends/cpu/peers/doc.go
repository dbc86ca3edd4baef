// Package peers runs ONNX Runtime and PyTorch beside incc: for their numbers,
// which ours are compared with, and for their times.
//
// They are installed, once, into $INCC_PEERS (by default the folder incc/peers
// in the user's cache) by
//
//	go run ./backends/cpu/peers/install          # ONNX Runtime 1.30.0 and 1.20.1, by npm
//	go run ./backends/cpu/peers/install photos   # photographs out of scikit-image, by pip, 14 MB
//	go run ./backends/cpu/peers/install torch    # PyTorch 2.15.0, by pip, 5 GB
//
// ONNX Runtime comes as the shared library in npm's onnxruntime-node, driven by
// the C program ort/ort.c; PyTorch by torch/server.py, from its own environment, or
// Debian's python3-torch (1.13) under /usr/bin/python3. Both are servers on
// their standard input and output with the same commands, so the start of an
// interpreter, its heap and the cost of a call are in no figure. Where one is
// missing, StartORT and StartTorch return an error that names the command above,
// and tests skip with it (with INCC_PEERS_REQUIRED=1 those that need ONNX Runtime
// fail).
//
// A comparison (Interleave) takes turns: a few runs of one side, then of the
// other, so both see the same machine. A peer that is not running is stopped
// (SIGSTOP), since its threads would go on spinning for work into our turn.
package peers
