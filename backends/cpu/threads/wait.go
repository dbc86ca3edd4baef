package threads

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// spinning says how a thread waits.
type spinning struct {
	alone bool // every thread of the pool has a CPU of its own
}

const spinFor = 4 * time.Millisecond

// event is a counter that threads wait for: first by looking at it again and
// again, then asleep. The counter is the high half of n; the low half is free for
// parts of one.
type event struct {
	n        atomic.Uint64
	sleepers atomic.Int32
	mu       sync.Mutex
	cond     sync.Cond
	_        [64]byte // what follows is another cache line's
}

func (e *event) init() { e.cond.L = &e.mu }

func (e *event) count() uint32 { return uint32(e.n.Load() >> 32) }

func (e *event) signal() {
	e.n.Add(1 << 32)
	e.wake()
}

// add adds parts. When there are of parts, it counts one event, begins again with no parts,
// and returns true.
func (e *event) add(parts, of int) bool {
	for {
		n := e.n.Load()
		if int(n&(1<<32-1))+parts < of {
			if e.n.CompareAndSwap(n, n+uint64(parts)) {
				return false
			}
		} else if e.n.CompareAndSwap(n, (n>>32+1)<<32) {
			e.wake()
			return true
		}
	}
}

func (e *event) wake() {
	if e.sleepers.Load() > 0 { // a sleeper counts itself first and looks at n again after
		e.mu.Lock()
		e.cond.Broadcast()
		e.mu.Unlock()
	}
}

// soon waits a microsecond or two and reports whether the counter is not old any more.
func (e *event) soon(old uint32) bool {
	for range 40 {
		if e.count() != old {
			return true
		}
		pause()
	}
	return false
}

// wait returns once the counter is not old any more.
func (e *event) wait(old uint32, s spinning) {
	if s.alone {
		for range 200 {
			if e.count() != old {
				return
			}
		}
		begin := time.Now()
		for time.Since(begin) < spinFor {
			for range 200 {
				if e.count() != old {
					return
				}
				pause()
			}
			runtime.Gosched() // who else wants this thread of Go's may have it
		}
	} else {
		for range 20 {
			if e.count() != old {
				return
			}
			runtime.Gosched()
		}
	}
	e.sleepers.Add(1)
	e.mu.Lock()
	for e.count() == old {
		e.cond.Wait()
	}
	e.mu.Unlock()
	e.sleepers.Add(-1)
}
