// This file shares limited resources among requests: bytes of memory, and the number of
// requests that are computed at the same time.

package server

import (
	"context"
	"errors"
	"slices"
	"sync"
)

var (
	errFull  = errors.New("too many requests are waiting")
	errLarge = errors.New("the picture needs more memory than the server may use for all requests")
)

// budget is a number of units (bytes, or requests at the same time) that requests share. A
// request that needs more than is free must wait. Requests are served in the order in which
// they came.
type budget struct {
	mu      sync.Mutex
	total   int64
	free    int64
	most    int // requests that may wait
	waiting []*waiter
}

type waiter struct {
	n    int64
	done chan struct{} // closed when the waiter has got its n units
}

func newBudget(total int64, most int) *budget {
	return &budget{total: total, free: total, most: most}
}

// take waits until n units are free and takes them. It returns errFull if too many requests
// are waiting, errLarge if n is more than the whole budget, and the error of ctx when ctx is
// done.
func (b *budget) take(ctx context.Context, n int64) error {
	b.mu.Lock()
	switch {
	case n > b.total:
		b.mu.Unlock()
		return errLarge
	case len(b.waiting) == 0 && n <= b.free:
		b.free -= n
		b.mu.Unlock()
		return nil
	case len(b.waiting) >= b.most:
		b.mu.Unlock()
		return errFull
	}
	w := &waiter{n, make(chan struct{})}
	b.waiting = append(b.waiting, w)
	b.mu.Unlock()
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.Index(b.waiting, w); i >= 0 {
		b.waiting = slices.Delete(b.waiting, i, i+1)
	} else {
		b.free += w.n // the waiter got its units at the same moment: return them
	}
	b.wake()
	return ctx.Err()
}

// try takes n units if they are free and no request is waiting. It reports whether it did.
func (b *budget) try(n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) > 0 || n > b.free {
		return false
	}
	b.free -= n
	return true
}

// give returns n units to the budget.
func (b *budget) give(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free += n
	b.wake()
}

// wake gives units to the waiters, from the first on, as long as enough are free. The caller
// holds the lock.
func (b *budget) wake() {
	for len(b.waiting) > 0 && b.waiting[0].n <= b.free {
		b.free -= b.waiting[0].n
		close(b.waiting[0].done)
		b.waiting = slices.Delete(b.waiting, 0, 1)
	}
}

// idle reports whether all units are free.
func (b *budget) idle() bool { return b.used() == 0 }

// used returns the number of units that are taken.
func (b *budget) used() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.total - b.free
}
