package server

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// waitFor waits until n requests wait for a budget.
func waitFor(t *testing.T, b *budget, n int) {
	t.Helper()
	for range 1000 {
		b.mu.Lock()
		have := len(b.waiting)
		b.mu.Unlock()
		if have == n {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("there are never %d waiting requests", n)
}

// TestBudgetOrder checks that a small request does not overtake a large one that waits, and
// that the next ones are served when a request gives up.
func TestBudgetOrder(t *testing.T) {
	b := newBudget(10, 2)
	bg := context.Background()
	if err := b.take(bg, 11); !errors.Is(err, errLarge) {
		t.Errorf("11 of 10: %v", err)
	}
	if err := b.take(bg, 6); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(bg)
	large, small := make(chan error), make(chan error)
	go func() { large <- b.take(ctx, 8) }()
	waitFor(t, b, 1)
	go func() { small <- b.take(bg, 3) }()
	waitFor(t, b, 2)
	if err := b.take(bg, 1); !errors.Is(err, errFull) {
		t.Errorf("a third one waits: %v", err)
	}
	if b.try(1) {
		t.Error("try overtakes requests that wait")
	}
	cancel()
	if err := <-large; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := <-small; err != nil {
		t.Error(err)
	}
	if b.free != 1 || b.idle() {
		t.Errorf("%d are free, want 1", b.free)
	}
	b.give(3)
	b.give(6)
	if !b.idle() {
		t.Errorf("%d are free in the end", b.free)
	}
}

// TestBudgetBound checks that requests that come and give up at random never take more than
// the budget, and that all of it is returned.
func TestBudgetBound(t *testing.T) {
	b := newBudget(100, 20)
	var used, most atomic.Int64
	var wg sync.WaitGroup
	for i := range 50 {
		r := rand.New(rand.NewPCG(1, uint64(i)))
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 200 {
				n := 1 + r.Int64N(60)
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(r.IntN(300))*time.Microsecond)
				if b.take(ctx, n) == nil {
					now := used.Add(n)
					for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
					}
					time.Sleep(time.Duration(r.IntN(50)) * time.Microsecond)
					used.Add(-n)
					b.give(n)
				}
				cancel()
			}
		}()
	}
	wg.Wait()
	if most.Load() > 100 || most.Load() < 50 || !b.idle() || len(b.waiting) > 0 {
		t.Errorf("at most %d of 100 were used; %d are free and %d wait in the end", most.Load(), b.free, len(b.waiting))
	}
}
