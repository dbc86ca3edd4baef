// Package peers runs ONNX Runtime, OpenVINO and PyTorch as child processes, so that tests
// compare incc's results with theirs and the report compares the times.
//
// The report and its results are in the folder report:
// https://github.com/incc-lang/incc/blob/main/backends/cpu/peers/report/README.md
//
// They are installed once, into the folder $INCC_PEERS or, without this variable, into the
// folder incc/peers of the user's cache:
//
//	go run ./backends/cpu/peers/install          # ONNX Runtime 1.32.0 and 1.20.1, by pip
//	go run ./backends/cpu/peers/install photos   # photographs out of scikit-image, by pip, 14 MB
//	go run ./backends/cpu/peers/install openvino # OpenVINO 2026.4.1, by pip, 280 MB
//	go run ./backends/cpu/peers/install torch    # PyTorch 2.15.0, by pip, 5 GB
//
// ONNX Runtime is the shared library of pip's package onnxruntime, called by the C
// program ort/ort.c. PyTorch is called by torch/server.py, either 2.15.0 in an environment
// of its own or Debian's python3-torch (1.13) under /usr/bin/python3. OpenVINO is called by
// openvino/server.py. All read the same commands from standard input and answer on standard
// output, and they measure time themselves: starting an interpreter or sending a command is
// not part of any result.
//
// Where a program is not installed, StartORT, StartOpenVINO and StartTorch return an error with the
// command that installs it, and tests are skipped with this error. With
// INCC_PEERS_REQUIRED=1, tests that need ONNX Runtime fail instead.
//
// Interleave compares two programs in turns: a few runs of one, then a few of the other, so
// that both see the same state of the machine. A program that is not running is stopped
// by SIGSTOP, because its threads would wait in a loop and take time from the other.
package peers
