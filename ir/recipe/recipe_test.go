package recipe

import (
	"slices"
	"testing"
)

// Parts are unfrozen when the last statement that freezes them has ended.
func TestFrozenAndUnfrozen(t *testing.T) {
	r := Train{Freeze: []Freeze{{Parts: []string{"a", "b"}, Until: 2}, {Parts: []string{"b", "c"}, Until: 3}, {Parts: []string{"d"}}}}
	for epoch, want := range []struct{ frozen, unfrozen []string }{
		{[]string{"a", "b", "b", "c", "d"}, nil}, {[]string{"a", "b", "b", "c", "d"}, nil}, {[]string{"b", "c", "d"}, []string{"a"}}, {[]string{"d"}, []string{"b", "c"}}, {[]string{"d"}, nil},
	} {
		if got := r.Frozen(epoch); !slices.Equal(got, want.frozen) {
			t.Errorf("epoch %d freezes %v, want %v", epoch, got, want.frozen)
		}
		if got := r.Unfrozen(epoch); !slices.Equal(got, want.unfrozen) {
			t.Errorf("epoch %d unfreezes %v, want %v", epoch, got, want.unfrozen)
		}
	}
	if got := r.Unfreezes(); !slices.Equal(got, []int{2, 3}) {
		t.Errorf("%v", got)
	}
}

// The first statement that mixes counts; without a probability every batch is mixed.
func TestMixingOf(t *testing.T) {
	for _, c := range []struct {
		augs []Augment
		want Mixing
	}{
		{nil, Mixing{}}, {[]Augment{{Flip: 0.5}}, Mixing{}}, {[]Augment{{Flip: 0.5}, {Mixup: 0.2}}, Mixing{Mixup: 0.2, Prob: 1}},
		{[]Augment{{CutMix: 1, MixProb: 0.3}, {Mixup: 0.2}}, Mixing{CutMix: 1, Prob: 0.3}},
	} {
		if got := MixingOf(c.augs); got != c.want || got.On() != (c.want != Mixing{}) {
			t.Errorf("%+v: %+v, want %+v", c.augs, got, c.want)
		}
	}
}
