package ort

import (
	"strings"
	"testing"
)

// TestOptions: what has no effect takes the values of ONNX Runtime, and no others.
func TestOptions(t *testing.T) {
	o, err := NewSessionOptions()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what string
		err  error
		ok   bool
	}{
		{"4 threads between ops", o.SetInterOpNumThreads(4), true},
		{"-1 threads between ops", o.SetInterOpNumThreads(-1), false},
		{"no optimization", o.SetGraphOptimizationLevel(GraphOptimizationLevelDisableAll), true},
		{"all optimization", o.SetGraphOptimizationLevel(GraphOptimizationLevelEnableAll), true},
		{"level 3", o.SetGraphOptimizationLevel(3), false},
		{"sequential", o.SetExecutionMode(ExecutionModeSequential), true},
		{"parallel", o.SetExecutionMode(ExecutionModeParallel), false},
		{"no arena", o.SetCpuMemArena(false), true},
		{"no pattern", o.SetMemPattern(false), true},
	} {
		if (c.err == nil) != c.ok {
			t.Errorf("%s: %v", c.what, c.err)
		}
	}
	if s := GraphOptimizationLevelEnableAll.String(); s != "ORT_ENABLE_ALL" {
		t.Error(s)
	}
	if v, ok := strings.CutPrefix(GetVersion(), "incc "); !ok || v == "" {
		t.Errorf("version %q", GetVersion())
	}
}
