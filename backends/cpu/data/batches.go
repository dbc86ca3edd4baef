package data

import (
	"runtime"
	"sync"

	"github.com/incc-lang/incc/backends/cpu/kernel"
)

// Order returns the order of n images in an epoch: a permutation that depends only on
// seed and epoch.
func Order(n int, seed int64, epoch int) []int32 {
	p := make([]int32, n)
	kernel.Order(p, seed, epoch)
	return p
}

// Batch holds the images of one step.
type Batch struct {
	Step   int // of the epoch
	Images []float32
	Labels []int32
}

// Batches prepares the batches of an epoch ahead of the training, on threads of its
// own. The training waits only if preparing is slower. What a batch holds does not
// depend on the number of threads.
type Batches struct {
	ready []chan *Batch
	free  chan *Batch
	stop  chan struct{}
	once  sync.Once
	wg    sync.WaitGroup
	next  int
	steps int
}

// NewBatches begins an epoch at a step (0, or where a run was interrupted). The
// images that do not fill a batch at the end are left out, as PyTorch's
// drop_last does: every step then has the same size.
func NewBatches(t *Transform, s *Set, batch int, seed int64, epoch, first int) *Batches {
	order := Order(s.Len(), seed, epoch)
	b := &Batches{steps: s.Len() / batch, next: first, stop: make(chan struct{})}
	workers := min(max(1, runtime.GOMAXPROCS(0)/2), 8)
	const ahead = 4
	b.free = make(chan *Batch, ahead+workers)
	for range ahead + workers {
		b.free <- &Batch{Images: make([]float32, batch*t.Size()), Labels: make([]int32, batch)}
	}
	b.ready = make([]chan *Batch, b.steps)
	for i := range b.ready {
		b.ready[i] = make(chan *Batch, 1)
	}
	var mu sync.Mutex
	turn := first
	for range workers {
		b.wg.Add(1)
		go func() {
			defer b.wg.Done()
			for {
				var buf *Batch
				select {
				case buf = <-b.free:
				case <-b.stop:
					return
				}
				mu.Lock()
				step := turn
				turn++
				mu.Unlock()
				if step >= b.steps {
					return
				}
				buf.Step = step
				for k := range batch {
					place := step*batch + k
					i := int(order[place])
					buf.Labels[k] = s.Labels[i]
					t.Train(buf.Images[k*t.Size():(k+1)*t.Size()], s, i, NewDraws(seed, epoch, place))
				}
				b.ready[step] <- buf
			}
		}()
	}
	return b
}

// Steps is the number of batches of the epoch.
func (b *Batches) Steps() int { return b.steps }

// Next returns the next batch, nil at the end of the epoch. The caller owns it until
// Done.
func (b *Batches) Next() *Batch {
	if b.next >= b.steps {
		return nil
	}
	x := <-b.ready[b.next]
	b.next++
	return x
}

// Done gives a batch back.
func (b *Batches) Done(x *Batch) { b.free <- x }

// Close stops the threads.
func (b *Batches) Close() {
	b.once.Do(func() { close(b.stop) })
	b.wg.Wait()
}
