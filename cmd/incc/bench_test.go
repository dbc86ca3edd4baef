package main

import (
	"strings"
	"testing"
)

// TestRateText: a share of the peak that cannot be is not printed.
func TestRateText(t *testing.T) {
	if got := rateText(benchResult{GFLOPS: 40, Peak: 160, PeakShare: 0.25}); got != "40.0 GFLOP/s, 25.0 % of the peak of 160.0" {
		t.Error(got)
	}
	if got := rateText(benchResult{GFLOPS: 400, Peak: 160, PeakShare: 2.5}); strings.Contains(got, "%") || !strings.HasPrefix(got, "400.0 GFLOP/s; ") {
		t.Error(got)
	}
}
