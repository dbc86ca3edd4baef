// This file collects the images of several requests, so that the network computes them as one
// batch: an image of a batch takes less time than an image alone.

package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// errFailed is wrapped by errors of the network itself, which are no fault of a request.
var errFailed = errors.New("the network failed")

// batcher computes the images of requests in batches. While a batch is computed, the images
// that come wait in a queue; they are the next batch.
type batcher struct {
	network
	most int                                              // images in a batch
	wait time.Duration                                    // how long an image waits at most for others, if no batch is computed
	tell func(waited []time.Duration, took time.Duration) // is called after each batch, with what each of its images waited; may be nil

	mu      sync.Mutex
	changed sync.Cond // queue, coming or closed
	queue   []*entry
	coming  int // images that are being decoded
	last    int // images in the last batch: how many clients there are
	closed  bool
}

// entry is an image in the queue of a batcher.
type entry struct {
	image  []float32
	since  time.Time
	done   chan struct{} // closed when scores or err is set
	scores []float32
	err    error
}

func newBatcher(n network, most int, wait time.Duration) *batcher {
	b := &batcher{network: n, most: most, wait: wait}
	b.changed.L = &b.mu
	return b
}

// expect counts an image that will come soon, so that a batch may wait for it. The caller must
// call the function that expect returns when the image is there, or when it is known that it
// will not come. Calling it again does nothing.
func (b *batcher) expect() (over func()) {
	b.add(1)
	return sync.OnceFunc(func() { b.add(-1) })
}

func (b *batcher) add(coming int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.coming += coming
	b.changed.Broadcast()
}

// compute returns the scores of an image. It returns the error of ctx if ctx is done before
// the image's batch begins. The image must not be changed until compute returns. over is what
// expect returned for it.
func (b *batcher) compute(ctx context.Context, image []float32, over func()) ([]float32, error) {
	e := &entry{image: image, since: time.Now(), done: make(chan struct{})}
	b.mu.Lock()
	b.queue = append(b.queue, e)
	b.changed.Broadcast()
	b.mu.Unlock()
	over()
	select {
	case <-e.done:
		return e.scores, e.err
	case <-ctx.Done():
	}
	b.mu.Lock()
	i := slices.Index(b.queue, e)
	if i >= 0 {
		b.queue = slices.Delete(b.queue, i, i+1)
	}
	b.mu.Unlock()
	if i >= 0 {
		return nil, ctx.Err()
	}
	<-e.done // the network reads the image
	return e.scores, e.err
}

// waiting returns the number of images in the queue.
func (b *batcher) waiting() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.queue)
}

// run computes batches until close was called and the queue is empty.
func (b *batcher) run() {
	images := make([]float32, b.most*b.imageLen)
	scores := make([]float32, b.most*b.classes)
	waited := make([]time.Duration, b.most)
	for {
		batch := b.next()
		if batch == nil {
			return
		}
		begin := time.Now()
		for i, e := range batch {
			copy(images[i*b.imageLen:(i+1)*b.imageLen], e.image)
			waited[i] = begin.Sub(e.since)
		}
		n := len(batch)
		err := b.infer(scores[:n*b.classes], images[:n*b.imageLen])
		if b.tell != nil {
			b.tell(waited[:n], time.Since(begin))
		}
		for i, e := range batch {
			if err != nil {
				e.err = fmt.Errorf("%w: %w", errFailed, err)
			} else {
				e.scores = slices.Clone(scores[i*b.classes : (i+1)*b.classes])
			}
			close(e.done)
		}
	}
}

// next takes the next batch from the queue. It waits for the first image, and then for others
// if there are signs of them. It returns nil at the end.
func (b *batcher) next() []*entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		for len(b.queue) == 0 {
			if b.closed {
				return nil
			}
			b.changed.Wait()
		}
		b.gather()
		if n := min(len(b.queue), b.most); n > 0 { // clients may have gone
			b.last = n
			batch := slices.Clone(b.queue[:n])
			b.queue = slices.Delete(b.queue, 0, n)
			return batch
		}
	}
}

// gather waits until the queue holds a batch, or no more images are to be expected, or the first
// image has waited long enough. More images are to be expected while some are being decoded, or
// when the last batch had more than are here now: so the image of a lone client does not wait.
// The caller holds the lock.
func (b *batcher) gather() {
	end := b.queue[0].since.Add(b.wait)
	left := time.Until(end)
	if left <= 0 {
		return
	}
	timer := time.AfterFunc(left, func() { b.add(0) })
	defer timer.Stop()
	for len(b.queue) < b.most && !b.closed && (b.coming > 0 || len(b.queue) < b.last) && time.Now().Before(end) {
		b.changed.Wait()
	}
}

// close makes run return after the images that are in the queue.
func (b *batcher) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.changed.Broadcast()
}
