package cputime

import (
	"runtime"
	"testing"
	"time"
)

func TestWaitingIsNotCounted(t *testing.T) {
	if runtime.GOOS == "windows" || runtime.GOOS == "plan9" || runtime.GOOS == "js" {
		t.Skip("the processor time is not known here")
	}
	since := Start()
	time.Sleep(300 * time.Millisecond)
	if d := since(); d > 150*time.Millisecond {
		t.Errorf("%v while the process slept", d)
	}
}

func TestWorkIsCounted(t *testing.T) {
	since := Start()
	for begin := time.Now(); since() < 20*time.Millisecond; {
		if time.Since(begin) > time.Minute {
			t.Fatal("a minute of work is not counted")
		}
	}
}
