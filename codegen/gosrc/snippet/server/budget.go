// What requests share: memory, and turns.

package server

import (
	"context"
	"errors"
	"slices"
	"sync"
)

var (
	errFull  = errors.New("too many requests are waiting")
	errLarge = errors.New("the picture needs more memory than the server may use for all")
)

// budget is a number of bytes, or of anything else, that requests share. A request that asks for more than
// is free waits, behind those that came before it.
type budget struct {
	mu      sync.Mutex
	total   int64
	free    int64
	most    int // requests that may wait
	waiting []*waiter
}

type waiter struct {
	n    int64
	done chan struct{} // closed when it has what it waits for
}

func newBudget(total int64, most int) *budget {
	return &budget{total: total, free: total, most: most}
}

// take waits until n are free and takes them. It returns errFull if too many
// are waiting, errLarge if n exceeds the whole budget, and the error of ctx.
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
		b.free += w.n // it came at the same moment
	}
	b.wake()
	return ctx.Err()
}

// try takes n if they are free and nobody waits for them.
func (b *budget) try(n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) > 0 || n > b.free {
		return false
	}
	b.free -= n
	return true
}

// give returns n.
func (b *budget) give(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free += n
	b.wake()
}

// wake serves the first waiters as far as there is enough. The lock is held.
func (b *budget) wake() {
	for len(b.waiting) > 0 && b.waiting[0].n <= b.free {
		b.free -= b.waiting[0].n
		close(b.waiting[0].done)
		b.waiting = slices.Delete(b.waiting, 0, 1)
	}
}

// idle reports whether nobody has taken anything.
func (b *budget) idle() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.free == b.total
}
