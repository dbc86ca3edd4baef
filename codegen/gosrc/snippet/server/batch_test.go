package server

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// batches is a network that tells the test of its batches and waits for its leave.
type batches struct {
	begun chan []float32 // the images of a batch
	may   chan error     // what infer returns
}

func (n batches) network(most int) network {
	return network{imageLen: 1, classes: 2, batch: most, parallel: 1, infer: func(scores, images []float32) error {
		n.begun <- slices.Clone(images)
		err := <-n.may
		for i, x := range images {
			scores[2*i], scores[2*i+1] = x, -x
		}
		return err
	}}
}

// testBatcher returns a batcher that runs until the test ends.
func testBatcher(t *testing.T, n network, most int, wait time.Duration) *batcher {
	t.Helper()
	b := newBatcher(n, most, wait)
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.run()
	}()
	t.Cleanup(func() {
		b.close()
		<-done
	})
	return b
}

// ask computes an image in the background.
func ask(ctx context.Context, b *batcher, x float32) <-chan error {
	got := make(chan error, 1)
	go func() {
		scores, err := b.compute(ctx, []float32{x}, func() {})
		if err == nil && (len(scores) != 2 || scores[0] != x || scores[1] != -x) {
			err = errors.New("another image's scores")
		}
		got <- err
	}()
	return got
}

// waitForQueue waits until the queue of a batcher has n images.
func waitForQueue(t *testing.T, b *batcher, n int) {
	t.Helper()
	for range 5000 {
		if b.waiting() == n {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("the queue never has %d images", n)
}

// TestBatches checks what comes into a batch: the images that came while the last one was
// computed, in their order and no more than the limit, without those of clients that have gone.
func TestBatches(t *testing.T) {
	n := batches{make(chan []float32), make(chan error)}
	b := testBatcher(t, n.network(4), 4, 0)
	bg := context.Background()
	answers := []<-chan error{ask(bg, b, 0)}
	if got := <-n.begun; !slices.Equal(got, []float32{0}) {
		t.Fatalf("a lone image is in the batch %v", got)
	}
	ctx, leave := context.WithCancel(bg)
	var gone <-chan error
	for i := range 7 {
		if i == 2 {
			gone = ask(ctx, b, 2)
		} else {
			answers = append(answers, ask(bg, b, float32(i)))
		}
		waitForQueue(t, b, i+1)
	}
	leave()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("a client that has gone gets %v", err)
	}
	n.may <- nil
	if got := <-n.begun; !slices.Equal(got, []float32{0, 1, 3, 4}) {
		t.Errorf("the second batch is %v", got)
	}
	// A client that goes now waits for its batch, because the network reads its image.
	n.may <- nil
	if got := <-n.begun; !slices.Equal(got, []float32{5, 6}) {
		t.Errorf("the third batch is %v", got)
	}
	n.may <- nil
	for i, c := range answers {
		if err := <-c; err != nil {
			t.Errorf("image %d: %v", i, err)
		}
	}
	ctx, leave = context.WithCancel(bg)
	late := ask(ctx, b, 9)
	<-n.begun
	leave()
	select {
	case err := <-late:
		t.Errorf("a client leaves while its image is read: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	n.may <- errors.New("broken")
	if err := <-late; !errors.Is(err, errFailed) {
		t.Errorf("a network that fails: %v", err)
	}
}

// TestGather checks how long the first image of a batch waits for others.
func TestGather(t *testing.T) {
	const long = time.Minute
	bg := context.Background()
	n := batches{make(chan []float32), make(chan error)}
	b := testBatcher(t, n.network(8), 8, long)
	// No others are expected.
	alone := ask(bg, b, 1)
	if got := <-n.begun; len(got) != 1 {
		t.Errorf("a lone image is in a batch of %d", len(got))
	}
	n.may <- nil
	if err := <-alone; err != nil {
		t.Error(err)
	}
	// Two others are being decoded; one of them fails.
	over, fails := b.expect(), b.expect()
	first := ask(bg, b, 1)
	waitForQueue(t, b, 1)
	fails()
	fails()
	select {
	case got := <-n.begun:
		t.Fatalf("the batch %v does not wait for an image that comes", got)
	case <-time.After(20 * time.Millisecond):
	}
	second := make(chan error)
	go func() {
		_, err := b.compute(bg, []float32{2}, over)
		second <- err
	}()
	if got := <-n.begun; !slices.Equal(got, []float32{1, 2}) {
		t.Errorf("the batch is %v", got)
	}
	n.may <- nil
	if err := errors.Join(<-first, <-second); err != nil {
		t.Error(err)
	}
	// The last batch had two images: so the next one waits for a second image.
	first = ask(bg, b, 3)
	waitForQueue(t, b, 1)
	select {
	case got := <-n.begun:
		t.Fatalf("the batch %v does not wait for as many images as the last one had", got)
	case <-time.After(20 * time.Millisecond):
	}
	other := ask(bg, b, 4)
	if got := <-n.begun; len(got) != 2 {
		t.Errorf("the batch is %v", got)
	}
	n.may <- nil
	if err := errors.Join(<-first, <-other); err != nil {
		t.Error(err)
	}
	// With a short limit the wait ends by itself.
	b = testBatcher(t, n.network(8), 8, time.Millisecond)
	b.expect()
	first = ask(bg, b, 5)
	<-n.begun
	n.may <- nil
	if err := <-first; err != nil {
		t.Error(err)
	}
}

// TestBatcherUnderLoad checks that each of many clients, some of which leave, gets the scores of
// its own image, that no batch is too large, and that no goroutine is left.
func TestBatcherUnderLoad(t *testing.T) {
	before := runtime.NumGoroutine()
	var images, count atomic.Int64
	n := network{imageLen: 3, classes: 1, infer: func(scores, x []float32) error {
		if len(scores) > 5 || len(x) != 3*len(scores) {
			return errors.New("a batch of wrong size")
		}
		for i := range scores {
			scores[i] = x[3*i] + x[3*i+1] + x[3*i+2]
		}
		images.Add(int64(len(scores)))
		count.Add(1)
		return nil
	}}
	b := newBatcher(n, 5, 200*time.Microsecond)
	var runners, clients sync.WaitGroup
	for range 2 {
		runners.Go(b.run)
	}
	var asked atomic.Int64
	for id := range 20 {
		clients.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(id)))
			for range 300 {
				ctx, cancel := context.WithCancel(context.Background())
				if r.IntN(8) == 0 {
					time.AfterFunc(time.Duration(r.IntN(100))*time.Microsecond, cancel)
				}
				over := b.expect()
				x := []float32{float32(r.IntN(100)), float32(id), 1}
				scores, err := b.compute(ctx, x, over)
				cancel()
				switch {
				case errors.Is(err, context.Canceled):
				case err != nil:
					t.Error(err)
				case scores[0] != x[0]+x[1]+x[2]:
					t.Errorf("%v has the scores %v", x, scores)
				default:
					asked.Add(1)
				}
			}
		})
	}
	clients.Wait()
	if images.Load() < asked.Load() || b.waiting() != 0 || b.coming != 0 {
		t.Errorf("%d images computed, %d answered, %d wait, %d come", images.Load(), asked.Load(), b.waiting(), b.coming)
	}
	t.Logf("%d images in %d batches", images.Load(), count.Load())
	b.close()
	runners.Wait()
	for range 1000 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("%d goroutines before, %d afterwards", before, runtime.NumGoroutine())
}
