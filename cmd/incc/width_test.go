package main

import "testing"

func TestBar(t *testing.T) {
	texts := barTexts{"epoch 1/3", "step 430/859", "loss 1.0540", "20427 images/s", "0:08 left", "12 % waiting for images"}
	for _, c := range []struct {
		width int
		want  string
	}{
		{120, "[============            ] epoch 1/3  step 430/859  loss 1.0540  20427 images/s  0:08 left  12 % waiting for images"},
		{79, "[======       ] epoch 1/3  step 430/859  loss 1.0540  20427 images/s  0:08 left"},
		{59, "[====     ] epoch 1/3  step 430/859  loss 1.0540  0:08 left"},
		{39, "[====     ] 1/3  loss 1.0540  0:08 left"},
		{34, "epoch 1/3  loss 1.0540  0:08 left"},
		{20, "epoch 1/3  0:08 left"},
		{10, "epoch 1/3"},
		{3, "epo"},
		{-1, ""},
	} {
		if got := texts.bar(0.5, c.width); got != c.want {
			t.Errorf("at %d: %q, want %q", c.width, got, c.want)
		}
	}
}
