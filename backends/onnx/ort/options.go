package ort

import (
	"fmt"
	"runtime/debug"
)

// This file has calls of onnxruntime_go that programs make out of habit. What they set has no
// counterpart in incc, as each says; wrong values are errors, as there.

// ArbitraryTensor is the old name of Value, as in onnxruntime_go.
type ArbitraryTensor = Value

// GetVersion returns the version of incc in the program, for logs: incc and the version of its
// module, which is (devel) in a program that is built from a clone.
func GetVersion() string {
	const module = "github.com/incc-lang/incc"
	version := "(devel)"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range append(info.Deps, &info.Main) {
			if m.Path == module && m.Replace == nil && m.Version != "" {
				version = m.Version
			}
		}
	}
	return "incc " + version
}

// SetInterOpNumThreads does nothing but check n: incc computes one op after another, each on
// all threads of SetIntraOpNumThreads.
func (o *SessionOptions) SetInterOpNumThreads(n int) error {
	if n < 0 {
		return fmt.Errorf("%d threads (want at least 0)", n)
	}
	return nil
}

// GraphOptimizationLevel says how a graph is rewritten before it runs.
type GraphOptimizationLevel int

// The levels, with the numbers of ONNX Runtime.
const (
	GraphOptimizationLevelDisableAll     GraphOptimizationLevel = 0
	GraphOptimizationLevelEnableBasic    GraphOptimizationLevel = 1
	GraphOptimizationLevelEnableExtended GraphOptimizationLevel = 2
	GraphOptimizationLevelEnableAll      GraphOptimizationLevel = 99
)

func (l GraphOptimizationLevel) String() string {
	switch l {
	case GraphOptimizationLevelDisableAll:
		return "ORT_DISABLE_ALL"
	case GraphOptimizationLevelEnableBasic:
		return "ORT_ENABLE_BASIC"
	case GraphOptimizationLevelEnableExtended:
		return "ORT_ENABLE_EXTENDED"
	case GraphOptimizationLevelEnableAll:
		return "ORT_ENABLE_ALL"
	}
	return fmt.Sprintf("level %d", int(l))
}

// SetGraphOptimizationLevel does nothing but check the level: incc always runs all its passes,
// which do not change what a network computes but for rounding.
func (o *SessionOptions) SetGraphOptimizationLevel(level GraphOptimizationLevel) error {
	switch level {
	case GraphOptimizationLevelDisableAll, GraphOptimizationLevelEnableBasic, GraphOptimizationLevelEnableExtended, GraphOptimizationLevelEnableAll:
		return nil
	}
	return fmt.Errorf("%v of optimization is not known (want 0, 1, 2 or 99)", level)
}

// ExecutionMode says whether ops run one after another.
type ExecutionMode int

// The modes, with the numbers of ONNX Runtime.
const (
	ExecutionModeSequential ExecutionMode = 0
	ExecutionModeParallel   ExecutionMode = 1
)

// SetExecutionMode takes ExecutionModeSequential, which is how incc computes. It returns an
// error for every other mode.
func (o *SessionOptions) SetExecutionMode(mode ExecutionMode) error {
	if mode != ExecutionModeSequential {
		return fmt.Errorf("execution mode %d: incc runs one op after another, each on several threads (want ExecutionModeSequential)", int(mode))
	}
	return nil
}

// SetCpuMemArena does nothing: a compiled program has all its memory from the start.
func (o *SessionOptions) SetCpuMemArena(bool) error { return nil }

// SetMemPattern does nothing: a compiled program has all its memory from the start.
func (o *SessionOptions) SetMemPattern(bool) error { return nil }
