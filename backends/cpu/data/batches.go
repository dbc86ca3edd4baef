package data

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/incc-lang/incc/backends/cpu/epochs"
)

// Order returns the order of n images in an epoch: a permutation that depends only on
// seed and epoch.
func Order(n int, seed int64, epoch int) []int32 {
	p := make([]int32, n)
	epochs.Order(p, seed, epoch)
	return p
}

// Inputs makes the inputs of a network of the images of sets. It is safe for concurrent
// use.
type Inputs interface {
	Size() int // floats of an input
	// Train writes the input of image i of a set for training, with what is random about
	// it drawn from r. Eval writes it for evaluation.
	Train(dst []float32, s *Set, i int, r *Draws) error
	Eval(dst []float32, s *Set, i int) error
}

// Batch holds the images of one step.
type Batch struct {
	Step   int // of the epoch
	Images []float32
	Labels []int32
	// Others are the labels of the pictures that were mixed in (mixup, CutMix); nil for a
	// batch that is not mixed. Labels have the share Share, from 0.5 to 1, Others the rest.
	Others []int32
	Share  float32

	left   atomic.Int32 // images that are not ready yet
	mu     sync.Mutex
	err    error // of the image failed
	failed int
}

// Batches prepares the batches of an epoch ahead of the training, on goroutines of its
// own, which also decode pictures that are not in memory. The training waits only if
// preparing is slower. What a batch holds does not depend on the number of goroutines.
type Batches struct {
	size  int // floats of an input
	batch int
	count int // images of all steps
	steps int
	next  int
	chunk int // images that a goroutine prepares in one go
	fill  func(dst []float32, place int) (label int32, err error)
	mix   func(step int) (mix, bool) // how a batch is mixed; nil for never
	ready []chan *Batch
	free  chan *Batch
	stop  chan struct{}
	once  sync.Once
	wg    sync.WaitGroup

	mu      sync.Mutex
	turn    int    // the step whose batch is begun next
	filling *Batch // the batch in work; nil if none has images left to take
	place   int    // of the next image in filling
}

// NewBatches begins an epoch at a step (0, or where a run was interrupted). The
// images that do not fill a batch at the end are left out, as PyTorch's
// drop_last does: every step then has the same size.
func NewBatches(t Inputs, s *Set, batch int, seed int64, epoch, first int) *Batches {
	order := Order(s.Len(), seed, epoch)
	var mixing func(step int) (mix, bool)
	if t, ok := t.(*Transform); ok && t.Mixes() {
		mixing = func(step int) (mix, bool) { return t.mix(seed, epoch, step) }
	}
	return newBatches(t.Size(), s, batch, s.Len()/batch*batch, first, func(dst []float32, place int) (int32, error) {
		i := int(order[place])
		return s.Labels[i], t.Train(dst, s, i, NewDraws(seed, epoch, place))
	}, mixing)
}

// NewEvaluation begins an evaluation: all images in their order, without augmentation. The
// last batch may have fewer images than the others.
func NewEvaluation(t Inputs, s *Set, batch int) *Batches {
	return newBatches(t.Size(), s, batch, s.Len(), 0, func(dst []float32, i int) (int32, error) {
		return s.Labels[i], t.Eval(dst, s, i)
	}, nil)
}

func newBatches(size int, s *Set, batch, count, first int, fill func(dst []float32, place int) (int32, error), mixing func(step int) (mix, bool)) *Batches {
	b := &Batches{size: size, batch: batch, count: count, steps: (count + batch - 1) / batch, next: first, turn: first, fill: fill, mix: mixing, stop: make(chan struct{})}
	const ahead = 4
	b.free = make(chan *Batch, ahead+1)
	for range min(ahead+1, b.steps-first) {
		b.free <- &Batch{Images: make([]float32, batch*size), Labels: make([]int32, batch)}
	}
	b.ready = make([]chan *Batch, b.steps)
	for i := range b.ready {
		b.ready[i] = make(chan *Batch, 1)
	}
	// Half of the processors are enough for images in memory. To decode pictures it takes
	// all: while the training waits, it needs none.
	workers := min(max(1, runtime.GOMAXPROCS(0)/2), 8)
	if s.InMemory() < s.Len() {
		workers = runtime.GOMAXPROCS(0)
	}
	const work = 1 << 14 // floats that are worth a turn
	b.chunk = min(max(1, work/max(1, size)), batch)
	for range workers {
		b.wg.Go(b.prepare)
	}
	return b
}

// prepare fills batches until all are filled, or Close is called.
func (b *Batches) prepare() {
	for {
		x, from, to := b.take()
		if x == nil {
			return
		}
		for k := from; k < to; k++ {
			label, err := b.fill(x.Images[k*b.size:(k+1)*b.size], x.Step*b.batch+k)
			if x.Labels[k] = label; err != nil {
				x.fail(err, k)
			}
		}
		if x.left.Add(int32(from-to)) == 0 {
			if b.mix != nil && x.err == nil {
				if m, ok := b.mix(x.Step); ok {
					m.batch(x)
				}
			}
			b.ready[x.Step] <- x
		}
	}
}

// take returns the next images to prepare, or nil if there are none: those at from to
// to-1 of a batch.
func (b *Batches) take() (x *Batch, from, to int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.filling == nil {
		if b.turn >= b.steps {
			return nil, 0, 0
		}
		select {
		case x = <-b.free:
		case <-b.stop:
			return nil, 0, 0
		}
		n := min(b.batch, b.count-b.turn*b.batch)
		x.Step, x.Images, x.Labels, x.err = b.turn, x.Images[:n*b.size], x.Labels[:n], nil
		x.Others, x.Share = nil, 1
		x.left.Store(int32(n))
		b.filling, b.place = x, 0
		b.turn++
	}
	select {
	case <-b.stop:
		return nil, 0, 0
	default:
	}
	x, from = b.filling, b.place
	to = min(from+b.chunk, len(x.Labels))
	if b.place = to; to == len(x.Labels) {
		b.filling = nil
	}
	return x, from, to
}

// fail notes that an image could not be prepared. The first one of the batch counts.
func (x *Batch) fail(err error, k int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.err == nil || k < x.failed {
		x.err, x.failed = err, k
	}
}

// Steps is the number of batches of the epoch.
func (b *Batches) Steps() int { return b.steps }

// Next returns the next batch, nil at the end of the epoch. The caller owns it until
// Done. After an error there is no next batch.
func (b *Batches) Next() (*Batch, error) {
	if b.next >= b.steps {
		return nil, nil
	}
	x := <-b.ready[b.next]
	b.next++
	if x.err != nil {
		return nil, x.err
	}
	return x, nil
}

// Done gives a batch back.
func (b *Batches) Done(x *Batch) { b.free <- x }

// Close stops the goroutines.
func (b *Batches) Close() {
	b.once.Do(func() { close(b.stop) })
	b.wg.Wait()
}
