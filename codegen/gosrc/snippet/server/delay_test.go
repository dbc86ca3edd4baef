package server

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestDelay checks, in a clock of its own, how long images take that come at random times: one
// that finds the network idle, at most the wait for others and one batch; any other, at most the
// rest of the batch before it, or the wait if that is longer, and one batch.
func TestDelay(t *testing.T) {
	const most, batch, wait = 8, 10 * time.Millisecond, 2 * time.Millisecond
	for _, every := range []time.Duration{30 * time.Millisecond, 5 * time.Millisecond, 1500 * time.Microsecond} { // between two images, on average
		synctest.Test(t, func(t *testing.T) {
			var busy atomic.Bool
			var batches atomic.Int64
			n := network{imageLen: 1, classes: 1, infer: func(scores, images []float32) error {
				busy.Store(true)
				time.Sleep(batch)
				busy.Store(false)
				batches.Add(1)
				copy(scores, images)
				return nil
			}}
			b := newBatcher(n, most, wait)
			go b.run()
			r := rand.New(rand.NewPCG(3, 4))
			const images = 2000
			var wg sync.WaitGroup
			for i := range images {
				time.Sleep(time.Duration(r.ExpFloat64() * float64(every)))
				wg.Go(func() {
					idle, begin := !busy.Load() && b.waiting() == 0, time.Now()
					over := b.expect()
					scores, err := b.compute(context.Background(), []float32{float32(i)}, over)
					took := time.Since(begin)
					switch {
					case err != nil || scores[0] != float32(i):
						t.Errorf("image %d: %v, %v", i, scores, err)
					case idle && took > wait+batch:
						t.Errorf("every %v: an image that finds the network idle takes %v", every, took)
					case took > 2*batch && every > batch/most*2: // the queue is never longer than a batch
						t.Errorf("every %v: an image takes %v", every, took)
					}
				})
			}
			wg.Wait()
			b.close()
			t.Logf("an image every %v: %.1f in a batch", every, images/float64(batches.Load()))
		})
	}
}
